// MQTT 5.0, 3.3.2.3.4: topic aliases in both directions.
import { expect, test } from "vitest";
import { useBroker, type V5Client } from "./v5-client.ts";
import { publishPacket } from "./v5-packets.ts";
import { numberOf, valueOf } from "./v5-properties.ts";

const broker = useBroker();

function maximumOf(client: V5Client): number {
  return numberOf(client.connack.properties, "topicAliasMaximum", 0);
}

test("[MQTT-3.3.2-12] every alias up to the server's maximum is accepted, and stands for its topic", async () => {
  const prefix = broker.unique();
  const subscriber = await broker.connect();
  await subscriber.subscribe(`${prefix}/+`);
  const client = await broker.connect();
  const aliases = Array.from({ length: maximumOf(client) }, (_, at) => at + 1);
  expect(aliases.length).toBeGreaterThan(0);
  for (const alias of aliases)
    await client.publish({ topic: `${prefix}/${alias}`, qos: 1, properties: [["topicAlias", alias]] });
  for (const alias of aliases) await client.publish({ topic: "", qos: 1, properties: [["topicAlias", alias]] });
  const topics = (await broker.drain(subscriber, client)).map(({ topic }) => topic);
  expect(topics).toEqual([...aliases, ...aliases].map((alias) => `${prefix}/${alias}`));
});

test("[MQTT-3.3.2-12] an alias may be given to another topic", async () => {
  const prefix = broker.unique();
  const subscriber = await broker.connect();
  await subscriber.subscribe(`${prefix}/+`);
  const client = await broker.connect();
  const properties = [["topicAlias", 1]] as const;
  for (const topic of [`${prefix}/a`, "", `${prefix}/b`, ""]) await client.publish({ topic, qos: 1, properties });
  const topics = (await broker.drain(subscriber, client)).map(({ topic }) => topic.at(-1));
  expect(topics).toEqual(["a", "a", "b", "b"]);
});

test("[MQTT-3.3.2-8] alias 0 ends the connection", async () => {
  const client = await broker.connect();
  await client.send(publishPacket({ topic: "a", properties: [["topicAlias", 0]] }));
  await client.refused(0x94);
});

test("[MQTT-3.3.2-9] [MQTT-3.2.2-17] [MQTT-3.2.2-18] an alias above the server's maximum ends the connection", async () => {
  const client = await broker.connect();
  await client.send(publishPacket({ topic: "a", properties: [["topicAlias", maximumOf(client) + 1]] }));
  await client.refused(0x94);
});

test("an alias that means nothing yet is a protocol error without a topic", async () => {
  const client = await broker.connect();
  await client.send(publishPacket({ topic: "", properties: [["topicAlias", 1]] }));
  await client.refused(0x82);
});

test("[MQTT-3.3.2-7] an alias does not outlive its connection, though the session does", async () => {
  const clientId = broker.unique();
  const topic = broker.unique();
  const kept = [["sessionExpiryInterval", 100]] as const;
  const first = await broker.connect({ clientId, properties: kept });
  await first.publish({ topic, qos: 1, properties: [["topicAlias", 1]] });
  await first.end();
  await broker.settle();
  const second = await broker.connect({ clientId, cleanStart: false, properties: kept });
  expect(second.connack.sessionPresent).toBe(true);
  await second.send(publishPacket({ topic: "", properties: [["topicAlias", 1]] }));
  await second.refused(0x82);
});

test("[MQTT-3.3.2-7] nor is an alias of the server used on the next connection before it was given there", async () => {
  const clientId = broker.unique();
  const topic = broker.unique();
  const properties = [
    ["sessionExpiryInterval", 100],
    ["topicAliasMaximum", 10],
  ] as const;
  const publisher = await broker.connect();
  const first = await broker.connect({ clientId, properties });
  await first.subscribe(topic);
  for (let number = 0; number < 3; number++) await publisher.publish({ topic, qos: 1 });
  for (let number = 0; number < 3; number++) expect((await first.receive()).topic).toBe(topic);
  await first.end();
  await broker.settle();
  const second = await broker.connect({ clientId, cleanStart: false, properties });
  for (let number = 0; number < 3; number++) expect((await second.receive()).topic).toBe(topic);
});

test("an alias of one client means nothing at another one", async () => {
  const topic = broker.unique();
  const one = await broker.connect();
  await one.publish({ topic, qos: 1, properties: [["topicAlias", 2]] });
  const other = await broker.connect();
  await other.send(publishPacket({ topic: "", properties: [["topicAlias", 2]] }));
  await other.refused(0x82);
});

test("the alias of a publisher is not handed on", async () => {
  const topic = broker.unique();
  const subscriber = await broker.connect();
  await subscriber.subscribe(topic);
  const client = await broker.connect();
  await client.publish({ topic, qos: 1, properties: [["topicAlias", 1]] });
  await client.publish({ topic: "", qos: 1, properties: [["topicAlias", 1]] });
  for (let number = 0; number < 2; number++) {
    const message = await subscriber.receive();
    expect(message.topic).toBe(topic);
    expect(valueOf(message.properties, "topicAlias")).toBeUndefined();
  }
});

test.each([undefined, 0])(
  "[MQTT-3.1.2-27] with a Topic Alias Maximum of %s the server uses no aliases",
  async (maximum) => {
    const topic = broker.unique();
    const properties = maximum === undefined ? [] : ([["topicAliasMaximum", maximum]] as const);
    const subscriber = await broker.connect({ properties });
    await subscriber.subscribe(topic);
    for (let number = 0; number < 5; number++) await subscriber.publish({ topic, qos: 1 });
    for (let number = 0; number < 5; number++) {
      const message = await subscriber.receive();
      expect(message.topic).toBe(topic);
      expect(valueOf(message.properties, "topicAlias")).toBeUndefined();
      await subscriber.complete(message);
    }
  },
);

test.each([1, 2, 65_535])(
  "[MQTT-3.1.2-26] [MQTT-3.3.2-11] with a Topic Alias Maximum of %i every topic still arrives right",
  async (maximum) => {
    const prefix = broker.unique();
    const subscriber = await broker.connect({ properties: [["topicAliasMaximum", maximum]] });
    await subscriber.subscribe(`${prefix}/#`);
    const publisher = await broker.connect();
    const topics = ["a", "b", "a", "c", "c", "b", "a", "d", "d", "a"].map((name) => `${prefix}/${name}`);
    for (const topic of topics) await publisher.publish({ topic, qos: 1, payload: topic });
    const messages = await broker.drain(subscriber, publisher); // the client checks the numbers
    expect(messages.map(({ topic }) => topic)).toEqual(topics);
    expect(messages.map(({ payload }) => payload)).toEqual(topics);
  },
);
