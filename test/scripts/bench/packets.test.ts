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

test("the payload is found at every QoS", () => {
  for (const qos of [0, 1, 2] as const) {
    const message = { cmd: "publish", topic: "/a/b", payload: "hello", dup: false, retain: false } as const;
    const bytes = mqttPacket.generate({ ...message, qos, ...(qos === 0 ? {} : { messageId: 3 }) });
    expect(bytes.subarray(payloadStart(bytes[0] ?? 0, bytes, 2)).toString()).toBe("hello");
  }
});
