// MQTT 3.1.1, chapters 3.1.2.5 to 3.1.2.7 and 3.14: will messages.
import { expect, test } from "vitest";
import { rawPacket, type RawClient } from "../fakes/raw-client.ts";
import { conformanceBroker, type ConformanceBroker } from "./broker-under-test.ts";
import { pendingMessages, publish, receive, subscribe } from "./flows.ts";

const gone = { topic: "will", payload: "gone", qos: 1, retain: false } as const;

async function watch(broker: ConformanceBroker, filter = "will"): Promise<RawClient> {
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { [filter]: 2 });
  return watcher;
}

test("[MQTT-3.1.2-8] the will is published when the connection ends without DISCONNECT, and not before", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker);
  const client = await broker.connect("c", { will: gone });
  await client.ping();
  await watcher.silent();
  await client.end();
  expect(await receive(watcher)).toMatchObject({ topic: "will", text: "gone", qos: 1, retain: false, dup: false });
  await watcher.silent();
});

test("[MQTT-3.1.2-8] the will is published when the connection is reset", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker);
  const client = await broker.connect("c", { will: gone });
  client.abort();
  expect(await receive(watcher)).toMatchObject({ text: "gone" });
});

const violations: Readonly<Record<string, Uint8Array>> = {
  "QoS 3": rawPacket(0x36, "a", 0, 1),
  "a second CONNECT": rawPacket(0x10, "MQTT", 4, 2, 0, 0, "c"),
  "SUBSCRIBE without filter": rawPacket(0x82, 0, 1),
  "a topic that is no UTF-8": rawPacket(0x30, 0, 1, 0xff),
  "an unknown packet": Uint8Array.from([0xf0, 0]),
  "an endless length": Uint8Array.from([0x30, 0xff, 0xff, 0xff, 0xff, 0xff]),
};

test.each(Object.entries(violations))(
  "[MQTT-3.1.2-8] [MQTT-4.8.0-1] the will is published when the broker closes the connection for %s",
  async (_violation, bytes) => {
    await using broker = await conformanceBroker();
    const watcher = await watch(broker);
    const client = await broker.connect("c", { will: gone });
    await client.send(bytes);
    await client.expectClosed();
    expect(await receive(watcher)).toMatchObject({ text: "gone" });
    await watcher.silent();
  },
);

test("[MQTT-3.1.2-8] [MQTT-3.1.2-24] the will is published when keepalive runs out", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker);
  const client = await broker.connect("c", { will: gone, keepalive: 1 });
  await broker.advance(2_500);
  expect(await receive(watcher)).toMatchObject({ text: "gone" });
  await client.expectClosed();
});

test("[MQTT-3.1.2-10] [MQTT-3.14.4-3] after DISCONNECT there is no will", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker);
  for (const clean of [true, false]) {
    const client = await broker.connect("c", { will: gone, clean });
    await client.disconnect();
    await watcher.silent();
  }
});

test("[MQTT-3.14.4-3] DISCONNECT in one segment with the packets before it", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker, "#");
  const client = await broker.connect("c", { will: gone });
  await client.send(rawPacket(0x30, "a", Buffer.from("last")), Uint8Array.from([0xe0, 0]));
  await client.end();
  expect(await receive(watcher)).toMatchObject({ text: "last" });
  expect(await pendingMessages(watcher)).toEqual([]);
});

test("[MQTT-3.1.2-12] without the will flag nothing is published", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker, "#");
  const client = await broker.connect("c");
  await client.end();
  const again = await broker.connect("c");
  await again.ping();
  await watcher.silent();
});

test("[MQTT-3.1.2-10] a will is published once, and not again for a later connection of the session", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker);
  const first = await broker.connect("c", { will: gone, clean: false });
  await first.end();
  expect(await receive(watcher)).toMatchObject({ text: "gone" });
  const second = await broker.connect("c", { clean: false });
  await second.end();
  const third = await broker.connect("c", { clean: false });
  await third.ping();
  await watcher.silent();
});

test("[MQTT-3.1.2-16] a will without retain is not kept", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker);
  const client = await broker.connect("c", { will: gone });
  await client.end();
  expect(await receive(watcher)).toMatchObject({ text: "gone", retain: false });
  const later = await broker.connect("later");
  await subscribe(later, { will: 1 });
  await later.silent();
});

test("[MQTT-3.1.2-17] a will with retain is kept, and replaces what was retained", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker);
  await publish(watcher, "will", { payload: "here", qos: 1, retain: true });
  await receive(watcher);
  const client = await broker.connect("c", { will: { ...gone, retain: true } });
  await client.end();
  expect(await receive(watcher)).toMatchObject({ text: "gone", retain: false });
  const later = await broker.connect("later");
  await subscribe(later, { will: 1 });
  expect(await receive(later)).toMatchObject({ text: "gone", qos: 1, retain: true });
  await later.silent();
});

test("[MQTT-3.1.2-17] an empty will with retain removes what was retained", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker);
  await publish(watcher, "will", { payload: "here", qos: 1, retain: true });
  await receive(watcher);
  const client = await broker.open();
  await client.send(rawPacket(0x10, "MQTT", 4, 0x2e, 0, 0, "c", "will", "")); // will at QoS 1 with retain, clean session
  await client.expect("connack");
  await client.end();
  expect(await receive(watcher)).toMatchObject({ text: "", retain: false });
  const later = await broker.connect("later");
  await subscribe(later, { will: 1 });
  await later.silent();
});

test("[MQTT-3.1.2-9] a will has the QoS of the flags, lowered to the subscription", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker);
  const lower = await broker.connect("lower");
  await subscribe(lower, { will: 1 });
  for (const qos of [0, 1, 2] as const) {
    const client = await broker.connect("c", { will: { ...gone, qos } });
    await client.end();
    expect(await receive(watcher)).toMatchObject({ qos });
    expect(await receive(lower)).toMatchObject({ qos: Math.min(qos, 1) });
  }
});

test("[MQTT-3.1.2-5] a will is collected for sessions that are away", async () => {
  await using broker = await conformanceBroker();
  const away = await broker.connect("away", { clean: false });
  await subscribe(away, { will: 1 });
  await away.disconnect();
  const watcher = await watch(broker);
  const client = await broker.connect("c", { will: gone });
  await client.end();
  await receive(watcher);
  const back = await broker.connect("away", { clean: false });
  expect(await receive(back)).toMatchObject({ text: "gone", qos: 1 });
});

test("[MQTT-3.1.4-2] [MQTT-3.1.2-8] a take-over publishes the will of the older connection, and keeps that of the newer one", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker, "will/#");
  const older = await broker.connect("c", { will: { ...gone, topic: "will/older" } });
  const newer = await broker.connect("c", { will: { ...gone, topic: "will/newer" } });
  await older.expectClosed();
  expect(await receive(watcher)).toMatchObject({ topic: "will/older" });
  await newer.ping();
  expect(await pendingMessages(watcher)).toEqual([]);
  await newer.end();
  expect(await receive(watcher)).toMatchObject({ topic: "will/newer" });
  await watcher.silent();
});

test("[MQTT-3.1.4-2] [MQTT-3.1.2-8] [MQTT-3.1.2-10] a take-over of a kept session publishes the older will, and DISCONNECT drops the newer one", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker, "will/#");
  const older = await broker.connect("c", { clean: false, will: { ...gone, topic: "will/older" } });
  const newer = await broker.connect("c", { clean: false, will: { ...gone, topic: "will/newer" } });
  await older.expectClosed();
  await newer.disconnect();
  expect(await receive(watcher)).toMatchObject({ topic: "will/older" });
  expect(await pendingMessages(watcher)).toEqual([]);
});

test("[MQTT-3.1.2-8] a refused CONNECT leaves no will", async () => {
  await using broker = await conformanceBroker();
  const watcher = await watch(broker);
  const level6 = rawPacket(0x10, "MQTT", 6, 0x0e, 0, 0, "c", "will", "gone");
  const noId = rawPacket(0x10, "MQTT", 4, 0x0c, 0, 0, "", "will", "gone");
  const malformed = rawPacket(0x10, "MQTT", 4, 0x0f, 0, 0, "c", "will", "gone");
  for (const bytes of [level6, noId, malformed]) {
    const client = await broker.open();
    await client.send(bytes);
    await client.untilClosed();
  }
  await watcher.silent();
});

test("a will reaches its own next connection when that is subscribed", async () => {
  await using broker = await conformanceBroker();
  const first = await broker.connect("c", { clean: false, will: gone });
  await subscribe(first, { will: 1 });
  await first.end();
  const second = await broker.connect("c", { clean: false });
  expect(await receive(second)).toMatchObject({ text: "gone" });
});
