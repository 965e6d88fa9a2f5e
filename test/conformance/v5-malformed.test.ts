// MQTT 5.0, chapters 1 and 2, and 4.13: packets that are no packets.
import { expect, test } from "vitest";
import { useBroker } from "./v5-client.ts";
import {
  ackPacket,
  bytes,
  disconnectPacket,
  frame,
  pingPacket,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
} from "./v5-packets.ts";
import { binary, propertyBytes, text, two } from "./v5-properties.ts";

const broker = useBroker();

const illFormed = [
  ["an overlong slash", bytes(0x61, 0xc0, 0xaf)],
  ["a surrogate", bytes(0x61, 0xed, 0xa0, 0x80)],
  ["half a character", bytes(0x61, 0xe2, 0x82)],
  ["a byte that never occurs", bytes(0x61, 0xff)],
  ["a number above U+10FFFF", bytes(0x61, 0xf4, 0x90, 0x80, 0x80)],
] as const;

test.each(illFormed)(
  "[MQTT-1.5.4-1] [MQTT-3.3.2-1] [MQTT-3.8.3-1] [MQTT-3.10.3-1] %s in a topic is malformed",
  async (_, topic) => {
    const packets = [publishPacket({ topic }), subscribePacket(1, [{ filter: topic }]), unsubscribePacket(1, [topic])];
    for (const packet of packets) {
      const client = await broker.connect();
      await client.send(packet);
      await client.refused(0x81, 0x90, 0x8f);
    }
  },
);

test("[MQTT-1.5.4-2] [MQTT-4.7.3-2] U+0000 in a topic is malformed", async () => {
  const packets = [
    publishPacket({ topic: "a\0b" }),
    subscribePacket(1, [{ filter: "a\0b" }]),
    unsubscribePacket(1, ["a\0b"]),
  ];
  for (const packet of packets) {
    const client = await broker.connect();
    await client.send(packet);
    await client.refused(0x81, 0x90, 0x8f);
  }
});

test("[MQTT-1.5.4-3] U+FEFF is a character like any other", async () => {
  const topic = `\uFEFF${broker.unique()}/\uFEFF`;
  const client = await broker.connect();
  await client.subscribe(topic);
  await client.publish({ topic, qos: 1, properties: [["contentType", "\uFEFFx"]] });
  expect(await client.find("publish")).toMatchObject({ topic, properties: [["contentType", "\uFEFFx"]] });
  await client.publish({ topic: topic.replaceAll("\uFEFF", ""), qos: 1 });
  expect(await broker.drain(client, await broker.connect())).toEqual([]);
});

test("[MQTT-1.5.5-1] a remaining length of five bytes is malformed", async () => {
  const client = await broker.connect();
  await client.send(bytes(0x30, 0x80, 0x80, 0x80, 0x80, 0x01));
  await client.refused(0x81);
});

test("[MQTT-1.5.5-1] a property length of five bytes is malformed", async () => {
  const client = await broker.connect();
  await client.send(frame(0x30, text("a"), bytes(0x80, 0x80, 0x80, 0x80, 0x01), text("payload")));
  await client.refused(0x81);
});

test.each([
  ["remaining length", bytes(0xc0, 0x80, 0x00)],
  ["property length", frame(0x30, text("a"), bytes(0x80, 0x00), text("payload"))],
  ["subscription identifier", frame(0x82, two(1), bytes(3, 0x0b, 0x81, 0x00), text("a"), bytes(0))],
])("[MQTT-1.5.5-1] a %s of more bytes than it needs is malformed", async (_, packet) => {
  const client = await broker.connect();
  await client.send(packet);
  await client.refused(0x81);
});

test("[MQTT-1.5.7-1] both strings of a user property have to be UTF-8", async () => {
  const bad = binary(bytes(0x61, 0xff));
  for (const pair of [
    [bad, text("v")],
    [text("n"), bad],
    [text("n"), text("\0")],
  ]) {
    const client = await broker.connect();
    const property = Buffer.concat([bytes(0x26), ...pair]);
    await client.send(frame(0x30, text("a"), bytes(property.length), property));
    await client.refused(0x81);
  }
});

test.each([
  ["PUBACK", frame(0x41, two(1))],
  ["PUBREC", frame(0x52, two(1))],
  ["PUBCOMP", frame(0x78, two(1))],
  ["PINGREQ", bytes(0xc1, 0)],
])("[MQTT-2.1.3-1] reserved flags of %s have to be 0", async (_, packet) => {
  const client = await broker.connect();
  await client.send(packet);
  await client.refused(0x81);
});

test("[MQTT-3.6.1-1] the flags of PUBREL are 2, and anything else is malformed", async () => {
  for (const first of [0x60, 0x61, 0x63, 0x66, 0x6a]) {
    const client = await broker.connect();
    await client.send(publishPacket({ topic: broker.unique(), qos: 2, id: 1 }));
    await client.expect("pubrec");
    await client.send(frame(first, two(1)));
    await client.refused(0x81);
  }
});

test("[MQTT-3.8.1-1] [MQTT-3.10.1-1] the flags of SUBSCRIBE and UNSUBSCRIBE are 2, and anything else is malformed", async () => {
  for (const flags of [0x0, 0x1, 0x3, 0x6, 0xa]) {
    for (const packet of [subscribePacket(1, [{ filter: "a" }]), unsubscribePacket(1, ["a"])]) {
      const client = await broker.connect();
      await client.send(bytes(((packet[0] ?? 0) & 0xf0) | flags), packet.subarray(1));
      await client.refused(0x81);
    }
  }
});

test("[MQTT-3.14.1-1] reserved flags of DISCONNECT are malformed, and the will is published", async () => {
  const topic = broker.unique();
  const watcher = await broker.connect();
  await watcher.subscribe(topic);
  const client = await broker.connect({ will: { topic, payload: "will" } });
  await client.send(bytes(0xe1, 0x00));
  await client.refused(0x81);
  expect((await watcher.receive()).payload).toBe("will");
});

test("[MQTT-3.15.1-1] reserved flags of AUTH are malformed", async () => {
  const client = await broker.connect();
  await client.send(bytes(0xf1, 0x00));
  await client.refused(0x81);
});

test("[MQTT-2.2.1-3] a packet identifier is not 0", async () => {
  const packets = [
    publishPacket({ topic: "a", qos: 1, id: 0 }),
    publishPacket({ topic: "a", qos: 2, id: 0 }),
    subscribePacket(0, [{ filter: "a" }]),
    unsubscribePacket(0, ["a"]),
  ];
  for (const packet of packets) {
    const client = await broker.connect();
    await client.send(packet);
    await client.refused(0x81, 0x82);
  }
});

test("[MQTT-2.2.2-1] packets without a length of their properties are malformed", async () => {
  const packets = [
    frame(0x30, text("topic")),
    frame(0x82, two(1), text("a/b"), bytes(0)),
    frame(0xa2, two(1), text("a/b")),
  ];
  for (const packet of packets) {
    const client = await broker.connect();
    await client.send(packet);
    await client.refused(0x81, 0x82);
  }
});

test("[MQTT-3.3.1-4] QoS 3 is malformed", async () => {
  const client = await broker.connect();
  await client.send(publishPacket({ topic: "a", qos: 3, id: 1 }));
  await client.refused(0x81);
});

test("[MQTT-3.3.1-2] DUP with QoS 0 is malformed", async () => {
  const client = await broker.connect();
  await client.send(publishPacket({ topic: "a", dup: true }));
  await client.refused(0x81, 0x82);
});

test.each([
  ["a packet of type 0", bytes(0x00, 0x00)],
  ["a CONNACK from a client", bytes(0x20, 0x03, 0, 0, 0)],
  ["a SUBACK from a client", frame(0x90, two(1), propertyBytes(), bytes(0))],
  ["an UNSUBACK from a client", frame(0xb0, two(1), propertyBytes(), bytes(0))],
  ["a PINGRESP from a client", bytes(0xd0, 0x00)],
  ["PINGREQ with a body", bytes(0xc0, 0x01, 0x00)],
  ["PUBLISH that ends inside its topic", frame(0x30, two(10), bytes(0x61))],
  ["PUBLISH that ends before its packet identifier", frame(0x32, text("a"))],
  ["properties that end behind the packet", frame(0x30, text("a"), bytes(9, 0x01, 0x00))],
  ["properties that end inside of one", frame(0x30, text("a"), bytes(2, 0x02, 0x00), text("payload"))],
  ["PUBACK of one byte", frame(0x40, bytes(1))],
  ["PUBACK with bytes behind its end", frame(0x40, two(1), bytes(0), propertyBytes(), bytes(0))],
  ["SUBSCRIBE that ends before the options", frame(0x82, two(1), propertyBytes(), text("a"))],
  ["DISCONNECT with bytes behind its end", frame(0xe0, bytes(0), propertyBytes(), bytes(0))],
])("[MQTT-4.13.1-1] [MQTT-4.13.2-1] %s ends the connection", async (_, packet) => {
  const client = await broker.connect();
  await client.send(packet);
  await client.refused(0x81, 0x82);
});

test("[MQTT-4.13.1-1] an error ends its own connection only, and publishes its will", async () => {
  const topic = broker.unique();
  const watcher = await broker.connect();
  await watcher.subscribe(topic);
  const client = await broker.connect({ will: { topic, payload: "will" } });
  await client.send(publishPacket({ topic: "a", qos: 3, id: 1 }));
  await client.refused(0x81);
  expect((await watcher.receive()).payload).toBe("will");
  await watcher.ping();
});

test("[MQTT-4.13.1-1] packets before the one that is malformed are processed, those behind it are not", async () => {
  const topic = broker.unique();
  const watcher = await broker.connect();
  await watcher.subscribe(topic);
  const client = await broker.connect();
  const [before, behind] = ["before", "behind"].map((payload) => publishPacket({ topic, payload }));
  await client.send(before ?? bytes(), bytes(0x00, 0x00), behind ?? bytes(), pingPacket);
  await client.refused(0x81, 0x82);
  const messages = await broker.drain(watcher, await broker.connect());
  expect(messages.map(({ payload }) => payload)).toEqual(["before"]);
});

test("acknowledgements and DISCONNECT may leave out reason and properties", async () => {
  const topic = broker.unique();
  const client = await broker.connect();
  await client.subscribe({ filter: topic, qos: 2 });
  await client.publish({ topic, qos: 2 });
  const { id } = await client.find("publish");
  await client.ack("pubrec", id, 0x00);
  await client.find("pubrel");
  await client.send(ackPacket("pubcomp", id, 0x00, []));
  await client.ping();
  await client.send(disconnectPacket(0x00));
  expect(await client.untilClosed()).toEqual([]);
});
