// MQTT 5.0, 4.12 and 3.15: enhanced authentication, which the broker does not offer, and the plain one.
import { expect, test } from "vitest";
import { isExternal, refused } from "./broker-under-test.ts";
import { useBroker } from "./v5-client.ts";
import { authPacket, bytes, connectPacket, publishPacket } from "./v5-packets.ts";
import { valueOf } from "./v5-properties.ts";

const broker = useBroker();
const method = ["authenticationMethod", "NOT-A-METHOD"] as const;

test("[MQTT-4.12.0-1] [MQTT-3.1.4-2] a method that the server does not have is refused, and the connection closed", async () => {
  const client = await broker.open();
  const connack = await client.connect({ clientId: broker.unique(), properties: [method] });
  expect(connack).toMatchObject({ sessionPresent: false, reason: 0x8c });
  expect(await client.untilClosed()).toEqual([]);
});

test("[MQTT-4.12.0-1] authentication data make no difference", async () => {
  const properties = [method, ["authenticationData", bytes(1, 2, 3)]] as const;
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), properties }), 0x8c, 0x87);
});

test("[MQTT-4.12.0-6] a client without a method is neither asked nor told about one", async () => {
  const client = await broker.connect();
  expect(valueOf(client.connack.properties, "authenticationMethod")).toBeUndefined();
  await client.ping();
  expect(client.unread).toEqual([]);
});

test.each([
  ["to go on", authPacket(0x18, [method])],
  ["to begin anew", authPacket(0x19, [method])],
  ["without a reason", authPacket()],
  ["without a method", authPacket(0x18, [])],
])("[MQTT-4.12.0-7] AUTH %s of a client without a method is a protocol error", async (_, packet) => {
  const client = await broker.connect();
  await client.send(packet);
  await client.refused(0x82);
});

test("[MQTT-4.12.0-7] AUTH before CONNECT closes the connection", async () => {
  const client = await broker.open();
  await client.send(authPacket(0x18, [method]));
  expect(await client.untilClosed()).toEqual([]);
});

test.skipIf(isExternal)(
  "[MQTT-3.1.4-2] [MQTT-3.1.4-6] who is not authorized is refused, and what follows not read",
  async () => {
    const topic = broker.unique();
    const watcher = await broker.connect();
    await watcher.subscribe(topic);
    const connect = connectPacket({ clientId: broker.unique(), username: refused, password: "x" });
    await broker.connectRefused(Buffer.concat([connect, publishPacket({ topic })]), 0x86, 0x87);
    expect(await broker.drain(watcher, await broker.connect())).toEqual([]);
  },
);
