// MQTT 5.0, 3.8.3.1 and 3.8.2.1.2: No Local, and subscription identifiers.
import { expect, test } from "vitest";
import { sorted, useBroker, type V5Client } from "./v5-client.ts";
import { publishPacket, subscribePacket } from "./v5-packets.ts";
import { valuesOf } from "./v5-properties.ts";
import type { Publish } from "./v5-reading.ts";

const broker = useBroker();

function identifiersOf(messages: readonly Publish[]): readonly unknown[] {
  return messages.map(({ properties }) => sorted(valuesOf(properties, "subscriptionIdentifier")));
}

test("[MQTT-3.8.3-3] with No Local a client does not get its own messages, and others do", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe({ filter: topic, qos: 1, noLocal: true });
  const other = await broker.connect();
  await other.subscribe({ filter: topic, qos: 1 });
  await client.publish({ topic, qos: 1, payload: "mine" });
  expect((await other.receive()).payload).toBe("mine");
  await other.publish({ topic, qos: 1, payload: "theirs" });
  const messages = await broker.drain(client, other);
  expect(messages.map(({ payload }) => payload)).toEqual(["theirs"]);
});

test("[MQTT-3.8.3-3] it is the identifier that counts, not the connection", async () => {
  const topic = broker.unique();
  const clientId = broker.unique();
  const properties = [["sessionExpiryInterval", 100]] as const;
  const first = await broker.connect({ clientId, properties });
  await first.subscribe({ filter: topic, qos: 1, noLocal: true });
  await first.end();
  await broker.settle();
  const second = await broker.connect({ clientId, cleanStart: false, properties });
  await second.publish({ topic, qos: 1 });
  expect(await broker.drain(second, await broker.connect())).toEqual([]);
});

test("[MQTT-3.8.3-3] without No Local a client gets its own messages", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe({ filter: topic, qos: 1 });
  await client.publish({ topic, qos: 1, payload: "mine" });
  expect((await client.find("publish")).payload).toBe("mine");
});

test("[MQTT-3.8.3-4] No Local on a shared subscription is a protocol error", async () => {
  const client = await broker.connect();
  await client.send(subscribePacket(1, [{ filter: `$share/group/${broker.unique()}`, noLocal: true }]));
  await client.refused(0x82);
});

test.each([1, 127, 128, 16_384, 268_435_455])(
  "[MQTT-3.3.4-3] subscription identifier %i comes with the messages",
  async (identifier) => {
    const topic = broker.unique();
    const client = await broker.connect();
    await client.subscribe([{ filter: topic, qos: 1 }], [["subscriptionIdentifier", identifier]]);
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1 });
    expect(identifiersOf(await broker.drain(client, publisher))).toEqual([[identifier]]);
  },
);

test("[MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5] every matching subscription's identifier is there, in one copy or one in each", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe([{ filter: `${topic}/a`, qos: 1 }], [["subscriptionIdentifier", 1]]);
  await client.subscribe([{ filter: `${topic}/+`, qos: 1 }], [["subscriptionIdentifier", 2]]);
  await client.subscribe([{ filter: `${topic}/b`, qos: 1 }], [["subscriptionIdentifier", 3]]);
  await client.subscribe([{ filter: `${topic}/#`, qos: 1 }]);
  const publisher = await broker.connect();
  await publisher.publish({ topic: `${topic}/a`, qos: 1 });
  const found = identifiersOf(await broker.drain(client, publisher));
  expect(sorted(found)).toBeOneOf([[[1, 2]], [[1], [2], []]]);
});

test("[MQTT-3.3.4-3] a message by a subscription without identifier has none", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe([{ filter: `${topic}/a`, qos: 1 }], [["subscriptionIdentifier", 1]]);
  await client.subscribe([{ filter: `${topic}/b`, qos: 1 }]);
  const publisher = await broker.connect();
  await publisher.publish({ topic: `${topic}/b`, qos: 1 });
  expect(identifiersOf(await broker.drain(client, publisher))).toEqual([[]]);
});

test("[MQTT-3.3.4-3] the identifier comes with kept messages, and with those that waited", async () => {
  const topic = broker.unique();
  const clientId = broker.unique();
  const properties = [["sessionExpiryInterval", 100]] as const;
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1, retain: true, payload: "kept" });
  const first = await broker.connect({ clientId, properties });
  await first.subscribe([{ filter: topic, qos: 1 }], [["subscriptionIdentifier", 77]]);
  expect(identifiersOf(await broker.drain(first, publisher))).toEqual([[77]]);
  await first.end();
  await broker.settle();
  await publisher.publish({ topic, qos: 1, payload: "waits" });
  const second = await broker.connect({ clientId, cleanStart: false, properties });
  expect(identifiersOf(await broker.drain(second, publisher))).toEqual([[77]]);
});

test("[MQTT-3.8.4-3] [MQTT-3.3.4-3] a new subscription with the same filter brings its own identifier, or none", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  const publisher = await broker.connect();
  const published = async (): Promise<readonly unknown[]> => {
    await publisher.publish({ topic, qos: 1 });
    return identifiersOf(await broker.drain(client, publisher));
  };
  await client.subscribe([{ filter: topic, qos: 1 }], [["subscriptionIdentifier", 1]]);
  expect(await published()).toEqual([[1]]);
  await client.subscribe([{ filter: topic, qos: 1 }], [["subscriptionIdentifier", 2]]);
  expect(await published()).toEqual([[2]]);
  await client.subscribe([{ filter: topic, qos: 1 }]);
  expect(await published()).toEqual([[]]);
});

test("[MQTT-3.3.4-3] identifiers of one client are not seen by another", async () => {
  const topic = broker.unique();
  const clients: V5Client[] = [await broker.connect(), await broker.connect()];
  for (const [at, client] of clients.entries())
    await client.subscribe([{ filter: topic, qos: 1 }], [["subscriptionIdentifier", at + 1]]);
  const publisher = await broker.connect();
  await publisher.publish({ topic, qos: 1 });
  for (const [at, client] of clients.entries())
    expect(identifiersOf(await broker.drain(client, publisher))).toEqual([[at + 1]]);
});

test("[MQTT-3.3.4-6] an identifier from a publisher never reaches a subscriber", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe({ filter: topic, qos: 1 });
  const publisher = await broker.connect();
  await publisher.send(publishPacket({ topic, properties: [["subscriptionIdentifier", 9]] }));
  await broker.settle();
  const other = await broker.connect();
  expect(identifiersOf(await broker.drain(client, other)).flat()).toEqual([]);
});
