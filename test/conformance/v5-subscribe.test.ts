// MQTT 5.0, 3.8 to 3.11 and 4.7.1: SUBSCRIBE, UNSUBSCRIBE, and their answers.
import { expect, test } from "vitest";
import { sorted, useBroker } from "./v5-client.ts";
import {
  bytes,
  frame,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
  type Filter,
  type Qos,
} from "./v5-packets.ts";
import { propertyBytes, two } from "./v5-properties.ts";

const broker = useBroker();

test("[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.2.1-6] SUBACK has the identifier of its SUBSCRIBE", async () => {
  const client = await broker.connect();
  for (const id of [1, 256, 65_535]) {
    await client.send(subscribePacket(id, [{ filter: broker.unique() }]));
    expect(await client.expect("suback")).toMatchObject({ id, reasons: [0x00] });
  }
});

test("[MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1] [MQTT-3.9.3-2] one SUBACK answers all filters, in their order", async () => {
  const client = await broker.connect();
  const qos: readonly Qos[] = [2, 0, 1, 1, 0, 2];
  const prefix = broker.unique();
  await client.send(
    subscribePacket(
      7,
      qos.map((each, at) => ({ filter: `${prefix}/${at}`, qos: each })),
    ),
  );
  expect(await client.expect("suback")).toMatchObject({ id: 7, reasons: qos });
  for (const at of qos.keys()) await client.publish({ topic: `${prefix}/${at}`, payload: String(at), qos: 2 });
  for (const [at, each] of qos.entries()) {
    const message = await client.find("publish");
    expect(message).toMatchObject({ payload: String(at), qos: each });
    await client.complete(message);
  }
});

test("[MQTT-3.8.4-5] a filter that comes twice in one SUBSCRIBE counts as the last of them says", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  const reasons = await client.subscribe([
    { filter: topic, qos: 2 },
    { filter: topic, qos: 0 },
  ]);
  expect(reasons).toEqual([2, 0]);
  await client.publish({ topic, qos: 2 });
  const messages = await broker.drain(client, await broker.connect());
  expect(messages.map(({ qos }) => qos)).toEqual([0]);
});

test("[MQTT-3.8.3-2] SUBSCRIBE without a filter is a protocol error", async () => {
  const client = await broker.connect();
  await client.send(subscribePacket(1, []));
  await client.refused(0x81, 0x82);
});

test("[MQTT-3.10.3-2] UNSUBSCRIBE without a filter is a protocol error", async () => {
  const client = await broker.connect();
  await client.send(unsubscribePacket(1, []));
  await client.refused(0x81, 0x82);
});

test("[MQTT-3.8.3-5] reserved bits of the subscription options are malformed", async () => {
  for (const options of [0x40, 0x80, 0xc0]) {
    const client = await broker.connect();
    await client.send(subscribePacket(1, [{ filter: "a", options }]));
    await client.refused(0x81);
  }
});

test("[MQTT-4.13.1-1] a maximum QoS or a retain handling of 3 ends the connection", async () => {
  for (const options of [0x03, 0x30]) {
    const client = await broker.connect();
    await client.send(subscribePacket(1, [{ filter: "a", options }]));
    await client.refused(0x81, 0x82);
  }
});

test("[MQTT-3.8.4-3] the same filter again replaces the subscription", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe({ filter: topic, qos: 2 }, [["subscriptionIdentifier", 5]]);
  await client.subscribe({ filter: topic, qos: 1, retainAsPublished: true });
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 2, retain: true, payload: "x" });
  const messages = await broker.drain(client, publisher);
  expect(messages.map(({ qos, retain, properties }) => [qos, retain, properties])).toEqual([[1, true, []]]);
});

test("[MQTT-3.8.4-4] while a subscription is replaced no message is lost, and kept ones come again", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.publish({ topic, qos: 1, retain: true, payload: "kept" });
  await client.subscribe({ filter: topic, qos: 1 });
  const parts: Uint8Array[] = [];
  for (let number = 1; number <= 10; number++) {
    parts.push(publishPacket({ topic, qos: 1, id: number, payload: String(number) }));
    parts.push(subscribePacket(100 + number, [{ filter: topic, qos: 1 }]));
  }
  await client.send(...parts);
  for (let number = 1; number <= 10; number++) {
    expect((await client.find("puback")).id).toBe(number);
    expect((await client.find("suback")).reasons).toEqual([1]);
  }
  const payloads = (await broker.drain(client, client)).map(({ payload }) => payload);
  expect(payloads.filter((payload) => payload !== "kept")).toEqual(
    Array.from({ length: 10 }, (_, at) => String(at + 1)),
  );
  expect(payloads.filter((payload) => payload === "kept").length).toBe(11);
});

test.each([
  [0, 0],
  [0, 1],
  [0, 2],
  [1, 0],
  [1, 1],
  [1, 2],
  [2, 0],
  [2, 1],
  [2, 2],
])(
  "[MQTT-3.8.4-8] what is published with QoS %i and subscribed with %i has the lesser of both",
  async (sent, asked) => {
    const topic = broker.unique();
    const client = await broker.connect();
    expect(await client.subscribe({ filter: topic, qos: asked as Qos })).toEqual([asked]);
    await client.publish({ topic, qos: sent });
    expect((await client.find("publish")).qos).toBe(Math.min(sent, asked));
  },
);

test("[MQTT-3.3.4-2] of overlapping subscriptions the highest QoS counts", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe([
    { filter: `${topic}/+`, qos: 0 },
    { filter: `${topic}/a`, qos: 2 },
    { filter: `${topic}/#`, qos: 1 },
  ]);
  const publisher = await broker.connect();
  await publisher.publish({ topic: `${topic}/a`, qos: 2 });
  const messages = await broker.drain(client, publisher);
  expect(sorted(messages.map(({ qos }) => qos))).toBeOneOf([[2], [0, 1, 2]]); // one copy, or one for each
});

test.each(["a/#/b", "a#", "#a", "##", "a/b#", "a+", "+a/b", "a/b+/c", "++", "a/++"])(
  "[MQTT-4.7.1-1] [MQTT-4.7.1-2] the filter %s is refused",
  async (filter) => {
    const client = await broker.connect();
    await client.send(subscribePacket(1, [{ filter }, { filter: "valid", qos: 1 }]));
    const answer = await client.next().catch(() => undefined);
    if (answer?.type === "suback") expect(answer.reasons).toEqual([0x8f, 1]);
    else expect(answer ?? { type: "disconnect", reason: 0x8f }).toMatchObject({ type: "disconnect" });
  },
);

test("[MQTT-4.7.1-1] [MQTT-4.7.1-2] wildcards match as they should", async () => {
  const prefix = broker.unique();
  const matches: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ["sport/tennis/#", ["sport/tennis", "sport/tennis/p1", "sport/tennis/p1/r/w"], ["sport", "sport/tennisx"]],
    ["sport/+", ["sport/", "sport/x"], ["sport", "sport/x/y"]],
    ["+/+/end", ["a/b/end", "//end"], ["a/end", "a/b/c/end"]],
    ["a/+/#", ["a/b", "a//", "a/b/c"], ["a", "b/a"]],
    ["/+", ["/x", "/"], ["x", "x/y"]],
  ];
  const publisher = await broker.connect();
  for (const [at, [filter, inside, outside]] of matches.entries()) {
    const client = await broker.connect();
    await client.subscribe({ filter: `${prefix}/${at}/${filter}`, qos: 1 });
    for (const topic of [...inside, ...outside])
      await publisher.publish({ topic: `${prefix}/${at}/${topic}`, qos: 1, payload: topic });
    const messages = await broker.drain(client, publisher);
    expect(
      messages.map(({ payload }) => payload),
      filter,
    ).toEqual(inside);
  }
});

test("[MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-2.2.1-6] UNSUBACK has the identifier of its UNSUBSCRIBE, also when there is nothing to delete", async () => {
  const client = await broker.connect();
  for (const id of [1, 256, 65_535]) {
    await client.send(unsubscribePacket(id, [broker.unique()]));
    expect(await client.expect("unsuback")).toMatchObject({ id, reasons: [0x11] });
  }
});

test("[MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2] one UNSUBACK answers all filters, in their order", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe([{ filter: topic }, { filter: `${topic}/+` }]);
  const reasons = await client.unsubscribe(topic, `${topic}/none`, `${topic}/+`, topic);
  expect(reasons).toEqual([0x00, 0x11, 0x00, 0x11]);
});

test("[MQTT-3.10.4-1] a filter is deleted by exactly the same filter only", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  const filters: readonly Filter[] = [{ filter: `${topic}/+`, qos: 1 }];
  await client.subscribe(filters);
  expect(await client.unsubscribe(`${topic}/a`, `${topic}/#`, "#", `${topic.toUpperCase()}/+`)).toEqual([
    0x11, 0x11, 0x11, 0x11,
  ]);
  const publisher = await broker.connect();
  await publisher.publish({ topic: `${topic}/a`, qos: 1 });
  expect((await client.receive()).topic).toBe(`${topic}/a`);
  expect(await client.unsubscribe(`${topic}/+`)).toEqual([0x00]);
  await publisher.publish({ topic: `${topic}/a`, qos: 1 });
  expect(await broker.drain(client, publisher)).toEqual([]);
});

test("[MQTT-3.10.4-2] after UNSUBACK nothing new is added, and other subscriptions stay", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe([{ filter: topic }, { filter: `${topic}/#`, qos: 1 }]);
  await client.unsubscribe(topic);
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1 });
  const messages = await broker.drain(client, publisher);
  expect(messages.map(({ qos }) => qos)).toEqual([1]); // by the filter that is left
});

test("[MQTT-3.10.4-3] what was being sent when UNSUBSCRIBE came is completed", async () => {
  const topic = broker.unique();
  const clientId = broker.unique();
  const properties = [["sessionExpiryInterval", 100]] as const;
  const client = await broker.connect({ clientId, properties });
  await client.subscribe(topic);
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 2, payload: "two" });
  await publisher.publish({ topic, qos: 1, payload: "one" });
  const begun = await client.receive();
  const one = await client.receive();
  expect(await client.unsubscribe(topic)).toEqual([0x00]);
  await client.complete(begun);
  await client.end();
  await broker.settle();
  const again = await broker.connect({ clientId, cleanStart: false, properties });
  expect(await again.receive()).toMatchObject({ payload: "one", id: one.id, dup: true });
});

test("[MQTT-3.8.3-1] [MQTT-3.10.3-1] a filter of a hundred characters is one, whatever they are", async () => {
  const filter = `${broker.unique()}/${"ä€😀 ".repeat(25)}`;
  const client = await broker.connect();
  expect(await client.subscribe({ filter, qos: 1 })).toEqual([1]);
  expect(await client.unsubscribe(filter)).toEqual([0x00]);
});

test("[MQTT-4.7.3-1] an empty filter in UNSUBSCRIBE deletes nothing", async () => {
  const client = await broker.connect();
  await client.send(frame(0xa2, two(1), propertyBytes(), bytes(0, 0)));
  const answer = await client.next().catch(() => undefined);
  if (answer?.type === "unsuback") expect(answer.reasons).toEqual([expect.toBeOneOf([0x11, 0x8f])]);
  else expect(answer?.type ?? "disconnect").toBe("disconnect");
});
