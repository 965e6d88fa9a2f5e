import fc from "fast-check";
import { generate, parser, type Packet } from "mqtt-packet";
import { expect, test } from "vitest";
import { PacketReader } from "#shared/mqtt/packet-reader.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";
import { encodeSuback, encodeUnsuback, readSubscribe, readUnsubscribe } from "#shared/mqtt/subscribe-packet.ts";
import type { Qos } from "#shared/system/bus.ts";

const anyLevel = fc.constantFrom(3 as const, 4 as const, 5 as const);
const anyId = fc.integer({ min: 1, max: 0xffff });
const anyFilter = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((text) => !text.includes("\0"));
const anyRequest = fc.record({
  topic: anyFilter,
  qos: fc.constantFrom<Qos>(0, 1, 2),
  nl: fc.boolean(),
  rap: fc.boolean(),
  rh: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
});
const anySubscribe = fc.record({
  messageId: anyId,
  subscriptionIdentifier: fc.option(fc.integer({ min: 1, max: 268_435_455 }), { nil: undefined }),
  subscriptions: fc.array(anyRequest, { minLength: 1, maxLength: 5 }),
});

/** Where the body of a whole packet begins. */
function bodyAt(packet: Uint8Array): number {
  const reader = new PacketReader(packet, 1, packet.length);
  reader.variableInteger();
  return reader.at;
}

function parsed(level: number, bytes: Uint8Array): readonly Packet[] {
  const found: Packet[] = [];
  const one = parser({ protocolVersion: level });
  one.on("packet", (packet) => void found.push(packet));
  one.parse(Buffer.from(bytes));
  return found;
}

test("SUBSCRIBE of mqtt-packet is read as it was meant; an older one has no options", () => {
  fc.assert(
    fc.property(anyLevel, anySubscribe, (level, { messageId, subscriptions, subscriptionIdentifier }) => {
      const hasId = level === 5 && subscriptionIdentifier !== undefined;
      const older = subscriptions.map(({ topic, qos }) => ({ topic, qos }));
      const bytes = generate(
        {
          cmd: "subscribe",
          messageId,
          subscriptions: level === 5 ? subscriptions : older,
          ...(hasId && { properties: { subscriptionIdentifier } }),
        },
        { protocolVersion: level },
      );
      const packet = readSubscribe(bytes, bodyAt(bytes), bytes.length, level);
      expect(packet).toEqual({
        packetId: messageId,
        subscriptionId: hasId ? subscriptionIdentifier : 0,
        requests: subscriptions.map(({ topic, qos, nl, rap, rh }) => ({
          filter: topic,
          qos,
          noLocal: level === 5 && nl,
          retainAsPublished: level === 5 && rap,
          retainHandling: level === 5 ? rh : 0,
        })),
      });
    }),
    { numRuns: 200 },
  );
});

test("UNSUBSCRIBE of mqtt-packet is read as it was meant", () => {
  fc.assert(
    fc.property(anyLevel, anyId, fc.array(anyFilter, { minLength: 1, maxLength: 5 }), (level, messageId, filters) => {
      const bytes = generate({ cmd: "unsubscribe", messageId, unsubscriptions: filters }, { protocolVersion: level });
      expect(readUnsubscribe(bytes, bodyAt(bytes), bytes.length, level)).toEqual({ packetId: messageId, filters });
    }),
  );
});

test("no filter, identifier 0 and reserved bits are errors [MQTT-3.8.3-2] [MQTT-3.8.3-4] [MQTT-3.10.3-2] [MQTT-2.2.1-3]", () => {
  const table: readonly (readonly [readonly number[], 4 | 5, number])[] = [
    [[0, 1], 4, reason.protocolError],
    [[0, 0, 0, 1, 0x61, 0], 4, reason.protocolError],
    [[0, 1, 0, 1, 0x61, 3], 4, reason.malformedPacket],
    [[0, 1, 0, 1, 0x61, 4], 4, reason.malformedPacket],
    [[0, 1, 0, 1, 0x61], 4, reason.malformedPacket],
    [[0, 1, 0, 9, 0x61, 0], 4, reason.malformedPacket],
    [[0, 1, 0, 0, 1, 0x61, 0x40], 5, reason.malformedPacket],
    [[0, 1, 0, 0, 1, 0x61, 0x30], 5, reason.protocolError],
    [[0, 1, 2, 0x0b, 0, 0, 1, 0x61, 0], 5, reason.protocolError],
    [[0, 1], 5, reason.malformedPacket],
  ];
  for (const [body, level, reasonCode] of table) {
    const bytes = Uint8Array.from(body);
    expect(() => readSubscribe(bytes, 0, bytes.length, level), String(body)).toThrow(
      expect.objectContaining({ reasonCode }),
    );
  }
  for (const body of [
    [0, 1],
    [0, 0, 0, 1, 0x61],
    [0, 1, 0, 2, 0x61],
  ]) {
    const bytes = Uint8Array.from(body);
    expect(() => readUnsubscribe(bytes, 0, bytes.length, 4)).toThrow(MqttProtocolError);
  }
});

test("SUBACK and UNSUBACK are read by mqtt-packet as they were meant", () => {
  const codes = [0, 1, 2, 0x80];
  expect(parsed(4, encodeSuback(4, 300, codes, {}))).toMatchObject([{ cmd: "suback", messageId: 300, granted: codes }]);
  expect(parsed(5, encodeSuback(5, 300, codes, { reasonString: "no" }))).toMatchObject([
    { cmd: "suback", messageId: 300, granted: codes, properties: { reasonString: "no" } },
  ]);
  expect(parsed(5, encodeUnsuback(5, 7, [0, 0x11], {}))).toMatchObject([
    { cmd: "unsuback", messageId: 7, granted: [0, 0x11] },
  ]);
  expect([...encodeUnsuback(4, 7, [0, 0x11], {})]).toEqual([0xb0, 2, 0, 7]);
});

test("as many filters as a packet holds are read in one go", () => {
  const one = [0, 1, 0x61, 0];
  const bytes = Uint8Array.from([0, 1, ...Array.from({ length: 50_000 }, () => one).flat()]);
  expect(readSubscribe(bytes, 0, bytes.length, 4).requests).toHaveLength(50_000);
});
