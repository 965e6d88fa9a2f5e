// MQTT 5.0, 3.2: CONNACK.
import { expect, test } from "vitest";
import { isExternal } from "./broker-under-test.ts";
import { useBroker } from "./v5-client.ts";
import { connectPacket, subscribePacket } from "./v5-packets.ts";
import { numberOf, valueOf } from "./v5-properties.ts";

const broker = useBroker();
const badMethod = ["authenticationMethod", "NOT-A-METHOD"] as const;

test("[MQTT-3.2.2-1] [MQTT-2.2.2-1] CONNACK has no reserved flags, and a length of its properties", async () => {
  const client = await broker.connect(); // the reader checks the bytes
  expect(client.connack).toMatchObject({ type: "connack", sessionPresent: false, reason: 0 });
});

test("[MQTT-3.2.2-6] [MQTT-3.2.2-7] a refusal says that no session is present, and closes", async () => {
  const clientId = broker.unique();
  const first = await broker.connect({ clientId, properties: [["sessionExpiryInterval", 100]] });
  await first.end();
  await broker.settle();
  const client = await broker.open();
  const connack = await client.connect({ clientId, cleanStart: false, properties: [badMethod] });
  expect(connack).toMatchObject({ sessionPresent: false, reason: 0x8c });
  expect(await client.untilClosed()).toEqual([]);
  const again = await broker.connect({ clientId, cleanStart: false });
  expect(again.connack.sessionPresent).toBe(true);
});

test("[MQTT-3.2.2-8] every answer to CONNECT has a reason code of CONNACK", async () => {
  const good = connectPacket({ clientId: broker.unique() });
  const packets = [
    good,
    connectPacket({ clientId: broker.unique(), protocolVersion: 9 }),
    connectPacket({ clientId: broker.unique(), properties: [badMethod] }),
    connectPacket({ clientId: broker.unique(), will: { topic: "a/#" } }),
  ];
  for (const packet of packets) {
    const client = await broker.open();
    await client.send(packet);
    if (packet !== good) await client.untilClosed(); // the reader knows the codes
    else expect((await client.expect("connack")).reason).toBe(0);
  }
});

test("[MQTT-3.2.2-9] without a Maximum QoS the server takes QoS 2", async () => {
  const client = await broker.connect();
  expect(valueOf(client.connack.properties, "maximumQoS")).toBeUndefined();
  await client.publish({ topic: broker.unique(), qos: 1 });
  await client.publish({ topic: broker.unique(), qos: 2 });
});

test("[MQTT-3.2.2-10] every QoS may be asked for in SUBSCRIBE", async () => {
  const client = await broker.connect();
  const reasons = await client.subscribe(([0, 1, 2] as const).map((qos) => ({ filter: broker.unique(), qos })));
  expect(reasons).toEqual([0, 1, 2]);
});

test("[MQTT-3.2.2-19] [MQTT-3.2.2-20] a refusal fits the client's Maximum Packet Size", async () => {
  const client = await broker.open();
  const properties = [badMethod, ["maximumPacketSize", 5]] as const;
  const connack = await client.connect({ clientId: broker.unique(), properties });
  expect(connack.reason).toBe(0x8c);
  expect(connack.size).toBe(5);
});

test.skipIf(isExternal)("what the broker can do stands in CONNACK", async () => {
  const { properties } = (await broker.connect({ keepAlive: 60 })).connack;
  for (const name of ["receiveMaximum", "maximumPacketSize", "topicAliasMaximum"] as const)
    expect(numberOf(properties, name, 0), name).toBeGreaterThan(0);
  for (const name of [
    "retainAvailable",
    "wildcardSubscriptionAvailable",
    "subscriptionIdentifiersAvailable",
    "sharedSubscriptionAvailable",
  ] as const)
    expect(numberOf(properties, name, 1), name).toBe(1);
});

test("a Session Expiry Interval in CONNACK replaces the client's, and without one the client's is in use", async () => {
  const asked = await broker.connect({ properties: [["sessionExpiryInterval", 0xffffffff]] });
  expect(numberOf(asked.connack.properties, "sessionExpiryInterval", 0xffffffff)).toBeGreaterThan(0);
  const silent = await broker.connect();
  expect(numberOf(silent.connack.properties, "sessionExpiryInterval", 0)).toBe(0);
});

test("[MQTT-3.1.2-28] response information comes to those only who ask for it", async () => {
  for (const properties of [[], [["requestResponseInformation", 0]]] as const) {
    const { connack } = await broker.connect({ properties });
    expect(valueOf(connack.properties, "responseInformation")).toBeUndefined();
  }
  const asking = await broker.connect({ properties: [["requestResponseInformation", 1]] });
  expect(valueOf(asking.connack.properties, "responseInformation") ?? "").toBeTypeOf("string");
});

test("[MQTT-4.2.0-1] a stream of single bytes is read as well as many packets at once", async () => {
  const client = await broker.open();
  const topic = broker.unique();
  for (const byte of connectPacket({ clientId: broker.unique() })) await client.send(Buffer.from([byte]));
  expect((await client.expect("connack")).reason).toBe(0);
  const subscribes = Array.from({ length: 20 }, (_, at) => subscribePacket(at + 1, [{ filter: `${topic}/${at}` }]));
  await client.send(...subscribes);
  for (let id = 1; id <= 20; id++) expect((await client.expect("suback")).id).toBe(id);
});
