import fc from "fast-check";
import { generate, parser, type Packet } from "mqtt-packet";
import { expect, test } from "vitest";
import {
  encodeConnect,
  encodePublishHead,
  encodeSubscribe,
  goodbye,
  pingRequest,
  readConnack,
  readSuback,
} from "#shared/mqtt/client-packets.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";

const anyText = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((text) => !text.includes("\0"));
const anyTopic = anyText.filter((text) => !/[+#]/.test(text));
const anyBytes = fc.uint8Array({ maxLength: 40 });

function parsed(bytes: Uint8Array): Packet {
  const found: Packet[] = [];
  const one = parser({ protocolVersion: 4 });
  one.on("packet", (packet) => void found.push(packet));
  one.parse(Buffer.from(bytes));
  expect(found).toHaveLength(1);
  return found[0] as Packet;
}

test("CONNECT is understood as it was meant", () => {
  const anyConnect = fc.record({
    clientId: anyText,
    keepAliveSeconds: fc.integer({ min: 0, max: 0xffff }),
    username: anyText,
    password: fc.option(anyText, { nil: undefined }),
    will: fc.option(fc.record({ topic: anyTopic, payload: anyBytes }), { nil: undefined }),
  });
  fc.assert(
    fc.property(anyConnect, (connect) => {
      const { clientId, keepAliveSeconds, username, password, will } = connect;
      const packet = parsed(encodeConnect(connect));
      expect(packet).toMatchObject({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean: true });
      expect(packet).toMatchObject({ clientId, username, keepalive: keepAliveSeconds });
      expect("password" in packet ? packet.password : undefined).toEqual(password && Buffer.from(password));
      if (will === undefined) expect(packet).not.toHaveProperty("will");
      else {
        const payload = Buffer.from(will.payload);
        expect(packet).toMatchObject({ will: { topic: will.topic, payload, qos: 0, retain: false } });
      }
    }),
  );
});

test("PUBLISH and SUBSCRIBE at QoS 0 are understood as they were meant", () => {
  fc.assert(
    fc.property(anyTopic, fc.uint8Array({ maxLength: 300 }), (topic, payload) => {
      const packet = parsed(Buffer.concat([encodePublishHead(topic, payload.length), payload]));
      expect(packet).toMatchObject({ cmd: "publish", topic, qos: 0, retain: false, dup: false });
      expect(packet).toHaveProperty("payload", Buffer.from(payload));
    }),
  );
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 0xffff }), (filter, messageId) => {
      const subscriptions = [expect.objectContaining({ topic: filter, qos: 0 })];
      expect(parsed(encodeSubscribe(messageId, filter))).toMatchObject({ cmd: "subscribe", messageId, subscriptions });
    }),
  );
});

test("PINGREQ and DISCONNECT are those of the specification", () => {
  expect(parsed(pingRequest).cmd).toBe("pingreq");
  expect(parsed(goodbye).cmd).toBe("disconnect");
});

test.each([0, 1, 5])("CONNACK with code %i is read", (returnCode) => {
  const bytes = generate({ cmd: "connack", returnCode, sessionPresent: false });
  expect(readConnack(bytes, 2, bytes.length)).toBe(returnCode);
});

test.each([0, 2, 0x80])("SUBACK with code %i is read", (code) => {
  const bytes = generate({ cmd: "suback", messageId: 300, granted: [code] });
  expect(readSuback(bytes, 2, bytes.length)).toEqual({ packetId: 300, code });
});

test("an answer that is too short or too long is malformed", () => {
  const bytes = Uint8Array.of(0, 0, 0, 0);
  expect(() => readConnack(bytes, 0, 1)).toThrow(MqttProtocolError);
  expect(() => readConnack(bytes, 0, 3)).toThrow(MqttProtocolError);
  expect(() => readSuback(bytes, 0, 2)).toThrow(MqttProtocolError);
  expect(() => readSuback(bytes, 0, 4)).toThrow(MqttProtocolError);
});
