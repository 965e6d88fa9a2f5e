// MQTT 5.0, 2.2.2.2: properties where they do not belong, twice, or with values that they cannot have.
import { expect, test } from "vitest";
import { useBroker } from "./v5-client.ts";
import { bytes, connectPacket, disconnectPacket, frame, publishPacket, subscribePacket } from "./v5-packets.ts";
import { propertyBytes, text, two, type Properties, type Property } from "./v5-properties.ts";

const broker = useBroker();

/** A property of each kind that a client may send somewhere. */
const some = {
  payloadFormatIndicator: ["payloadFormatIndicator", 1],
  messageExpiryInterval: ["messageExpiryInterval", 60],
  contentType: ["contentType", "text"],
  responseTopic: ["responseTopic", "reply"],
  correlationData: ["correlationData", bytes(1)],
  subscriptionIdentifier: ["subscriptionIdentifier", 1],
  sessionExpiryInterval: ["sessionExpiryInterval", 60],
  authenticationMethod: ["authenticationMethod", "PLAIN"],
  willDelayInterval: ["willDelayInterval", 1],
  reasonString: ["reasonString", "why"],
  receiveMaximum: ["receiveMaximum", 10],
  topicAlias: ["topicAlias", 1],
  maximumQoS: ["maximumQoS", 1],
} as const satisfies Readonly<Record<string, Property>>;

/** A packet with these properties, of each kind that a client sends once it is connected. */
const packetWith: Readonly<Record<string, (properties: Properties) => Uint8Array>> = {
  PUBLISH: (properties) => publishPacket({ topic: "a", properties }),
  SUBSCRIBE: (properties) => subscribePacket(1, [{ filter: "a" }], properties),
  UNSUBSCRIBE: (properties) => frame(0xa2, two(1), propertyBytes(properties), text("a")),
  PUBACK: (properties) => frame(0x40, two(1), bytes(0), propertyBytes(properties)),
  PUBREC: (properties) => frame(0x50, two(1), bytes(0), propertyBytes(properties)),
  PUBREL: (properties) => frame(0x62, two(1), bytes(0), propertyBytes(properties)),
  PUBCOMP: (properties) => frame(0x70, two(1), bytes(0), propertyBytes(properties)),
  DISCONNECT: (properties) => disconnectPacket(0, properties),
};

test.each([
  ["PUBLISH", some.sessionExpiryInterval],
  ["PUBLISH", some.reasonString],
  ["PUBLISH", some.maximumQoS],
  ["SUBSCRIBE", some.topicAlias],
  ["SUBSCRIBE", some.reasonString],
  ["UNSUBSCRIBE", some.subscriptionIdentifier],
  ["PUBACK", some.contentType],
  ["PUBREC", some.messageExpiryInterval],
  ["PUBREL", some.correlationData],
  ["PUBCOMP", some.responseTopic],
  ["DISCONNECT", some.receiveMaximum],
  ["DISCONNECT", some.willDelayInterval],
] as const)("[MQTT-4.13.1-1] %s with a property of another packet ends the connection", async (name, property) => {
  const client = await broker.connect();
  await client.send(packetWith[name]?.([property]) ?? bytes());
  await client.refused(0x81, 0x82);
});

test.each([
  ["PUBLISH", some.payloadFormatIndicator],
  ["PUBLISH", some.messageExpiryInterval],
  ["PUBLISH", some.contentType],
  ["PUBLISH", some.responseTopic],
  ["PUBLISH", some.correlationData],
  ["PUBLISH", some.topicAlias],
  ["SUBSCRIBE", some.subscriptionIdentifier],
  ["PUBACK", some.reasonString],
  ["PUBREC", some.reasonString],
  ["PUBREL", some.reasonString],
  ["PUBCOMP", some.reasonString],
  ["DISCONNECT", some.reasonString],
  ["DISCONNECT", some.sessionExpiryInterval],
] as const)("[MQTT-4.13.1-1] %s with a property twice is a protocol error", async (name, property) => {
  const client = await broker.connect({ properties: [some.sessionExpiryInterval] });
  await client.send(packetWith[name]?.([property, property]) ?? bytes());
  await client.refused(0x82);
});

test("[MQTT-4.13.1-1] a property that nobody knows ends the connection", async () => {
  for (const id of [0x00, 0x04, 0x20, 0x2b, 0x7f]) {
    const client = await broker.connect();
    await client.send(frame(0x30, text("a"), bytes(2, id, 0)));
    await client.refused(0x81, 0x82);
  }
});

test("[MQTT-3.3.4-6] PUBLISH with a subscription identifier is a protocol error", async () => {
  const client = await broker.connect();
  await client.send(publishPacket({ topic: "a", properties: [some.subscriptionIdentifier] }));
  await client.refused(0x81, 0x82);
});

test("[MQTT-4.13.1-1] subscription identifier 0 is a protocol error", async () => {
  const client = await broker.connect();
  await client.send(subscribePacket(1, [{ filter: "a" }], [["subscriptionIdentifier", 0]]));
  await client.refused(0x82);
});

test.each(["sessionExpiryInterval", "receiveMaximum", "authenticationMethod"] as const)(
  "[MQTT-3.1.4-1] CONNECT with %s twice is refused",
  async (name) => {
    const properties = [some[name], some[name]];
    await broker.connectRefused(connectPacket({ clientId: broker.unique(), properties }));
  },
);

test.each(["willDelayInterval", "contentType", "messageExpiryInterval"] as const)(
  "[MQTT-3.1.4-1] a will with %s twice is refused",
  async (name) => {
    const will = { topic: "a", properties: [some[name], some[name]] };
    await broker.connectRefused(connectPacket({ clientId: broker.unique(), will }));
  },
);

test("[MQTT-3.1.4-1] a will with a property of another packet is refused", async () => {
  for (const property of [some.topicAlias, some.sessionExpiryInterval, some.subscriptionIdentifier]) {
    const will = { topic: "a", properties: [property] };
    await broker.connectRefused(connectPacket({ clientId: broker.unique(), will }));
  }
});

test("user properties may come as often as they like, in any packet", async () => {
  const properties: Properties = [1, 2, 1].map((number) => ["userProperty", ["name", String(number)]]);
  const topic = broker.unique();
  const client = await broker.connect({ properties, will: { topic, properties } });
  await client.subscribe({ filter: topic, qos: 1 }, properties);
  await client.publish({ topic, qos: 1, properties });
  expect((await client.find("publish")).properties).toEqual(properties);
  await client.disconnect(0x00, properties);
});
