// MQTT 3.1.1, chapter 3.1.2.10: keepalive. Against a broker in another process these tests take their time.
import { expect, test } from "vitest";
import { rawPacket, type RawClient } from "../fakes/raw-client.ts";
import { conformanceBroker } from "./broker-under-test.ts";
import { publish, receiveOnly, subscribe } from "./flows.ts";

const keepalive = 2;
const almost = 2_800;
const beyond = 3_200;

test("[MQTT-3.1.2-24] a client that is silent for one and a half times its keepalive is closed", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const client = await broker.connect("c", { keepalive });
  await broker.advance(beyond);
  await client.expectClosed();
  await other.silent();
});

test("[MQTT-3.1.2-24] up to one and a half times its keepalive a client may be silent", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c", { keepalive });
  for (let time = 0; time < 3; time++) {
    await broker.advance(almost);
    await client.silent(); // PINGREQ begins a new interval
  }
  await broker.advance(beyond);
  await client.expectClosed();
});

const packets: Readonly<Record<string, readonly [Uint8Array, answer: "puback" | "pubcomp" | "suback" | "unsuback"]>> = {
  "PUBLISH at QoS 1": [rawPacket(0x32, "a", 0, 1), "puback"],
  PUBREL: [rawPacket(0x62, 0, 1), "pubcomp"],
  SUBSCRIBE: [rawPacket(0x82, 0, 1, "b", 0), "suback"],
  UNSUBSCRIBE: [rawPacket(0xa2, 0, 1, "b"), "unsuback"],
};

test.each(Object.entries(packets))("[MQTT-3.1.2-24] %s begins a new interval", async (_name, [bytes, answer]) => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c", { keepalive });
  for (let time = 0; time < 2; time++) {
    await broker.advance(almost);
    await client.send(bytes);
    expect(await client.next()).toMatchObject({ cmd: answer });
  }
});

test("[MQTT-3.1.2-24] PUBLISH at QoS 0 and PUBACK begin a new interval", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  await subscribe(other, { seen: 0 });
  const client = await broker.connect("c", { keepalive });
  await subscribe(client, { a: 1 });
  await publish(other, "a", { qos: 1 });
  const { messageId = 0 } = await receiveOnly(client);
  await broker.advance(almost);
  await client.send(rawPacket(0x30, "seen"));
  await receiveOnly(other); // the broker has read it
  await broker.advance(almost);
  await client.sendPacket({ cmd: "puback", messageId });
  await client.ping();
  await broker.advance(almost);
  await client.silent();
});

test("[MQTT-3.1.2-24] what the broker sends does not count: only the client's packets do", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const client = await broker.connect("c", { keepalive });
  await subscribe(client, { a: 0 });
  await broker.advance(almost / 2);
  await publish(other, "a", { qos: 0 });
  await receiveOnly(client);
  await broker.advance(beyond - almost / 2);
  await client.expectClosed();
});

test("a keepalive of 0 turns it off", async () => {
  await using broker = await conformanceBroker();
  const client = await broker.connect("c", { keepalive: 0 });
  await broker.advance(8_000);
  await client.silent();
});

test("every client has its own keepalive", async () => {
  await using broker = await conformanceBroker();
  const short: RawClient = await broker.connect("short", { keepalive: 1 });
  const long = await broker.connect("long", { keepalive: 60 });
  await broker.advance(beyond);
  await short.expectClosed();
  await long.silent();
});

test("[MQTT-3.1.2-24] [MQTT-3.1.2-4] a kept session outlives the end of its keepalive", async () => {
  await using broker = await conformanceBroker();
  const other = await broker.connect("other");
  const first = await broker.connect("c", { clean: false, keepalive: 1 });
  await subscribe(first, { a: 1 });
  await broker.advance(beyond);
  await first.expectClosed();
  await publish(other, "a", { payload: "later", qos: 1 });
  const second = await broker.connect("c", { clean: false });
  expect(await receiveOnly(second)).toMatchObject({ text: "later" });
});
