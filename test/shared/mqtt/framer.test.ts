import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { Framer } from "#shared/mqtt/framer.ts";
import { PacketWriter } from "#shared/mqtt/packet-writer.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";

interface Framed {
  readonly firstByte: number;
  readonly body: readonly number[];
}

const bytesMax = 1_000_000;
const anyBody = fc.oneof(
  fc.uint8Array({ maxLength: 5 }),
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(127, 128, 16_383, 16_384, 20_000).map((length) => new Uint8Array(length).fill(length & 0xff)),
);
const anyPacket = fc.tuple(fc.nat(255), anyBody);
const anyPackets = fc.array(anyPacket, { maxLength: 8 });

afterEach(() => void vi.unstubAllGlobals());

function encoded(firstByte: number, body: Uint8Array): Uint8Array {
  const writer = new PacketWriter();
  writer.raw(body);
  return writer.packet(firstByte);
}

function streamOf(packets: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  return Buffer.concat(packets.map(([firstByte, body]) => encoded(firstByte, body)));
}

function framedOf(packets: readonly (readonly [number, Uint8Array])[]): readonly Framed[] {
  return packets.map(([firstByte, body]) => ({ firstByte, body: [...body] }));
}

/** Keeps copies of what it gets, and stops after each packet that `stops` says. */
function collector(stops: (at: number) => boolean = () => false): { readonly framer: Framer; readonly got: Framed[] } {
  const got: Framed[] = [];
  const framer = new Framer(bytesMax, (bytes, firstByte, at, end) => {
    got.push({ firstByte, body: [...bytes.subarray(at, end)] });
    return !stops(got.length);
  });
  return { framer, got };
}

/** The bytes in pieces, cut at these places. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const places = cuts.map((cut) => (bytes.length === 0 ? 0 : cut % bytes.length)).toSorted((a, b) => a - b);
  return [0, ...places].map((from, index) => bytes.slice(from, places[index] ?? bytes.length));
}

test("any split of any sequence of packets gives the same packets", () => {
  fc.assert(
    fc.property(anyPackets, fc.array(fc.nat(), { maxLength: 12 }), (packets, cuts) => {
      const { framer, got } = collector();
      const stream = streamOf(packets);
      for (const piece of pieces(stream, cuts)) framer.take(piece);
      expect(got).toEqual(framedOf(packets));
      expect(framer.waitingBytes).toBe(0);
    }),
  );
});

test("packets come out one byte at a time, each with its last byte", () => {
  const packets = [0, 1, 127, 128, 300].map((length) => [0x30, new Uint8Array(length).fill(7)] as const);
  const { framer, got } = collector();
  const ends: number[] = [];
  const stream = streamOf(packets);
  stream.forEach((byte, at) => {
    const before = got.length;
    framer.take(Uint8Array.of(byte));
    if (got.length > before) ends.push(at + 1);
  });
  expect(got).toEqual(framedOf(packets));
  expect(ends).toEqual([2, 5, 134, 265, 568]);
});

test("a handler that stops gets the rest on resume, in order, and what comes later behind it", () => {
  fc.assert(
    fc.property(
      anyPackets,
      fc.array(fc.nat(), { maxLength: 6 }),
      fc.integer({ min: 1, max: 3 }),
      (packets, cuts, n) => {
        let isStopped = false;
        const { framer, got } = collector((at) => (isStopped = at % n === 0));
        for (const piece of pieces(streamOf(packets), cuts)) {
          framer.take(piece);
          while (isStopped) {
            isStopped = false;
            const before = got.length;
            framer.resume();
            expect(got.length - before).toBeLessThanOrEqual(n);
          }
        }
        expect(got).toEqual(framedOf(packets));
      },
    ),
  );
});

test("resume without anything kept does nothing, and also within a handler", () => {
  const got: number[] = [];
  const framer: Framer = new Framer(bytesMax, (_bytes, firstByte) => {
    framer.resume();
    got.push(firstByte);
    return true;
  });
  framer.resume();
  framer.take(Uint8Array.of(0xc0, 0, 0xd0, 0, 0xe0));
  framer.take(Uint8Array.of(0));
  expect(got).toEqual([0xc0, 0xd0, 0xe0]);
});

test("a packet beyond the limit is noticed by its header, and one of just that size is taken", () => {
  for (const [length, fits] of [
    [8, true],
    [9, false],
  ] as const) {
    const framer = new Framer(10, () => true);
    const header = encoded(0x30, new Uint8Array(length)).subarray(0, 2);
    if (fits) framer.take(header);
    else expect(() => framer.take(header)).toThrow(expect.objectContaining({ reasonCode: reason.packetTooLarge }));
  }
});

test("a remaining length has at most four bytes", () => {
  const framer = new Framer(2 ** 30, () => true);
  framer.take(Uint8Array.of(0x30, 0xff, 0xff, 0xff));
  expect(() => framer.take(Uint8Array.of(0x80))).toThrow(MqttProtocolError);
  const largest = new Framer(2 ** 30, () => true);
  largest.take(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0x7f));
  expect(largest.waitingBytes).toBe(5);
});

test("a padded remaining length is malformed where it is said to be [MQTT-1.5.5-1]", () => {
  for (const padded of [
    [0x30, 0x80, 0x00],
    [0x30, 0x82, 0x00, 0, 0],
    [0x30, 0x80, 0x80, 0x80, 0x00],
  ]) {
    const lax = collector();
    lax.framer.take(Uint8Array.from(padded));
    expect(lax.got).toHaveLength(1);
    const strict = new Framer(bytesMax, () => true);
    strict.isStrict = true;
    expect(() => strict.take(Uint8Array.from(padded))).toThrow(
      expect.objectContaining({ reasonCode: reason.malformedPacket }),
    );
  }
});

test("another first byte than the one wanted is noticed before the packet is complete [MQTT-3.1.0-1]", () => {
  const framer = new Framer(bytesMax, () => true);
  framer.mustBegin = 0x10;
  framer.take(Uint8Array.of(0x10, 50));
  const other = new Framer(bytesMax, () => true);
  other.mustBegin = 0x10;
  expect(() => other.take(Uint8Array.of(0x30, 50))).toThrow(
    expect.objectContaining({ reasonCode: reason.protocolError }),
  );
  expect(framer.waitingBytes).toBe(2);
});

test("a handler may change the limits for the packets behind its own", () => {
  const framer: Framer = new Framer(10, () => {
    framer.packetBytesMax = 100;
    framer.mustBegin = undefined;
    return true;
  });
  framer.mustBegin = 0x10;
  const stream = Buffer.concat([encoded(0x10, new Uint8Array(4)), encoded(0x30, new Uint8Array(90))]);
  expect(() => framer.take(stream)).not.toThrow();
});

test("what an unfinished packet takes is bounded by what has come of it, whatever length it promises [B2]", () => {
  let allocated = 0;
  class Measured extends Uint8Array<ArrayBuffer> {
    constructor(...parts: readonly unknown[]) {
      super(...(parts as unknown as [ArrayBuffer]));
      if (typeof parts[0] === "number") allocated = Math.max(allocated, parts[0]);
    }
  }
  const header = Uint8Array.of(0x30, 0xff, 0xff, 0x03); // promises 65 535 bytes
  const part = new Uint8Array(100);
  vi.stubGlobal("Uint8Array", Measured);
  const framer = new Framer(bytesMax, () => true);
  framer.take(header);
  let arrived = header.length;
  const excess: number[] = [];
  for (let at = 0; at < 600; at++) {
    framer.take(part);
    arrived += part.length;
    excess.push(allocated - Math.max(256, arrived * 2));
    if (framer.waitingBytes !== arrived) break;
  }
  vi.unstubAllGlobals();
  expect(allocated).toBeGreaterThan(0);
  expect(Math.max(...excess)).toBeLessThanOrEqual(0);
  expect(allocated).toBeLessThanOrEqual(65_539);
  expect(framer.waitingBytes).toBe(60_004);
});

test("the bytes of a chunk may be used again once it was taken", () => {
  const { framer, got } = collector();
  const chunk = Uint8Array.of(0x30, 3, 1);
  framer.take(chunk);
  chunk.fill(0xff);
  framer.take(Uint8Array.of(2, 3));
  expect(got).toEqual([{ firstByte: 0x30, body: [1, 2, 3] }]);
});
