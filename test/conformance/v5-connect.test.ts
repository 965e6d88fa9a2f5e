// MQTT 5.0, 3.1: CONNECT.
import { expect, test } from "vitest";
import { useBroker, type V5Client } from "./v5-client.ts";
import {
  bytes,
  connectPacket,
  disconnectPacket,
  frame,
  pingPacket,
  publishPacket,
  subscribePacket,
  type ConnectOptions,
} from "./v5-packets.ts";
import { propertyBytes, text, two, valueOf } from "./v5-properties.ts";

const broker = useBroker();
const kept = [["sessionExpiryInterval", 100]] as const;
const badText = bytes(0x61, 0xc3, 0x28);

/** A CONNECT of which everything from the payload on is `payload`. */
function connectWith(flags: number, ...payload: readonly Uint8Array[]): Uint8Array {
  return frame(0x10, text("MQTT"), bytes(5, flags), two(0), propertyBytes(), ...payload);
}

test.each([
  ["PUBLISH", publishPacket({ topic: "a" })],
  ["SUBSCRIBE", subscribePacket(1, [{ filter: "a" }])],
  ["PINGREQ", pingPacket],
  ["DISCONNECT", disconnectPacket()],
])("[MQTT-3.1.0-1] [MQTT-3.14.0-1] a first packet %s closes the connection, without a word", async (_, packet) => {
  const client = await broker.open();
  await client.send(packet);
  expect(await client.untilClosed()).toEqual([]);
});

test("[MQTT-3.1.0-2] [MQTT-3.2.0-2] a second CONNECT is a protocol error and gets no second CONNACK", async () => {
  const client = await broker.connect();
  await client.send(connectPacket({ clientId: broker.unique() }));
  await client.refused(0x82);
});

test("[MQTT-3.1.2-1] another protocol name than MQTT is refused", async () => {
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), protocolName: "MQTX" }));
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), protocolName: "mqtt" }));
});

test.each([6, 0x7f])("[MQTT-3.1.2-2] protocol version %i is refused", async (protocolVersion) => {
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), protocolVersion }), 0x84);
});

test("[MQTT-3.1.2-3] the reserved connect flag has to be 0", async () => {
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), flags: 0x03 }));
});

test("[MQTT-3.1.2-4] [MQTT-3.1.4-4] [MQTT-3.2.2-2] a clean start discards the session", async () => {
  const clientId = broker.unique();
  const topic = broker.unique();
  const first = await broker.connect({ clientId, properties: kept });
  await first.subscribe(topic);
  await first.end();
  const again = await broker.connect({ clientId, cleanStart: true, properties: kept });
  expect(again.connack).toMatchObject({ sessionPresent: false, reason: 0 });
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1 });
  expect(await broker.drain(again, publisher)).toEqual([]);
});

test("[MQTT-3.1.2-4] a clean start discards what waits for the client", async () => {
  const clientId = broker.unique();
  const topic = broker.unique();
  const first = await broker.connect({ clientId, properties: kept });
  await first.subscribe(topic);
  await first.end();
  await broker.settle();
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1 });
  const clean = await broker.connect({ clientId, properties: kept });
  await clean.disconnect();
  const again = await broker.connect({ clientId, cleanStart: false, properties: kept });
  expect(again.connack.sessionPresent).toBe(true);
  expect(await broker.drain(again, publisher)).toEqual([]);
});

test("[MQTT-3.1.2-5] [MQTT-3.2.2-3] [MQTT-4.5.0-1] a session is resumed with its subscriptions and what waited", async () => {
  const clientId = broker.unique();
  const topic = broker.unique();
  const first = await broker.connect({ clientId, cleanStart: false, properties: kept });
  await first.subscribe(topic);
  await first.end();
  await broker.settle();
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1, payload: "one" });
  await publisher.publish({ topic, qos: 2, payload: "two" });
  const again = await broker.connect({ clientId, cleanStart: false, properties: kept });
  expect(again.connack).toMatchObject({ sessionPresent: true, reason: 0 });
  await publisher.publish({ topic, qos: 1, payload: "three" });
  const messages = await broker.drain(again, publisher);
  expect(messages.map(({ payload, qos }) => [payload, qos])).toEqual([
    ["one", 1],
    ["two", 2],
    ["three", 1],
  ]);
});

test("[MQTT-3.1.2-6] [MQTT-3.2.2-3] without a session to resume a new one begins", async () => {
  const topic = broker.unique();
  const client = await broker.connect({ cleanStart: false });
  expect(client.connack).toMatchObject({ sessionPresent: false, reason: 0 });
  await client.subscribe(topic);
  await client.publish({ topic, qos: 1, payload: "works" });
  expect((await client.find("publish")).payload).toBe("works");
});

test("[MQTT-3.1.2-9] a will flag needs will properties, topic and payload", async () => {
  const id = text(broker.unique());
  await broker.connectRefused(connectWith(0x06, id));
  await broker.connectRefused(connectWith(0x06, id, propertyBytes()));
  await broker.connectRefused(connectWith(0x06, id, propertyBytes(), text("will/topic")));
});

test("[MQTT-3.1.2-11] [MQTT-3.1.2-13] without a will flag will QoS and will retain are 0", async () => {
  for (const flags of [0x0a, 0x12, 0x22])
    await broker.connectRefused(connectPacket({ clientId: broker.unique(), flags }));
});

test("[MQTT-3.1.2-12] a will has QoS 0, 1 or 2, and not 3", async () => {
  for (const qos of [0, 1, 2]) await broker.connect({ will: { topic: broker.unique(), qos } });
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), will: { topic: broker.unique(), qos: 3 } }));
});

test("[MQTT-3.1.2-16] [MQTT-3.1.2-18] user name and password without their flags are too much", async () => {
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), username: "u", flags: 0x02 }));
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), username: "u", password: "p", flags: 0x82 }));
});

test("[MQTT-3.1.2-17] [MQTT-3.1.2-19] user name and password have to be there when their flags are", async () => {
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), flags: 0x82 }));
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), flags: 0x42 }));
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), username: "u", flags: 0xc2 }));
});

test("[MQTT-3.1.3-1] the fields of the payload are read in their order", async () => {
  const topic = broker.unique();
  const watcher = await broker.connect();
  await watcher.subscribe(topic);
  const options: ConnectOptions = { will: { topic, payload: "gone", qos: 1 }, username: "user", password: "secret" };
  const client = await broker.connect(options);
  await client.end();
  expect(await watcher.receive()).toMatchObject({ topic, payload: "gone", qos: 1 });
});

test("[MQTT-3.1.3-2] a session belongs to its client identifier alone", async () => {
  const clientId = broker.unique();
  const first = await broker.connect({ clientId, properties: kept });
  await first.end();
  await broker.settle();
  const other = await broker.connect({ clientId: `${clientId}b`, cleanStart: false });
  expect(other.connack.sessionPresent).toBe(false);
  const upper = await broker.connect({ clientId: clientId.toUpperCase(), cleanStart: false });
  expect(upper.connack.sessionPresent).toBe(false);
  const same = await broker.connect({ clientId, cleanStart: false });
  expect(same.connack.sessionPresent).toBe(true);
});

test("[MQTT-3.1.3-3] a client identifier has to be there", async () => {
  await broker.connectRefused(connectWith(0x02));
});

test("[MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12] identifier, will topic and user name have to be UTF-8", async () => {
  await broker.connectRefused(connectPacket({ clientId: badText }));
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), will: { topic: badText } }));
  await broker.connectRefused(connectPacket({ clientId: broker.unique(), username: badText, password: "p" }));
});

test("[MQTT-3.1.3-5] identifiers of 1 to 23 letters and digits are accepted", async () => {
  for (const clientId of ["a", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ"]) {
    const client = await broker.connect({ clientId });
    expect(client.connack.reason).toBe(0);
  }
});

test("[MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16] a client without an identifier is given a new one, which is its own", async () => {
  const named = await broker.connect({ clientId: "", properties: kept });
  const other = await broker.connect({ clientId: "", properties: kept });
  const assigned = assignedTo(named);
  expect(assigned).not.toBe("");
  expect(assignedTo(other)).not.toBe(assigned);
  const topic = broker.unique();
  await named.subscribe(topic);
  await named.end();
  await broker.settle();
  const again = await broker.connect({ clientId: assigned, cleanStart: false });
  expect(again.connack.sessionPresent).toBe(true);
  expect(valueOf(again.connack.properties, "assignedClientIdentifier")).toBeUndefined();
  await other.publish({ topic, qos: 1, payload: "yours" });
  expect((await again.receive()).payload).toBe("yours");
});

function assignedTo(client: V5Client): string {
  const assigned = valueOf(client.connack.properties, "assignedClientIdentifier");
  expect(assigned).toBeTypeOf("string");
  return String(assigned);
}

test("[MQTT-3.1.3-8] an identifier that is not accepted is refused, and the connection closed", async () => {
  const client = await broker.open();
  const connack = await client.connect({ clientId: `${broker.unique()}${"long".repeat(10_000)}` });
  expect(connack.reason).toBeOneOf([0x00, 0x85]); // a server may take any length
  if (connack.reason === 0x85) expect(await client.untilClosed()).toEqual([]);
});

test.each([
  ["that ends early", frame(0x10, text("MQTT"), bytes(5, 2), two(0))],
  ["with bytes behind its end", connectWith(0x02, text("toolong"), bytes(0, 1, 2))],
  ["with flags in its header", Buffer.concat([bytes(0x11), connectPacket({ clientId: "flags" }).subarray(1)])],
  ["with a property of PUBLISH", connectPacket({ clientId: "alias", properties: [["topicAlias", 1]] })],
  ["with a property twice", connectPacket({ clientId: "twice", properties: [...kept, ...kept] })],
  ["with Receive Maximum 0", connectPacket({ clientId: "zero", properties: [["receiveMaximum", 0]] })],
  ["with Maximum Packet Size 0", connectPacket({ clientId: "zero", properties: [["maximumPacketSize", 0]] })],
  ["with Request Problem Information 2", connectPacket({ properties: [["requestProblemInformation", 2]] })],
  ["with Request Response Information 2", connectPacket({ properties: [["requestResponseInformation", 2]] })],
  ["with authentication data without a method", connectPacket({ properties: [["authenticationData", bytes(1)]] })],
  ["with a wildcard in its will topic", connectPacket({ clientId: "wild", will: { topic: "a/+" } })],
  ["with an empty will topic", connectPacket({ clientId: "empty", will: { topic: "" } })],
])("[MQTT-3.1.4-1] a CONNECT %s is refused", async (_, packet) => {
  const client = await broker.open();
  await client.send(packet);
  const answers = await client.untilClosed();
  expect(answers.map((answer) => answer.type)).toBeOneOf([[], ["connack"]]);
  for (const answer of answers) expect(answer).toMatchObject({ reason: expect.toBeOneOf([0x81, 0x82, 0x85, 0x90]) });
});

test("[MQTT-3.1.4-3] a second connection takes the session over, and the first is told so", async () => {
  const clientId = broker.unique();
  const topic = broker.unique();
  const first = await broker.connect({ clientId, properties: kept });
  await first.subscribe(topic);
  const second = await broker.connect({ clientId, cleanStart: false, properties: kept });
  await first.refused(0x8e);
  expect(second.connack.sessionPresent).toBe(true);
  await second.publish({ topic, qos: 1, payload: "still" });
  expect((await second.find("publish")).payload).toBe("still");
});

test("[MQTT-3.1.4-3] a will of the connection that is taken over is published, for its network connection has closed", async () => {
  const clientId = broker.unique();
  const topic = broker.unique();
  const watcher = await broker.connect();
  await watcher.subscribe(topic);
  const first = await broker.connect({ clientId, will: { topic, payload: "taken" } });
  await broker.connect({ clientId });
  await first.refused(0x8e);
  expect((await watcher.receive()).payload).toBe("taken");
});

test("[MQTT-3.1.4-5] [MQTT-3.2.0-1] what is sent right behind CONNECT is answered after CONNACK", async () => {
  const client = await broker.open();
  const topic = broker.unique();
  const subscribe = subscribePacket(1, [{ filter: topic }]);
  await client.send(connectPacket({ clientId: broker.unique() }), subscribe, pingPacket);
  expect((await client.expect("connack")).reason).toBe(0);
  expect((await client.expect("suback")).reasons).toEqual([0]);
  await client.expect("pingresp");
});

test("[MQTT-3.1.4-6] what follows a CONNECT that is refused is not processed", async () => {
  const topic = broker.unique();
  const watcher = await broker.connect();
  await watcher.subscribe(topic);
  const connect = connectPacket({ clientId: broker.unique(), flags: 0x03 });
  await broker.connectRefused(Buffer.concat([connect, publishPacket({ topic, retain: true })]));
  await broker.settle();
  expect(await broker.drain(watcher, await broker.connect())).toEqual([]);
});
