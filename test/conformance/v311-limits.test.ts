// MQTT 3.1.1 as a stream of bytes: packets in any pieces, many at once, and as large as may be.
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { rawPacket } from "../fakes/raw-client.ts";
import { conformanceBroker, isExternal } from "./broker-under-test.ts";
import { publish, receive, receiveOnly, receiveTexts, sendPublish, subscribe } from "./flows.ts";

/** PUBLISH at QoS 1 on topic `a` with identifier 1, of exactly `size` bytes (above 16 KiB), its header included. */
function publishOfSize(size: number): Buffer {
  const headerAndTopic = 4 + 5;
  return Buffer.from(rawPacket(0x32, "a", 0, 1, Buffer.alloc(size - headerAndTopic, "x")));
}

test("[MQTT-7.1.1-1] packets that come byte by byte are packets like others", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.open();
  const stream = Buffer.concat([
    rawPacket(0x10, "MQTT", 4, 2, 0, 0, "slow"),
    rawPacket(0x82, 0, 1, "a/b", 2),
    rawPacket(0x34, "a/b", 0, 7, Buffer.alloc(200, "x")),
    rawPacket(0x62, 0, 7),
    rawPacket(0xa2, 0, 2, "a/b"),
    Uint8Array.from([0xc0, 0]),
  ]);
  for (const byte of stream) await client.send(Uint8Array.of(byte));
  for (const cmd of ["connack", "suback", "pubrec", "pubcomp", "publish", "unsuback", "pingresp"] as const) {
    await client.answer(cmd);
  }
  expect(client.unread).toEqual([]);
});

test("many packets in one segment are processed in their order", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.open();
  const publishes = Array.from({ length: 50 }, (_, at) => rawPacket(0x30, "a", Buffer.from(String(at))));
  const connect = rawPacket(0x10, "MQTT", 4, 2, 0, 0, "fast");
  await client.send(connect, rawPacket(0x82, 0, 1, "a", 0), ...publishes, Uint8Array.from([0xc0, 0]));
  await client.expect("connack");
  await client.answer("suback");
  expect(await receiveTexts(client, 50)).toEqual(publishes.map((_, at) => String(at)));
  await client.answer("pingresp");
});

test("packets cut at every place arrive whole", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await subscribe(client, { "cut/here": 1 });
  const packet = Buffer.from(rawPacket(0x32, "cut/here", 0, 5, Buffer.from("payload")));
  for (let at = 1; at < packet.length; at++) {
    await client.send(packet.subarray(0, at));
    await client.send(packet.subarray(at), Uint8Array.from([0xc0, 0]));
    expect(await receive(client)).toMatchObject({ topic: "cut/here", text: "payload" });
    await client.answer("puback", 5);
    await client.answer("pingresp");
  }
});

test("a length may be written longer than it needs to be", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await client.send(Uint8Array.from([0xc0, 0x80, 0x00]));
  await client.answer("pingresp");
  expect(client.unread).toEqual([]);
});

test.each([100, 127, 128, 129, 16_383, 16_384, 16_385, 65_535, 65_536, 262_144])(
  "a payload of %i bytes arrives as it was sent",
  async (size) => {
    await using broker = await conformanceBroker();
    const client = await broker.connect("c");
    await subscribe(client, { a: 1 });
    const payload = Buffer.alloc(size);
    for (let at = 0; at < size; at++) payload[at] = (at * 31) % 251;
    await sendPublish(client, "a", { payload, qos: 1 });
    const message = await client.answer("publish");
    expect(Buffer.compare(Buffer.from(message.payload), payload)).toBe(0);
  },
);

test("a packet of exactly the largest size arrives", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await subscribe(client, { a: 1 });
  const packet = publishOfSize(limits.packetBytes);
  expect(packet).toHaveLength(limits.packetBytes);
  await client.send(packet);
  const message = await client.answer("publish");
  expect(client.bytesOf(message)).toHaveLength(limits.packetBytes);
  await client.answer("puback", 1);
});

test("a packet above the largest size closes its connection, from its header on, and reaches nobody", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { "#": 1 });
  const client = await broker.connect("c");
  const packet = publishOfSize(limits.packetBytes + (isExternal ? 16 : 1)); // others count the header in their own way
  await client.send(packet.subarray(0, 100));
  await client.expectClosed();
  await watcher.silent();
  await publish(watcher, "still", { payload: "alive" });
  expect(await receiveOnly(watcher)).toMatchObject({ text: "alive" });
});

test("the largest length that there is closes the connection before its bytes come", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c");
  await client.send(Uint8Array.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
  await client.expectClosed();
});

test("a CONNECT above the largest size is closed without CONNACK", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.open();
  await client.send(Uint8Array.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
  await client.expectClosed();
});

test("a connection that ends in the middle of a packet disturbs nobody, and the half packet is not processed", async () => {
  await using broker = await conformanceBroker();
  const watcher = await broker.connect("watcher");
  await subscribe(watcher, { "#": 1 });
  const packet = rawPacket(0x31, "a", Buffer.from("incomplete"));
  for (const length of [1, 2, 4, packet.length - 1]) {
    const client = await broker.connect("c");
    await client.send(packet.subarray(0, length));
    await client.end();
  }
  await watcher.silent();
});
