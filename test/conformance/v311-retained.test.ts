// MQTT 3.1.1, chapter 3.3.1.3: retained messages.
import { expect, test } from "vitest";
import { rawPacket } from "../fakes/raw-client.ts";
import { conformanceBroker } from "./broker-under-test.ts";
import { pendingMessages, publish, receive, receiveAll, subscribe, unsubscribe } from "./flows.ts";

test("[MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-8] a later subscriber gets the retained message with RETAIN 1, at the lesser QoS", async () => {
  await using broker = await conformanceBroker();
  const publisher = await broker.connect("publisher");
  for (const qos of [0, 1, 2] as const)
    await publish(publisher, `a/${qos}`, { payload: `at ${qos}`, qos, retain: true });
  await publisher.disconnect();
  for (const granted of [0, 1, 2] as const) {
    const client = await broker.connect("c");
    for (const qos of [0, 1, 2] as const) {
      await subscribe(client, { [`a/${qos}`]: granted });
      const expected = { text: `at ${qos}`, qos: Math.min(qos, granted), retain: true, dup: false };
      expect(await receive(client)).toMatchObject(expected);
    }
    await client.silent();
    await client.disconnect();
  }
});

test("[MQTT-3.3.1-6] a filter with wildcards gets the last message of each topic that matches", async () => {
  await using broker = await conformanceBroker();
  const publisher = await broker.connect("publisher");
  for (const topic of ["a/1", "a/2", "b/1"]) {
    await publish(publisher, topic, { payload: "old", qos: 1, retain: true });
    await publish(publisher, topic, { payload: `last of ${topic}`, qos: 1, retain: true });
  }
  const client = await broker.connect("c");
  await subscribe(client, { "a/+": 1 });
  const texts = (await receiveAll(client, 2)).map(({ text }) => text);
  expect(texts.toSorted()).toEqual(["last of a/1", "last of a/2"]);
  await client.silent();
});

test("[MQTT-3.3.1-9] who was subscribed before gets the message with RETAIN 0", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await subscribe(client, { a: 2 });
  for (const qos of [0, 1, 2] as const) {
    await publish(client, "a", { qos, retain: true });
    expect(await receive(client)).toMatchObject({ qos, retain: false });
  }
});

test("[MQTT-3.3.1-9] who was subscribed but away gets the message with RETAIN 0 too", async () => {
  await using broker = await conformanceBroker();
  const publisher = await broker.connect("publisher");
  const first = await broker.connect("c", { clean: false });
  await subscribe(first, { a: 1 });
  await first.disconnect();
  await publish(publisher, "a", { payload: "kept", qos: 1, retain: true });
  const second = await broker.connect("c", { clean: false });
  expect(await receive(second)).toMatchObject({ text: "kept", retain: false });
  await second.silent();
});

test("[MQTT-3.3.1-7] a retained message of QoS 0 replaces an older one of a higher QoS", async () => {
  await using broker = await conformanceBroker();
  const publisher = await broker.connect("publisher");
  await publish(publisher, "a", { payload: "old", qos: 2, retain: true });
  await publish(publisher, "a", { payload: "new", qos: 0, retain: true });
  const client = await broker.connect("c");
  await subscribe(client, { a: 2 });
  expect(await receive(client)).toMatchObject({ text: "new", qos: 0, retain: true });
  await client.silent();
});

test("[MQTT-3.3.1-10] [MQTT-3.3.1-11] an empty payload removes the retained message, and passes as a message with RETAIN 0", async () => {
  await using broker = await conformanceBroker();
  const publisher = await broker.connect("publisher");
  const before = await broker.connect("before");
  await subscribe(before, { a: 1 });
  await publish(publisher, "a", { payload: "kept", qos: 1, retain: true });
  await publish(publisher, "a", { payload: "", qos: 1, retain: true });
  expect(await receiveAll(before, 2)).toMatchObject([
    { text: "kept", retain: false },
    { text: "", retain: false },
  ]);
  const after = await broker.connect("after");
  await subscribe(after, { a: 1 });
  await after.silent();
});

test("[MQTT-3.3.1-11] an empty payload on a topic without a retained message is not kept", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  for (const qos of [0, 1, 2] as const) await publish(client, "a", { payload: "", qos, retain: true });
  await subscribe(client, { "#": 1 });
  await client.silent();
});

test("[MQTT-3.3.1-12] a message with RETAIN 0 neither replaces nor removes what is retained, and is not kept", async () => {
  await using broker = await conformanceBroker();
  const publisher = await broker.connect("publisher");
  await publish(publisher, "a", { payload: "kept", qos: 1, retain: true });
  await publish(publisher, "a", { payload: "passing", qos: 1 });
  await publish(publisher, "a", { payload: "", qos: 1 });
  await publish(publisher, "b", { payload: "passing", qos: 1 });
  const client = await broker.connect("c");
  await subscribe(client, { "#": 1 });
  expect(await receive(client)).toMatchObject({ text: "kept", retain: true });
  await client.silent();
});

test("[MQTT-3.8.4-3] subscribing again sends what is retained again, now at the new QoS", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await publish(client, "a", { payload: "kept", qos: 2, retain: true });
  for (const qos of [0, 2, 2, 1] as const) {
    await subscribe(client, { a: qos });
    expect(await receive(client)).toMatchObject({ text: "kept", qos, retain: true });
    expect(await pendingMessages(client)).toEqual([]);
  }
  await unsubscribe(client, "a");
  await client.silent();
});

test("[MQTT-3.8.4-4] [MQTT-3.3.1-6] each filter of one SUBSCRIBE gets what is retained, as if it had come alone", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await publish(client, "a/b", { payload: "kept", qos: 1, retain: true });
  await subscribe(client, { "a/b": 1, "a/+": 0 });
  const messages = await receiveAll(client, 2);
  expect(messages.map(({ qos }) => qos).toSorted((a, b) => a - b)).toEqual([0, 1]);
  await client.silent();
});

test("a filter that overlaps an older subscription gets what is retained", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await publish(client, "a/b", { payload: "kept", qos: 1, retain: true });
  for (const filter of ["a/b", "a/+", "#"]) {
    await subscribe(client, { [filter]: 1 });
    expect(await receive(client)).toMatchObject({ text: "kept", retain: true });
    expect(await pendingMessages(client)).toEqual([]);
  }
});

test("resuming a session is no new subscription: nothing retained comes", async () => {
  await using broker = await conformanceBroker();
  const first = await broker.connect("c", { clean: false });
  await subscribe(first, { a: 1 });
  await publish(first, "a", { payload: "kept", qos: 1, retain: true });
  await receive(first);
  await first.disconnect();
  const second = await broker.connect("c", { clean: false });
  await second.silent();
});

test("a retained message of QoS 2 is kept once, however often it is sent before PUBREL", async () => {
  await using broker = await conformanceBroker();
  const publisher = await broker.connect("publisher");
  for (const firstByte of [0x35, 0x3d]) {
    await publisher.send(rawPacket(firstByte, "a", 0, 7, Buffer.from("kept")));
    await publisher.answer("pubrec", 7);
  }
  await publisher.sendPacket({ cmd: "pubrel", messageId: 7 });
  await publisher.answer("pubcomp", 7);
  const client = await broker.connect("c");
  await subscribe(client, { a: 2 });
  expect(await receive(client)).toMatchObject({ text: "kept", qos: 2, retain: true });
  await client.silent();
});
