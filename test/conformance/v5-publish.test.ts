// MQTT 5.0, 3.3 and 4.7: PUBLISH, its properties on their way through the server, topic names and filters.
import { expect, test } from "vitest";
import { sorted, useBroker } from "./v5-client.ts";
import { bytes, publishPacket, subscribePacket, type Qos } from "./v5-packets.ts";
import { valuesOf, type Properties } from "./v5-properties.ts";

const broker = useBroker();

test("[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-20] the properties of a message arrive unaltered at every subscriber", async () => {
  const topic = broker.unique();
  const properties: Properties = [
    ["payloadFormatIndicator", 1],
    ["contentType", "text/plain; charset=UTF-8"],
    ["responseTopic", "answers/to/ä€😀"],
    ["correlationData", bytes(0, 1, 0xff, 0x80, 0)],
    ["userProperty", ["näme", ""]],
    ["userProperty", ["", "välue"]],
  ];
  const publisher = await broker.connect();
  const subscribers = [await broker.connect(), await broker.connect(), await broker.connect()];
  for (const [qos, subscriber] of subscribers.entries()) await subscriber.subscribe({ filter: topic, qos: qos as Qos });
  await publisher.publish({ topic, qos: 2, payload: "text", properties });
  for (const [qos, subscriber] of subscribers.entries()) {
    const message = await subscriber.receive();
    expect(message).toMatchObject({ topic, payload: "text", qos });
    expect(sorted(message.properties)).toEqual(sorted(properties));
  }
});

test("[MQTT-3.3.2-4] payload format indicator 0 stays, no indicator stays none, and the payload is not looked at", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe(topic);
  const payload = bytes(0xff, 0xfe, 0x00);
  for (const properties of [[["payloadFormatIndicator", 0]], [["payloadFormatIndicator", 1]], []] as const) {
    await client.publish({ topic, payload, properties });
    const message = await client.receive();
    expect(message.properties).toEqual(properties);
    expect(Buffer.from(message.bytes)).toEqual(Buffer.from(payload));
  }
});

test("[MQTT-3.3.2-17] [MQTT-3.3.2-18] user properties keep their order, and their names may repeat", async () => {
  const topic = broker.unique();
  const pairs = ["b=1", "a=2", "b=3", "=", "a=2", "c=4", "a=1"].map((pair) => pair.split("=") as [string, string]);
  const client = await broker.connect();
  await client.subscribe(topic);
  await client.publish({ topic, qos: 1, properties: pairs.map((pair) => ["userProperty", pair]) });
  expect(valuesOf((await client.find("publish")).properties, "userProperty")).toEqual(pairs);
});

test("[MQTT-3.3.2-13] [MQTT-3.3.2-19] response topic and content type have to be UTF-8", async () => {
  for (const name of ["responseTopic", "contentType"] as const) {
    const client = await broker.connect();
    await client.send(publishPacket({ topic: "a", properties: [[name, bytes(0x61, 0xff)]] }));
    await client.refused(0x81);
  }
});

test("[MQTT-3.3.2-14] a response topic has no wildcards", async () => {
  for (const responseTopic of ["a/+", "#"]) {
    const client = await broker.connect();
    await client.send(publishPacket({ topic: "a", properties: [["responseTopic", responseTopic]] }));
    await client.refused(0x81, 0x82, 0x90);
  }
});

test.each(["+", "#", "a/+/b", "a/#", "a+b"])(
  "[MQTT-3.3.2-2] [MQTT-4.7.0-1] the topic name %s is refused",
  async (topic) => {
    for (const qos of [0, 1]) {
      const client = await broker.connect();
      await client.send(publishPacket({ topic, qos, ...(qos > 0 && { id: 1 }) }));
      await client.refused(0x81, 0x82, 0x90);
    }
  },
);

test("[MQTT-4.7.3-1] topic names and filters have a character at least", async () => {
  const publisher = await broker.connect();
  await publisher.send(publishPacket({ topic: "" }));
  await publisher.refused(0x81, 0x82, 0x90);
  const subscriber = await broker.connect();
  await subscriber.send(subscribePacket(1, [{ filter: "" }]));
  const [answer] = await Promise.race([subscriber.untilClosed(), subscriber.next().then((packet) => [packet])]);
  if (answer?.type === "suback") expect(answer.reasons).toEqual([0x8f]);
  else expect(answer === undefined || answer.type === "disconnect").toBe(true);
});

test("[MQTT-3.3.2-3] a message arrives with the topic it was published on, which matches the filter", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe([{ filter: `${topic}/+/end` }, { filter: `${topic}/deep/#` }]);
  const publisher = await broker.connect();
  const topics = ["a/end", "/end", "deep", "deep/", "deep/er/down"].map((rest) => `${topic}/${rest}`);
  const others = ["end", "a/b/end", "a/End", "deepest", "a/end/"].map((rest) => `${topic}/${rest}`);
  for (const each of [...topics, ...others]) await publisher.publish({ topic: each, qos: 1 });
  const messages = await broker.drain(client, publisher);
  expect(messages.map((message) => message.topic)).toEqual(topics);
});

test("[MQTT-4.7.3-4] topics are compared as they are: no normalization, case and spaces count", async () => {
  const prefix = broker.unique();
  const client = await broker.connect();
  await client.subscribe(`${prefix}/\u00e9/A b`);
  const publisher = await broker.connect();
  const alike = ["e\u0301/A b", "\u00e9/a b", "\u00e9/A  b", "\u00e9/A b/", "\u00e9//A b", "\u00e9/A b"];
  for (const rest of alike) await publisher.publish({ topic: `${prefix}/${rest}`, qos: 1 });
  const messages = await broker.drain(client, publisher);
  expect(messages.map(({ topic }) => topic)).toEqual([`${prefix}/\u00e9/A b`]);
});

test("[MQTT-4.7.3-4] characters that somebody may not know pass unaltered", async () => {
  const topic = `${broker.unique()}/\u{1F680}/\u202e/\u3042/\u00a0`;
  const client = await broker.connect();
  await client.subscribe(topic);
  await client.publish({ topic, qos: 1 });
  expect((await client.find("publish")).topic).toBe(topic);
});

test("[MQTT-4.7.3-3] long topics are carried whole", async () => {
  const topic = `${broker.unique()}/`.padEnd(1000, "x");
  const client = await broker.connect();
  await client.subscribe(topic);
  await client.publish({ topic, qos: 1 });
  expect((await client.find("publish")).topic).toBe(topic);
});

test("[MQTT-4.7.2-1] filters that start with a wildcard do not match topics that start with $", async () => {
  const name = broker.unique();
  const client = await broker.connect();
  await client.subscribe([{ filter: "#" }, { filter: `+/${name}` }, { filter: `$priv/${name}` }]);
  const publisher = await broker.connect();
  await publisher.publish({ topic: `$priv/${name}`, qos: 1, payload: "hidden" });
  await publisher.publish({ topic: `open/${name}`, qos: 1, payload: "last" });
  const topics: string[] = [];
  while (!topics.includes(`open/${name}`)) {
    const { topic } = await client.receive();
    if (topic.endsWith(name)) topics.push(topic);
  }
  expect(topics).toEqual([`$priv/${name}`, `open/${name}`]);
});

test("[MQTT-3.3.1-12] [MQTT-3.3.1-8] a message to those who are subscribed is not marked as retained", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe(topic);
  await client.publish({ topic, retain: true, payload: "one" });
  expect(await client.receive()).toMatchObject({ retain: false, payload: "one" });
  await client.publish({ topic, payload: "two" });
  expect(await client.receive()).toMatchObject({ retain: false, payload: "two" });
  const later = await broker.connect();
  await later.subscribe(topic);
  expect(await later.receive()).toMatchObject({ retain: true, payload: "one" });
});

test("[MQTT-3.3.4-1] [MQTT-4.3.1-1] an empty payload is a message like any other", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe(topic);
  await client.publish({ topic, qos: 2 });
  expect(await client.find("publish")).toMatchObject({ payload: "", qos: 2 });
});
