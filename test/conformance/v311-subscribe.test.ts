// MQTT 3.1.1, chapters 3.8 to 3.12: SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ.
import { expect, test } from "vitest";
import { rawPacket } from "../fakes/raw-client.ts";
import { conformanceBroker, isExternal, refused } from "./broker-under-test.ts";
import {
  acknowledge,
  pendingMessages,
  publish,
  receive,
  receiveAll,
  receiveOnly,
  receiveTexts,
  sendPublish,
  subscribe,
  unsubscribe,
} from "./flows.ts";

test("[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.3.1-7] SUBSCRIBE is answered with SUBACK of the same identifier", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  for (const messageId of [1, 256, 65_535]) {
    await client.send(rawPacket(0x82, messageId >> 8, messageId & 255, "a", 1));
    const suback = await client.next();
    expect([...client.bytesOf(suback)]).toEqual([0x90, 3, messageId >> 8, messageId & 255, 1]);
  }
});

test("[MQTT-3.8.4-4] [MQTT-3.8.4-5] [MQTT-3.9.3-1] [MQTT-3.9.3-2] one SUBACK has a code for each filter, in their order", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  expect(await subscribe(client, { a: 2, b: 0, "c/#": 1, "+/d": 2, e: 1 })).toEqual([2, 0, 1, 2, 1]);
  for (const [topic, qos] of [
    ["a", 2],
    ["b", 0],
    ["c/x", 1],
    ["x/d", 2],
    ["e", 1],
  ] as const) {
    await publish(client, topic, { qos: 2 });
    expect(await receive(client)).toMatchObject({ topic, qos });
  }
  await client.silent();
});

test.skipIf(isExternal)(
  "[MQTT-3.8.4-5] [MQTT-3.9.3-2] a filter that is not allowed gets 0x80, and its neighbours their QoS",
  async () => {
    await using broker = await conformanceBroker();
    const client = await broker.connect("c");
    const filters = { a: 1, [`${refused}/x`]: 1, b: 2, [`${refused}/#`]: 0 } as const;
    expect(await subscribe(client, filters)).toEqual([1, 0x80, 2, 0x80]);
    await publish(client, "a", { payload: "still", qos: 1 });
    expect(await receive(client)).toMatchObject({ text: "still" });
  },
);

test("[MQTT-3.8.4-4] a filter that stands twice in one SUBSCRIBE has the later QoS", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await client.send(rawPacket(0x82, 0, 9, "a", 2, "a", 0));
  expect((await client.expect("suback")).granted).toEqual([2, 0]);
  await publish(client, "a", { qos: 2 });
  expect(await receive(client)).toMatchObject({ qos: 0 });
  await client.silent();
});

test("[MQTT-3.8.4-3] subscribing again replaces the subscription: the new QoS, one copy", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  const other = await broker.connect("other");
  for (const qos of [2, 0, 1] as const) {
    expect(await subscribe(client, { "a/+": qos })).toEqual([qos]);
    await publish(other, "a/b", { qos: 2 });
    expect(await receive(client)).toMatchObject({ topic: "a/b", qos });
    expect(await pendingMessages(client)).toEqual([]);
  }
});

test("[MQTT-3.8.4-3] subscribing again does not interrupt the flow of messages", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  const other = await broker.connect("other");
  await subscribe(client, { a: 1 });
  for (let at = 0; at < 10; at++) {
    await sendPublish(other, "a", { payload: String(at), qos: 1 });
    await client.send(rawPacket(0x82, 1, at, "a", 1));
  }
  expect(await receiveTexts(client, 10)).toEqual(Array.from({ length: 10 }, (_, at) => String(at)));
});

test("[MQTT-3.3.5-1] overlapping subscriptions get one copy, at the highest QoS", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  const other = await broker.connect("other");
  await subscribe(client, { "a/#": 0, "a/b": 2, "a/+": 1, "+/b": 0 });
  await publish(other, "a/b", { payload: "once", qos: 2 });
  expect(await receive(client)).toMatchObject({ text: "once", qos: 2 });
  expect(await pendingMessages(client)).toEqual([]);
  await unsubscribe(client, "a/b");
  await publish(other, "a/b", { payload: "again", qos: 2 });
  expect(await receive(client)).toMatchObject({ text: "again", qos: 1 });
  expect(await pendingMessages(client)).toEqual([]);
});

test("[MQTT-4.5.0-1] every client whose filter matches gets the message, also its publisher", async () => {
  await using broker = await conformanceBroker();
  const clients = [];
  for (const [name, filter] of Object.entries({ one: "a/b", two: "a/+", three: "#", four: "a/#" })) {
    const client = await broker.connect(name);
    await subscribe(client, { [filter]: 1 });
    clients.push(client);
  }
  const [publisher] = clients;
  if (publisher === undefined) throw new Error("no client");
  await sendPublish(publisher, "a/b", { payload: "all", qos: 1 });
  for (const client of clients) expect(await receive(client)).toMatchObject({ topic: "a/b", text: "all", qos: 1 });
});

test("[MQTT-3.10.4-2] [MQTT-3.10.4-4] [MQTT-2.3.1-7] UNSUBSCRIBE is answered with UNSUBACK of the same identifier, and no message follows", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  const other = await broker.connect("other");
  await subscribe(client, { "a/#": 1 });
  await publish(other, "a/b", { payload: "before", qos: 1 });
  expect(await receive(client)).toMatchObject({ text: "before" });
  await client.send(rawPacket(0xa2, 0x12, 0x34, "a/#"));
  expect([...client.bytesOf(await client.next())]).toEqual([0xb0, 2, 0x12, 0x34]);
  await publish(other, "a/b", { payload: "after", qos: 1 });
  await client.silent();
});

test("[MQTT-3.10.4-5] UNSUBSCRIBE of what was never subscribed is answered all the same", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await client.send(rawPacket(0xa2, 0, 7, "never"));
  expect(await client.next()).toMatchObject({ cmd: "unsuback", messageId: 7 });
});

test("[MQTT-3.10.4-1] filters are compared character by character: what merely matches stays subscribed", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  const other = await broker.connect("other");
  await subscribe(client, { "a/+": 1 });
  await unsubscribe(client, "a/b");
  await unsubscribe(client, "a/#");
  await unsubscribe(client, "#");
  await unsubscribe(client, "A/+");
  await unsubscribe(client, "a/+/");
  await publish(other, "a/b", { payload: "still", qos: 1 });
  expect(await receive(client)).toMatchObject({ text: "still" });
});

test("[MQTT-3.10.4-6] UNSUBSCRIBE of several filters ends each of them, with one UNSUBACK", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  const other = await broker.connect("other");
  await subscribe(client, { a: 1, "b/+": 1, "c/#": 1, d: 1 });
  await unsubscribe(client, "a", "never", "c/#", "b/+");
  for (const topic of ["a", "b/x", "c/x/y"]) await publish(other, topic, { qos: 1 });
  await client.silent();
  await publish(other, "d", { qos: 1 });
  expect(await receive(client)).toMatchObject({ topic: "d" });
});

test("[MQTT-3.10.4-3] messages that were on their way when a subscription ends are delivered to the end", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c", { clean: false });
  const other = await broker.connect("other");
  await subscribe(client, { a: 2 });
  await publish(other, "a", { payload: "two", qos: 2 });
  await publish(other, "a", { payload: "one", qos: 1 });
  const [two, one] = [await receiveOnly(client), await receiveOnly(client)];
  await unsubscribe(client, "a");
  await acknowledge(client, two); // with PUBREL from the broker
  await client.end();
  const again = await broker.connect("c", { clean: false });
  expect(await receive(again)).toMatchObject({ text: "one", dup: true, messageId: one.messageId });
  await again.silent();
});

test("an UNSUBSCRIBE concerns its own client only", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  const other = await broker.connect("other");
  await subscribe(client, { a: 1 });
  await subscribe(other, { a: 1 });
  await unsubscribe(other, "a");
  await publish(other, "a", { qos: 1 });
  expect(await receiveAll(client, 1)).toHaveLength(1);
  await other.silent();
});

test("[MQTT-3.12.4-1] PINGREQ is answered with PINGRESP", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  for (let time = 0; time < 3; time++) {
    await client.send(Uint8Array.from([0xc0, 0]));
    expect([...client.bytesOf(await client.next())]).toEqual([0xd0, 0]);
  }
});
