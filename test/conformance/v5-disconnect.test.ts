// MQTT 5.0, 3.14 and 4.13: DISCONNECT by either side.
import { expect, test } from "vitest";
import { RawClient } from "../fakes/raw-client.ts";
import { conformanceBroker, isExternal } from "./broker-under-test.ts";
import { useBroker, V5Client } from "./v5-client.ts";
import { bytes, connectPacket, disconnectPacket, frame, pingPacket, publishPacket } from "./v5-packets.ts";

const broker = useBroker();

test.each([
  ["without a reason", disconnectPacket()],
  ["with reason 0", disconnectPacket(0x00)],
  ["with reason and properties", disconnectPacket(0x00, [["reasonString", "enough"]])],
  ["with an empty set of properties", disconnectPacket(0x00, [])],
])("a DISCONNECT %s closes the connection, without an answer", async (_, packet) => {
  const client = await broker.connect();
  await client.send(packet);
  expect(await client.untilClosed()).toEqual([]);
});

test("[MQTT-3.14.4-1] what a client sends behind its DISCONNECT is not processed", async () => {
  const topic = broker.unique();
  const watcher = await broker.connect();
  await watcher.subscribe(topic);
  const client = await broker.connect();
  await client.send(disconnectPacket(), publishPacket({ topic, payload: "late" }), pingPacket);
  expect(await client.untilClosed()).toEqual([]);
  expect(await broker.drain(watcher, await broker.connect())).toEqual([]);
});

test("[MQTT-3.14.2-1] a reason code that DISCONNECT does not have, or that clients do not send, ends the connection", async () => {
  for (const reason of [0x01, 0x02, 0x05, 0x7f, 0xff]) {
    const client = await broker.connect();
    await client.send(disconnectPacket(reason));
    const answers = await client.untilClosed();
    expect(answers).toBeOneOf([[], [expect.objectContaining({ type: "disconnect" })]]);
  }
});

test("[MQTT-3.14.2-1] [MQTT-3.14.2-2] [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-4.13.2-1] the server's DISCONNECT has a reason of its table, no session expiry, and is the last", async () => {
  const provocations = [
    connectPacket({ clientId: "again" }),
    publishPacket({ topic: "a", qos: 3, id: 1 }),
    frame(0x82, bytes(0, 1, 0)),
    bytes(0x00, 0x00),
    publishPacket({ topic: "a/#" }),
  ];
  for (const packet of provocations) {
    const client = await broker.connect({ properties: [["sessionExpiryInterval", 10]] });
    await client.send(packet, pingPacket);
    await client.refused(0x81, 0x82, 0x90); // the reader and the client check the rest
  }
});

test("[MQTT-3.14.0-1] before CONNACK there is no DISCONNECT", async () => {
  const first = [bytes(0x00, 0x00), pingPacket, connectPacket({ clientId: "x", flags: 0x03 }), bytes(0xe1, 0)];
  for (const packet of first) {
    const client = await broker.open();
    await client.send(packet);
    const answers = await client.untilClosed();
    expect(answers.map(({ type }) => type)).toBeOneOf([[], ["connack"]]);
  }
});

test("[MQTT-3.14.0-1] nor is there one after a refusal", async () => {
  const client = await broker.open();
  const connack = await client.connect({ properties: [["authenticationMethod", "NOT-A-METHOD"]] });
  expect(connack.reason).toBeGreaterThanOrEqual(0x80);
  expect(await client.untilClosed()).toEqual([]);
});

test.skipIf(isExternal)("a server that stops says so", async () => {
  const running = await conformanceBroker();
  const clients: V5Client[] = [];
  for (const clientId of ["one", "two"]) {
    const client = new V5Client(await RawClient.open(running.port, { protocolVersion: 5 }));
    expect((await client.connect({ clientId })).reason).toBe(0);
    clients.push(client);
  }
  await running[Symbol.asyncDispose]();
  for (const client of clients) await client.refused(0x8b);
});
