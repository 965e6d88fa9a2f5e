// MQTT 5.0, 3.1.2.11.2 and 4.1: how long a session lives.
import { expect, test } from "vitest";
import { useBroker, type V5Client } from "./v5-client.ts";
import { disconnectPacket } from "./v5-packets.ts";
import type { Properties } from "./v5-properties.ts";

const broker = useBroker();

function expiry(seconds: number): Properties {
  return [["sessionExpiryInterval", seconds]];
}

/** Whether there is a session to resume. It is kept then for `seconds` more. */
async function isKept(clientId: string, seconds = 0): Promise<boolean> {
  const client = await broker.connect({ clientId, cleanStart: false, properties: expiry(seconds) });
  const { sessionPresent } = client.connack;
  await client.disconnect();
  await broker.settle();
  return sessionPresent;
}

async function connectAndEnd(properties: Properties, end: (client: V5Client) => Promise<void>): Promise<string> {
  const clientId = broker.unique();
  const client = await broker.connect({ clientId, properties });
  await client.subscribe(broker.unique());
  await end(client);
  await broker.settle();
  return clientId;
}

test("[MQTT-3.1.2-23] the session outlives its connection, however that ended", async () => {
  expect(await isKept(await connectAndEnd(expiry(100), (client) => client.end()))).toBe(true);
  expect(await isKept(await connectAndEnd(expiry(100), (client) => client.disconnect()))).toBe(true);
  expect(await isKept(await connectAndEnd(expiry(100), (client) => client.disconnect(0x04)))).toBe(true);
});

test("[MQTT-4.1.0-2] without an interval, and with 0, the session ends with the connection", async () => {
  expect(await isKept(await connectAndEnd([], (client) => client.end()))).toBe(false);
  expect(await isKept(await connectAndEnd(expiry(0), (client) => client.end()))).toBe(false);
  expect(await isKept(await connectAndEnd(expiry(0), (client) => client.disconnect()))).toBe(false);
});

test("[MQTT-4.1.0-2] [MQTT-3.1.2-23] the session is there until the interval has passed, and then not any more", async () => {
  const clientId = await connectAndEnd(expiry(5), (client) => client.end());
  await broker.advance(2000);
  expect(await isKept(clientId, 2)).toBe(true);
  await broker.advance(5000);
  expect(await isKept(clientId)).toBe(false);
});

test("[MQTT-4.1.0-1] the session does not expire while its connection is open", async () => {
  const clientId = broker.unique();
  const topic = broker.unique();
  const client = await broker.connect({ clientId, properties: expiry(1) });
  await client.subscribe(topic);
  await broker.advance(4000);
  await client.publish({ topic, qos: 1 });
  expect((await client.find("publish")).topic).toBe(topic);
  await client.end();
  await broker.settle();
  expect(await isKept(clientId)).toBe(true);
});

test("[MQTT-3.1.2-23] the interval of 0xffffffff has no end", async () => {
  const clientId = await connectAndEnd(expiry(0xffffffff), (client) => client.end());
  await broker.advance(4000);
  expect(await isKept(clientId)).toBe(true);
});

test("the interval of the last CONNECT counts", async () => {
  const clientId = await connectAndEnd(expiry(100), (client) => client.end());
  expect(await isKept(clientId, 0)).toBe(true);
  expect(await isKept(clientId)).toBe(false);
});

test("DISCONNECT may change the interval, in both directions", async () => {
  const longer = await connectAndEnd(expiry(1), (client) => client.disconnect(0x00, expiry(100)));
  const shorter = await connectAndEnd(expiry(100), (client) => client.disconnect(0x00, expiry(1)));
  const none = await connectAndEnd(expiry(100), (client) => client.disconnect(0x00, expiry(0)));
  expect(await isKept(none)).toBe(false);
  await broker.advance(4000);
  expect(await isKept(longer)).toBe(true);
  expect(await isKept(shorter)).toBe(false);
});

test("DISCONNECT cannot give an interval to a session that had none", async () => {
  const clientId = broker.unique();
  const client = await broker.connect({ clientId });
  await client.send(disconnectPacket(0x00, expiry(100)));
  await client.refused(0x82);
  await broker.settle();
  expect(await isKept(clientId)).toBe(false);
});

test("[MQTT-4.1.0-2] what waited in a session goes with it", async () => {
  const topic = broker.unique();
  const clientId = broker.unique();
  const first = await broker.connect({ clientId, properties: expiry(1) });
  await first.subscribe(topic);
  await first.end();
  await broker.settle();
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1 });
  await broker.advance(4000);
  const second = await broker.connect({ clientId, cleanStart: false });
  expect(second.connack.sessionPresent).toBe(false);
  expect(await broker.drain(second, publisher)).toEqual([]);
});
