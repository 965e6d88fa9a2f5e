import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeCborSequence } from "#shared/cbor.ts";
import {
  decodeSegment,
  encodeSegment,
  lossReasonCodes,
  lossReasonOf,
  SegmentBuilder,
  type Item,
  type LossReason,
} from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";

const topic = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 120 }),
  fc.constantFrom("/data/x", "é".repeat(90), "x".repeat(23), "x".repeat(24), "x".repeat(255), "x".repeat(256)),
);
const item: fc.Arbitrary<Item> = fc.record({
  timeMs: fc.nat({ max: 4_102_444_800_000 }),
  topic,
  payload: fc.uint8Array({ maxLength: 400 }),
  retain: fc.boolean(),
});

test("a body decodes to the items it was built of", () => {
  fc.assert(
    fc.property(fc.array(item, { minLength: 1, maxLength: 40 }), (items) => {
      const decoded = decodeSegment(encodeSegment(items), items.length);
      expect(decoded?.map(({ payload, ...rest }) => ({ ...rest, payload: Uint8Array.from(payload) }))).toEqual(items);
    }),
  );
});

test("a body is a CBOR sequence of arrays that any decoder reads", () => {
  const body = encodeSegment([
    { timeMs: 1_790_000_000_000, topic: "/data/a", payload: new Uint8Array(70_000).fill(7), retain: false },
    { timeMs: 1_790_000_000_001, topic: "/data/b", payload: new Uint8Array(0), retain: true },
  ]);
  const values = decodeCborSequence(body);
  expect(values).toHaveLength(2);
  expect(values?.[1]).toEqual([1_790_000_000_001, "/data/b", new Uint8Array(0), 1]);
});

test("another number of items than promised is no segment, and neither are random bytes", () => {
  const body = encodeSegment([{ timeMs: 1, topic: "t", payload: new Uint8Array(3), retain: false }]);
  expect(decodeSegment(body, 2)).toBeUndefined();
  expect(decodeSegment(body.subarray(0, body.length - 1), 1)).toBeUndefined();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 5 }), (bytes, items) => {
      const decoded = decodeSegment(bytes, items);
      expect(decoded === undefined || decoded.length === items).toBe(true);
    }),
  );
});

test("a builder is full at its bounds, but takes any first item", () => {
  const builder = new SegmentBuilder();
  expect(builder.hasRoomFor("t", limits.journalPayloadBytes)).toBe(true);
  builder.add({ timeMs: 5, topic: "t", payload: new Uint8Array(limits.journalPayloadBytes), retain: false });
  expect(builder.hasRoomFor("t", 0)).toBe(false);
  const many = new SegmentBuilder();
  for (let index = 0; index < limits.segmentItems; index++) {
    expect(many.hasRoomFor("t", 1)).toBe(true);
    many.add({ timeMs: index, topic: "t", payload: new Uint8Array(1), retain: false });
  }
  expect(many.hasRoomFor("t", 1)).toBe(false);
  expect(many.finish()).toMatchObject({ items: limits.segmentItems, firstMs: 0, lastMs: limits.segmentItems - 1 });
});

test("reasons of loss have codes of their own, and an unknown code reads as presumed lost", () => {
  for (const [reason, code] of Object.entries(lossReasonCodes)) expect(lossReasonOf(code)).toBe(reason as LossReason);
  expect(lossReasonOf(99)).toBe("presumed-lost");
});
