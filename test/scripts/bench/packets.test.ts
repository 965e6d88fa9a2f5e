import fc from "fast-check";
import mqttPacket from "mqtt-packet";
import { expect, test } from "vitest";
import {
  disconnectPacket,
  encodeConnect,
  encodePublish,
  encodeSubscribe,
  payloadStart,
  readUint16,
  writeUint16,
} from "../../../scripts/bench/packets.ts";

const asV5 = { protocolVersion: 5 } as const;

test("CONNECT and SUBSCRIBE of MQTT 5 are byte for byte those of mqtt-packet", () => {
  const connect = mqttPacket.generate({
    cmd: "connect",
    clientId: "bench-1",
    clean: true,
    keepalive: 0,
    protocolVersion: 5,
    properties: { receiveMaximum: 300 },
  });
  expect(Buffer.from(encodeConnect("bench-1", { protocol: 5, receiveMaximum: 300 }))).toEqual(connect);
  const subscribe = mqttPacket.generate(
    { cmd: "subscribe", messageId: 7, subscriptions: [{ topic: "a/#", qos: 2, rh: 0, nl: false, rap: false }] },
    asV5,
  );
  expect(Buffer.from(encodeSubscribe(7, "a/#", 2, 5))).toEqual(subscribe);
});

test("CONNECT, SUBSCRIBE and DISCONNECT are byte for byte those of mqtt-packet", () => {
  const connect = mqttPacket.generate({ cmd: "connect", clientId: "bench-1", clean: true, keepalive: 0 });
  expect(Buffer.from(encodeConnect("bench-1"))).toEqual(connect);
  const filter = "/from/bench-device/data/#";
  const subscribe = mqttPacket.generate({ cmd: "subscribe", messageId: 7, subscriptions: [{ topic: filter, qos: 0 }] });
  expect(Buffer.from(encodeSubscribe(7, filter))).toEqual(subscribe);
  expect(Buffer.from(disconnectPacket)).toEqual(mqttPacket.generate({ cmd: "disconnect" }));
});

const topics = fc.stringMatching(/^[a-zä/]{1,40}$/);
/** Around the sizes at which the remaining length takes another byte. */
const sizes = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 16_300, max: 16_500 }));

test("a PUBLISH with its identifier set is byte for byte that of mqtt-packet", () => {
  fc.assert(
    fc.property(topics, sizes, fc.integer({ min: 1, max: 0xffff }), (topic, size, messageId) => {
      const payload = Buffer.alloc(size, "x");
      const { bytes, packetIdAt, payloadAt } = encodePublish(topic, payload);
      writeUint16(bytes, packetIdAt, messageId);
      const expected = mqttPacket.generate({
        cmd: "publish",
        topic,
        payload,
        qos: 1,
        dup: false,
        retain: false,
        messageId,
      });
      expect(Buffer.from(bytes)).toEqual(expected);
      expect(readUint16(bytes, packetIdAt)).toBe(messageId);
      expect(payloadAt).toBe(bytes.length - size);
    }),
  );
});

test("the payload is found at every QoS, and behind the properties of MQTT 5", () => {
  for (const qos of [0, 1, 2] as const) {
    const message = { cmd: "publish", topic: "/a/b", payload: "hello", dup: false, retain: false } as const;
    const packet = { ...message, qos, ...(qos === 0 ? {} : { messageId: 3 }) };
    const bytes = mqttPacket.generate(packet);
    expect(bytes.subarray(payloadStart(bytes[0] ?? 0, bytes, 2)).toString()).toBe("hello");
    const withProperties = mqttPacket.generate({ ...packet, properties: { userProperties: { a: "b" } } }, asV5);
    const found = withProperties.subarray(payloadStart(withProperties[0] ?? 0, withProperties, 2, 5));
    expect(found.toString()).toBe("hello");
  }
});

test("a PUBLISH of MQTT 5 carries a user property of just the size that was asked for", () => {
  for (const qos of [0, 1, 2] as const) {
    const payload = Buffer.from("hello");
    const image = encodePublish("/a", payload, { qos, protocol: 5, userPropertyBytes: 40 });
    if (qos > 0) writeUint16(image.bytes, image.packetIdAt, 9);
    const message = { cmd: "publish", topic: "/a", payload, qos, dup: false, retain: false } as const;
    const properties = { userProperties: { k: "v".repeat(34) } };
    const expected = mqttPacket.generate({ ...message, ...(qos === 0 ? {} : { messageId: 9 }), properties }, asV5);
    expect(Buffer.from(image.bytes)).toEqual(expected);
    const plain = encodePublish("/a", payload, { qos, protocol: 5 });
    expect(image.bytes.length - plain.bytes.length).toBe(40);
    expect(Buffer.from(image.bytes.subarray(image.payloadAt)).toString()).toBe("hello");
  }
});

test("a connection whose session is to stay is no clean one", () => {
  const options = { cmd: "connect", clientId: "bench-1", keepalive: 0 } as const;
  expect(Buffer.from(encodeConnect("bench-1", { keepsSession: true }))).toEqual(
    mqttPacket.generate({ ...options, clean: false }),
  );
  expect(Buffer.from(encodeConnect("bench-1"))).toEqual(mqttPacket.generate({ ...options, clean: true }));
});
