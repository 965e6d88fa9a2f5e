// Where two things happen at once: commits that are slow or fail, connections that end in between, clients that change their mind.
import { once } from "node:events";
import { expect, test } from "vitest";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import { CoreBench } from "../fakes/core-bench.ts";
import { createMemorySessionStore } from "../fakes/memory-session-store.ts";
import type { RawClient } from "../fakes/raw-client.ts";

const kept = { clean: false } as const;
const full = new FogbankError("FOGBANK_STORE_FULL", "full");

async function retain(bench: CoreBench, count: number): Promise<void> {
  for (let at = 0; at < count; at++)
    await bench.broker.publish({ topic: `r/${at}`, payload: new Uint8Array([at]), qos: 1, retain: true });
}

async function subscribe(client: RawClient, topic: string, qos: 0 | 1 | 2 = 1): Promise<void> {
  await client.sendPacket({ cmd: "subscribe", messageId: 9, subscriptions: [{ topic, qos }] });
  await client.answer("suback", 9);
}

const publish = (topic: string, messageId: number, qos: 1 | 2 = 1, retained = false) =>
  ({ cmd: "publish", topic, payload: "x", qos, messageId, dup: false, retain: retained }) as const;

test("retained messages for a kept session are stored before SUBACK: they wait for a client that goes at once", async () => {
  await using bench = await CoreBench.start();
  await retain(bench, 50);
  const first = await bench.client("k", 5, { ...kept, properties: { sessionExpiryInterval: 100, receiveMaximum: 1 } });
  await subscribe(first, "r/+");
  first.abort();
  const second = await bench.client("k", 5, { ...kept, properties: { sessionExpiryInterval: 100 } });
  const topics = new Set<string>();
  while (topics.size < 50) topics.add((await second.answer("publish")).topic);
  expect(topics.size).toBe(50);
});

test("after UNSUBACK no retained message of that subscription comes any more [MQTT-3.10.4-2]", async () => {
  await using bench = await CoreBench.start();
  await retain(bench, 50);
  const client = await bench.client("c", 5, { properties: { receiveMaximum: 1 } });
  await subscribe(client, "r/+");
  const { messageId = 0 } = await client.answer("publish");
  await client.sendPacket({ cmd: "unsubscribe", messageId: 10, unsubscriptions: ["r/+"] });
  await client.answer("unsuback", 10);
  await client.sendPacket({ cmd: "puback", messageId });
  await client.silent();
});

test("a will belongs to a connection that was accepted: one that ends before CONNACK publishes none [MQTT-3.1.2-8]", async () => {
  await using bench = await CoreBench.start();
  const watcher = await bench.client("watcher");
  await subscribe(watcher, "will", 0);
  bench.holdStore();
  const will = { topic: "will", payload: Buffer.from("gone"), qos: 0, retain: false } as const;
  const waiting = bench.client("k", 4, { ...kept, will });
  waiting.catch(() => {});
  const socket = await bench.socket(); // the CONNECT before has been read when this one is answered
  socket.end();
  await watcher.silent();
  bench.broker.disconnect("k");
  await expect(waiting).rejects.toThrow(Error);
  await watcher.silent();
});

test("a packet beyond the bound ends the connection, and the log warns who sent it and how long it was", async () => {
  await using bench = await CoreBench.start();
  const client = await bench.client("much");
  await client.send(Buffer.of(0x30, 0xff, 0xff, 0xff, 0x7f)); // the head of a PUBLISH of 256 MiB
  await client.expectClosed();
  const warned = bench.log.lines.filter(({ level }) => level === "warn");
  expect(warned.map(({ fields }) => fields)).toMatchObject([
    { clientId: "much", reason: expect.stringContaining(`larger than ${limits.packetBytes}`) },
  ]);
});

test("answers that are larger than the client takes end the connection instead [MQTT-3.1.2-24]", async () => {
  await using bench = await CoreBench.start();
  const watcher = await bench.client("watcher");
  await subscribe(watcher, "w", 0);
  const socket = await bench.socket();
  const bytes: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => bytes.push(chunk));
  const ended = once(socket, "end");
  // MQTT 5, clean, with a will, Maximum Packet Size 10, client "c", will "w".
  socket.write(
    Buffer.from([0x10, 26, 0, 4, 77, 81, 84, 84, 5, 6, 0, 0, 5, 0x27, 0, 0, 0, 10, 0, 1, 99, 0, 0, 1, 119, 0, 1, 120]),
  );
  await ended;
  expect(bytes).toEqual([]); // and no DISCONNECT before CONNACK [MQTT-3.14.0-1]
  await watcher.silent(); // nor the will of a connection that was not accepted
  await bench.proveAlive();
});

test("a refused subscription comes with its reason, if the client wants reasons", async () => {
  await using bench = await CoreBench.start();
  for (const [requestProblemInformation, wanted] of [
    [true, expect.stringContaining("topic filter")],
    [false, undefined],
  ] as const) {
    const client = await bench.client("c", 5, { properties: { requestProblemInformation } });
    await client.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a#", qos: 0 }] });
    const { granted, properties } = await client.answer("suback");
    expect([granted, properties?.reasonString]).toEqual([[0x8f], wanted]);
    await client.sendPacket({ cmd: "unsubscribe", messageId: 2, unsubscriptions: ["a#"] });
    expect((await client.answer("unsuback")).properties?.reasonString).toEqual(wanted);
  }
});

test("a SUBACK that is larger than the client takes ends the connection: it would wait for ever [MQTT-3.1.2-24]", async () => {
  await using bench = await CoreBench.start();
  const client = await bench.client("c", 5, { properties: { maximumPacketSize: 40 } });
  const subscriptions = Array.from({ length: 50 }, (_, at) => ({ topic: `t/${at}`, qos: 0 as const }));
  await client.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions });
  expect(await client.answer("disconnect")).toMatchObject({ reasonCode: 0x95 });
});

test("of one SUBSCRIBE no more filters are taken than a client may have", async () => {
  await using bench = await CoreBench.start();
  const client = await bench.client("c", 5);
  const subscriptions = Array.from({ length: limits.subscriptionsPerClient + 5 }, () => ({
    topic: "a",
    qos: 0 as const,
  }));
  await client.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions });
  const { granted } = await client.answer("suback");
  expect(granted.map(Number).filter((code) => code === 0x97)).toHaveLength(5);
});

test("a QoS 2 publish that cannot be stored is refused when its identifier is free again: the next one with it is a new message", async () => {
  const store = createMemorySessionStore();
  await using bench = await CoreBench.start({ store });
  const keeper = await bench.client("keeper", 5, { ...kept, properties: { sessionExpiryInterval: 100 } });
  await subscribe(keeper, "a", 2);
  const publisher = await bench.client("p", 5, { ...kept, properties: { sessionExpiryInterval: 100 } });
  store.failNext(full);
  await publisher.sendPacket(publish("a", 7, 2));
  expect(await publisher.answer("pubrec", 7)).toMatchObject({ reasonCode: 0x97 });
  expect((await store.sessions()).map(({ received }) => received)).toEqual([[], []]);
  await publisher.sendPacket(publish("a", 7, 2));
  expect(await publisher.answer("pubrec", 7)).toMatchObject({ reasonCode: 0 });
  expect((await store.sessions()).map(({ received }) => received)).toEqual([[], [7]]);
  expect(await keeper.answer("publish")).toMatchObject({ topic: "a", qos: 2 });
});

test("a PUBCOMP that cannot be stored is not sent, and the client is told to come again", async () => {
  const store = createMemorySessionStore();
  await using bench = await CoreBench.start({ store });
  const options = { ...kept, properties: { sessionExpiryInterval: 100 } };
  const publisher = await bench.client("p", 5, options);
  await publisher.sendPacket(publish("a", 7, 2));
  await publisher.answer("pubrec", 7);
  store.failNext(full);
  await publisher.sendPacket({ cmd: "pubrel", messageId: 7 });
  expect(await publisher.answer("disconnect")).toMatchObject({ reasonCode: 0x80 });
  const again = await bench.client("p", 5, options);
  await again.sendPacket({ cmd: "pubrel", messageId: 7 });
  await again.answer("pubcomp", 7);
});

test("what many clients wait for together is bounded: whoever sends more is not read until there is room [B2]", async () => {
  await using bench = await CoreBench.start();
  const keeper = await bench.client("keeper", 4, kept);
  await subscribe(keeper, "big");
  bench.holdStore();
  const publishers: RawClient[] = [];
  const packet = { ...publish("big", 1), payload: Buffer.alloc(900_000) };
  for (let at = 0; at < 100; at++) {
    const publisher = await bench.client(`p${at}`);
    await publisher.sendPacket(packet);
    publishers.push(publisher);
  }
  // Those that are not read any more do not answer a ping; the others do.
  const answered = new Set<RawClient>();
  for (const publisher of publishers) void publisher.ping().then(() => answered.add(publisher));
  await keeper.ping();
  const held = bench.broker.stats().publishesIn * 900_000;
  expect(held).toBeLessThanOrEqual(limits.heldBytesOfNode + 2 * limits.packetBytes * publishers.length);
  bench.releaseStore();
  for (const publisher of publishers) await publisher.answer("puback", 1);
  expect(bench.broker.stats().publishesIn).toBe(100);
});

test("what was perhaps sent before a crash and has expired meanwhile is not sent; what was surely sent is sent again [MQTT-3.3.2-5] [MQTT-4.4.0-1]", async () => {
  const store = createMemorySessionStore();
  const options = { ...kept, properties: { sessionExpiryInterval: 1_000 } };
  await using before = await CoreBench.start({ store });
  const slow = { ...options, properties: { ...options.properties, receiveMaximum: 1 } };
  const keeper = await before.client("k", 5, slow);
  await subscribe(keeper, "a");
  const publisher = await before.client("p", 5);
  await publisher.sendPacket(publish("a", 1));
  await keeper.answer("publish");
  await before.clock.advance(1_000); // that it was sent is stored with the next commit
  await publisher.sendPacket({ ...publish("a", 2), payload: "brief", properties: { messageExpiryInterval: 10 } });
  await publisher.answer("puback", 2);
  await using after = await CoreBench.start({ store: store.reopen() }); // the first is not stopped: it has crashed
  await after.clock.advance(60_000);
  const again = await after.client("k", 5, options);
  expect(await again.answer("publish")).toMatchObject({ dup: true, payload: Buffer.from("x") });
  await again.silent();
  expect(after.broker.stats().droppedExpired).toBe(1);
});
