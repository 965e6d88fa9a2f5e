// MQTT 5.0, 3.3.1.3: retained messages, and the options of a subscription about them.
import { expect, test } from "vitest";
import { sorted, useBroker } from "./v5-client.ts";
import { bytes, type Qos } from "./v5-packets.ts";
import { numberOf, type Properties } from "./v5-properties.ts";

const broker = useBroker();

test("[MQTT-3.3.1-5] the last retained message is kept, with its QoS and properties", async () => {
  const topic = broker.unique();
  const publisher = await broker.connect();
  const properties: Properties = [
    ["payloadFormatIndicator", 1],
    ["contentType", "text/plain"],
    ["correlationData", bytes(1, 2)],
    ["userProperty", ["a", "1"]],
    ["userProperty", ["a", "2"]],
  ];
  await publisher.publish({ topic, retain: true, qos: 1, payload: "old" });
  await publisher.publish({ topic, retain: true, qos: 2, payload: "new", properties });
  const client = await broker.connect();
  await client.subscribe(topic);
  const [message, ...others] = await broker.drain(client, publisher);
  expect(others).toEqual([]);
  expect(message).toMatchObject({ retain: true, qos: 2, payload: "new", dup: false });
  expect(sorted(message?.properties ?? [])).toEqual(sorted(properties));
});

test("[MQTT-3.3.1-6] [MQTT-3.3.1-7] an empty retained message removes the one that is kept, and reaches subscribers", async () => {
  const topic = broker.unique();
  const publisher = await broker.connect();
  await publisher.publish({ topic, retain: true, qos: 1, payload: "kept" });
  const early = await broker.connect();
  await early.subscribe(topic);
  expect(await early.receive()).toMatchObject({ payload: "kept", retain: true });
  await publisher.publish({ topic, retain: true, qos: 1 });
  expect(await early.receive()).toMatchObject({ payload: "", retain: false });
  const late = await broker.connect();
  await late.subscribe(topic);
  expect(await broker.drain(late, publisher)).toEqual([]);
});

test("[MQTT-3.3.1-7] an empty retained message is not kept", async () => {
  const topic = broker.unique();
  const publisher = await broker.connect();
  await publisher.publish({ topic, retain: true, qos: 1 });
  const client = await broker.connect();
  await client.subscribe(topic);
  expect(await broker.drain(client, publisher)).toEqual([]);
});

test("[MQTT-3.3.1-8] a message without RETAIN is not kept, and leaves what is kept alone", async () => {
  const topic = broker.unique();
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1, payload: "plain" });
  const first = await broker.connect();
  await first.subscribe(topic);
  expect(await broker.drain(first, publisher)).toEqual([]);
  await publisher.publish({ topic, retain: true, qos: 1, payload: "kept" });
  await publisher.publish({ topic, qos: 1, payload: "plain" });
  await publisher.publish({ topic, qos: 1 });
  const second = await broker.connect();
  await second.subscribe(topic);
  const messages = await broker.drain(second, publisher);
  expect(messages.map(({ payload }) => payload)).toEqual(["kept"]);
});

test("[MQTT-3.3.1-9] retain handling 0 sends all that match, at each subscribe", async () => {
  const prefix = broker.unique();
  const publisher = await broker.connect();
  for (const name of ["a", "b"])
    await publisher.publish({ topic: `${prefix}/${name}`, retain: true, qos: 1, payload: name });
  const client = await broker.connect();
  for (let turn = 0; turn < 2; turn++) {
    await client.subscribe({ filter: `${prefix}/#`, qos: 1, retainHandling: 0 });
    const messages = await broker.drain(client, publisher);
    expect(sorted(messages.map(({ payload, retain }) => [payload, retain]))).toEqual([
      ["a", true],
      ["b", true],
    ]);
  }
});

test("[MQTT-3.3.1-10] retain handling 1 sends them to a subscription that is new", async () => {
  const topic = broker.unique();
  const publisher = await broker.connect();
  await publisher.publish({ topic, retain: true, qos: 1, payload: "kept" });
  const client = await broker.connect();
  await client.subscribe({ filter: topic, qos: 1, retainHandling: 1 });
  expect((await broker.drain(client, publisher)).map(({ payload }) => payload)).toEqual(["kept"]);
  await client.subscribe({ filter: topic, qos: 2, retainHandling: 1 });
  expect(await broker.drain(client, publisher)).toEqual([]);
  await client.unsubscribe(topic);
  await client.subscribe({ filter: topic, qos: 1, retainHandling: 1 });
  expect((await broker.drain(client, publisher)).map(({ payload }) => payload)).toEqual(["kept"]);
});

test("[MQTT-3.3.1-10] and a subscription of a session that is resumed is not new", async () => {
  const topic = broker.unique();
  const clientId = broker.unique();
  const properties = [["sessionExpiryInterval", 100]] as const;
  const publisher = await broker.connect();
  await publisher.publish({ topic, retain: true, qos: 1, payload: "kept" });
  const first = await broker.connect({ clientId, properties });
  await first.subscribe({ filter: topic, qos: 1, retainHandling: 2 });
  await first.end();
  await broker.settle();
  const second = await broker.connect({ clientId, cleanStart: false, properties });
  await second.subscribe({ filter: topic, qos: 1, retainHandling: 1 });
  expect(await broker.drain(second, publisher)).toEqual([]);
});

test("[MQTT-3.3.1-11] retain handling 2 sends none", async () => {
  const topic = broker.unique();
  const publisher = await broker.connect();
  await publisher.publish({ topic, retain: true, qos: 1, payload: "kept" });
  const client = await broker.connect();
  await client.subscribe({ filter: topic, qos: 1, retainHandling: 2 });
  expect(await broker.drain(client, publisher)).toEqual([]);
  await publisher.publish({ topic, qos: 1, payload: "live" });
  expect((await client.receive()).payload).toBe("live");
});

test("[MQTT-3.3.1-12] without Retain As Published the flag is 0 for live messages, and 1 for kept ones", async () => {
  const topic = broker.unique();
  const publisher = await broker.connect();
  await publisher.publish({ topic, retain: true, qos: 1, payload: "kept" });
  const client = await broker.connect();
  await client.subscribe({ filter: topic, qos: 1, retainAsPublished: false });
  await publisher.publish({ topic, retain: true, qos: 1, payload: "live" });
  const messages = await broker.drain(client, publisher);
  expect(messages.map(({ payload, retain }) => [payload, retain])).toEqual([
    ["kept", true],
    ["live", false],
  ]);
});

test("[MQTT-3.3.1-13] with Retain As Published the flag is that of the publisher", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe({ filter: topic, qos: 1, retainAsPublished: true });
  const publisher = await broker.connect();
  for (const retain of [true, false, true])
    await publisher.publish({ topic, retain, qos: 1, payload: retain ? "r" : "p" });
  const messages = await broker.drain(client, publisher);
  expect(messages.map(({ payload, retain }) => [payload, retain])).toEqual([
    ["r", true],
    ["p", false],
    ["r", true],
  ]);
});

test("[MQTT-3.8.4-8] kept messages have the lesser QoS as well", async () => {
  const topic = broker.unique();
  const publisher = await broker.connect();
  await publisher.publish({ topic, retain: true, qos: 1, payload: "kept" });
  for (const [granted, expected] of [
    [0, 0],
    [1, 1],
    [2, 1],
  ] as const) {
    const client = await broker.connect();
    await client.subscribe({ filter: topic, qos: granted satisfies Qos });
    const messages = await broker.drain(client, publisher);
    expect(messages.map(({ qos }) => qos)).toEqual([expected]);
  }
});

test("[MQTT-3.3.2-5] [MQTT-3.3.2-6] a kept message grows old, and then is gone", async () => {
  const topic = broker.unique();
  const publisher = await broker.connect();
  await publisher.publish({ topic, retain: true, qos: 1, payload: "kept", properties: [["messageExpiryInterval", 6]] });
  await broker.advance(3000);
  const first = await broker.connect();
  await first.subscribe(topic);
  const [message] = await broker.drain(first, publisher);
  expect(numberOf(message?.properties ?? [], "messageExpiryInterval", 0)).toBeOneOf([2, 3, 4]);
  await broker.advance(5000);
  const second = await broker.connect();
  await second.subscribe(topic);
  expect(await broker.drain(second, publisher)).toEqual([]);
});
