// Whatever bytes arrive, the decoders answer with packets or with a protocol error, and keep no more than has come.
import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import type { ProtocolLevel } from "#shared/mqtt/connect-packet.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { bytesOf, corpus } from "./corpus.ts";
import { decodeStream, type Decoded } from "./decode-stream.ts";
import { anyDamage, anyPacket, damaged, encode } from "./valid-packets.ts";

const levels = [3, 4, 5] as const;
const anyLevel = fc.constantFrom<ProtocolLevel>(...levels);
const packetBytesMax = 4_096;

/** Undefined: a protocol error. Any other error goes through. */
function tried(pieces: readonly Uint8Array[], level: ProtocolLevel, bytesMax = packetBytesMax): Decoded | undefined {
  try {
    const decoded = decodeStream(pieces, level, bytesMax);
    const arrived = pieces.reduce((sum, { length }) => sum + length, 0);
    expect(decoded.keptMax).toBeLessThanOrEqual(Math.min(arrived, bytesMax));
    return decoded;
  } catch (error) {
    if (!(error instanceof MqttProtocolError)) throw error;
    expect(error.reasonCode).toBeGreaterThanOrEqual(0x80);
    return undefined;
  }
}

function cut(bytes: Uint8Array, size: number): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.slice(at * size, (at + 1) * size));
}

test("arbitrary bytes are packets or a protocol error, however they are cut [B3]", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), anyLevel, fc.integer({ min: 1, max: 300 }), (bytes, level, size) => {
      const whole = tried([bytes], level);
      const inPieces = tried(cut(bytes, size), level);
      expect(inPieces?.packets).toBe(whole?.packets);
    }),
    { numRuns: 3_000 },
  );
});

test("packets that were spoiled are packets or a protocol error [B3]", () => {
  fc.assert(
    fc.property(
      fc.array(anyPacket, { maxLength: 6 }),
      anyDamage,
      anyLevel,
      fc.integer({ min: 1, max: 50 }),
      (packets, damage, level, size) => {
        const bytes = damaged(Buffer.concat(packets.map((packet) => encode(packet, level))), damage);
        const decoded = tried(cut(bytes, size), level);
        if (damage.length === 0) expect(decoded?.packets).toBe(packets.length);
      },
    ),
    { numRuns: 3_000 },
  );
});

test("a first byte and any short body are a packet or a protocol error [B3]", () => {
  const anyBody = fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    fc.array(fc.constantFrom(0, 1, 2, 4, 0x0b, 0x21, 0x23, 0x26, 0x61, 0x7f, 0x80, 0xff), { maxLength: 12 }),
  );
  fc.assert(
    fc.property(fc.nat(255), anyBody, anyLevel, (firstByte, body, level) => {
      tried([Uint8Array.from([firstByte, body.length, ...body])], level);
    }),
    { numRuns: 5_000 },
  );
  expect(tried([Uint8Array.of(0xc0, 0)], 4)?.packets).toBe(1);
});

test.each(corpus)("$what", (entry) => {
  for (const level of levels) {
    for (const size of [1, 1_000]) tried(cut(bytesOf(entry), size), level, limits.packetBytes);
  }
  expect(entry.hex).toMatch(/^([0-9a-f]{2})+$/);
});

test("as many properties and filters as fit into a packet are read in a moment", () => {
  const many = (one: readonly number[], head: readonly number[], times: number) =>
    Uint8Array.from([...head, ...Array.from({ length: times }, () => one).flat()]);
  const packet = (firstByte: number, body: Uint8Array) => {
    const { length } = body;
    const header = [firstByte, (length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14];
    return Uint8Array.from([...header, ...body]);
  };
  const userProperties = 150_000;
  const bytes = userProperties * 5;
  const lengthOf = [(bytes & 0x7f) | 0x80, ((bytes >> 7) & 0x7f) | 0x80, bytes >> 14];
  const properties = many([0x26, 0, 0, 0, 0], lengthOf, userProperties);
  const streams = [
    packet(0x30, Uint8Array.from([0, 1, 0x61, ...properties])),
    packet(0xe0, Uint8Array.from([0, ...properties])),
    packet(0x82, many([0, 1, 0x61, 0], [0, 1, 0], 250_000)),
  ];
  for (const stream of streams) expect(tried([stream], 5, limits.packetBytes)?.packets).toBe(1);
});
