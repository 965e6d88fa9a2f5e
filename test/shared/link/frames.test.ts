import fc from "fast-check";
import { expect, test } from "vitest";
import { segmentFlags } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";
import {
  decodeAck,
  decodeBatch,
  decodeDeparture,
  encodeAck,
  encodeBatch,
  encodeDeparture,
  wireBytes,
  type Ack,
  type Batch,
  type WireSegment,
} from "#shared/link/frames.ts";

const name = fc.constantFrom("device-1", "device-2", "fog-1");
const epoch = fc.integer({ min: 1, max: 0xffff_ffff });
const streamId = fc.integer({ min: 1, max: 64 });
const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 2_000 });
const lane = fc.constantFrom("control" as const, "bulk" as const);

const dataSegment: fc.Arbitrary<WireSegment> = fc.record({
  origin: name,
  epoch,
  streamId,
  first: number,
  items: fc.integer({ min: 1, max: 1000 }),
  firstMs: fc.nat(),
  lastMs: fc.nat(),
  flags: fc.constantFrom(
    0,
    segmentFlags.final,
    segmentFlags.maybeDuplicate,
    segmentFlags.deflate,
    segmentFlags.historical,
  ),
  crc: fc.integer({ min: 0, max: 0xffff_ffff }),
  body: fc.uint8Array({ maxLength: 300 }),
  gap: fc.constant(undefined),
});
const gapSegment: fc.Arbitrary<WireSegment> = fc
  .tuple(dataSegment, fc.integer({ min: 1, max: 5 }), fc.nat())
  .map(([segment, reasonCode, bytes]) => ({
    ...segment,
    flags: segmentFlags.gap,
    body: null,
    gap: { reasonCode, bytes: Math.min(bytes, segment.items * limits.bodyBytes) },
  }));
const batch: fc.Arbitrary<Batch> = fc.record({
  session: epoch,
  lane,
  frameNumber: number,
  streams: fc.array(
    fc.record({
      origin: name,
      epoch,
      streamId,
      name: fc.constantFrom("data", "alarms"),
      priority: fc.constantFrom(0, 1, 2, 3),
      class: fc.constantFrom("custody" as const, "final" as const),
      order: fc.constantFrom("strict", "live-first"),
      policy: fc.constantFrom("oldest", "newest", "decimate", "ttl"),
      high: number,
    }),
    // Also more than find room around the segments.
    { maxLength: 20 },
  ),
  lows: fc.array(fc.record({ epoch, streamId, low: number }), { maxLength: 30 }),
  segments: fc.array(fc.oneof(dataSegment, gapSegment), { maxLength: 5 }),
});

function plain(frame: Batch): Batch {
  return {
    ...frame,
    segments: frame.segments.map((segment) => ({
      ...segment,
      body: segment.body === null ? null : Uint8Array.from(segment.body),
    })),
  };
}

test("a batch survives the wire, whoever sends it", () => {
  fc.assert(
    fc.property(batch, name, (sent, sender) => {
      const decoded = decodeBatch(encodeBatch(sent, sender), sender);
      expect("frame" in decoded && plain(decoded.frame)).toEqual(sent);
    }),
  );
});

test("of the bytes that a gap tells no more are read than its messages can have had", () => {
  const told = (items: number, bytes: number) => {
    const place = { origin: "device-1", epoch: 1, streamId: 1, first: 1, items, firstMs: 1, lastMs: 1, crc: 0 };
    const gap: WireSegment = { ...place, flags: segmentFlags.gap, body: null, gap: { reasonCode: 1, bytes } };
    const head = { session: 1, lane: "bulk", frameNumber: 1, streams: [], lows: [] } as const;
    const decoded = decodeBatch(encodeBatch({ ...head, segments: [gap] }, "device-1"), "device-1");
    return "frame" in decoded ? decoded.frame.segments[0]?.gap?.bytes : decoded.malformed;
  };
  const most = Number.MAX_SAFE_INTEGER;
  expect(told(3, 3 * limits.bodyBytes)).toBe(3 * limits.bodyBytes);
  expect(told(3, 3 * limits.bodyBytes + 1)).toBe(3 * limits.bodyBytes);
  expect(told(1, most)).toBe(limits.bodyBytes);
  expect(told(most - 1, most)).toBe(most);
});

test("an acknowledgement survives the wire", () => {
  const plainAck = fc.record({
    session: epoch,
    lane,
    frameNumber: number,
    creditBytes: fc.nat(),
    acked: fc.array(
      fc.record({ origin: name, epoch, streamId, ranges: fc.constant([[1, 5] as const, [9, 2 ** 40] as const]) }),
      { maxLength: 3 },
    ),
    naks: fc.array(
      fc.record({
        origin: name,
        epoch,
        streamId,
        first: number,
        code: fc.constantFrom("corrupt" as const, "no-room" as const, "not-below" as const),
      }),
      { maxLength: 2 },
    ),
  });
  const ack: fc.Arbitrary<Ack> = fc.oneof(
    plainAck,
    plainAck.map((frame) => ({ ...frame, creditBytes: 0, urgentCreditBytes: 70_000 })),
  );
  fc.assert(
    fc.property(ack, name, (sent, child) => {
      expect(decodeAck(encodeAck(sent, child), child)).toEqual({ frame: sent });
      const marks = sent.acked.map((held) => ({
        origin: child,
        epoch: held.epoch,
        streamId: held.streamId,
        fin: 2 ** 40,
      }));
      expect(decodeAck(encodeAck({ ...sent, marks }, child), child)).toEqual({ frame: { ...sent, marks } });
    }),
  );
});

test("a departure survives the wire, on purpose or not", () => {
  for (const onPurpose of [true, false]) {
    const departure = { name: "device-1", conn: 7, onPurpose };
    expect(decodeDeparture(encodeDeparture(departure))).toEqual({ frame: departure });
  }
});

test("random bytes, and any cut or flipped byte of a real frame, are malformed or another frame, never a throw", () => {
  const check = (bytes: Uint8Array): void => {
    for (const decode of [decodeBatch, decodeAck]) {
      const decoded = decode(bytes, "device-1");
      expect("frame" in decoded || typeof decoded.malformed === "string").toBe(true);
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), check));
  fc.assert(
    fc.property(batch, fc.nat(), fc.nat({ max: 255 }), (sent, place, value) => {
      const bytes = Uint8Array.from(encodeBatch(sent, "device-1"));
      check(bytes.subarray(0, place % (bytes.length + 1)));
      bytes[place % bytes.length] = value;
      check(bytes);
    }),
  );
});

test("numbers beyond 2^53, and a segment that reaches there, are malformed", () => {
  const segment: WireSegment = {
    origin: "a",
    epoch: 1,
    streamId: 1,
    first: Number.MAX_SAFE_INTEGER,
    items: 2,
    firstMs: 0,
    lastMs: 0,
    flags: 0,
    crc: 0,
    body: new Uint8Array(1),
    gap: undefined,
  };
  const frame = { session: 1, lane: "bulk" as const, frameNumber: 1, streams: [], lows: [], segments: [segment] };
  expect(decodeBatch(encodeBatch(frame, "a"), "a")).toEqual({ malformed: "segment numbers out of range" });
  expect(wireBytes(segment)).toBeGreaterThan(1);
});
