import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeCbor } from "#shared/cbor.ts";
import { scanBody, SegmentReader } from "#shared/journal/segment-reader.ts";
import { decodeSegment, encodeSegment, type Item } from "#shared/journal/segment.ts";

const anyItem: fc.Arbitrary<Item> = fc.record({
  timeMs: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 8_640_000_000_000_000 })),
  topic: fc.oneof(fc.constantFrom("/data/a", "/data/b", "/data/ab"), fc.string({ unit: "grapheme", maxLength: 300 })),
  payload: fc.uint8Array({ maxLength: 300 }),
  retain: fc.boolean(),
});

function read(body: Uint8Array): { readonly items: readonly Item[]; readonly isWhole: boolean } {
  const reader = new SegmentReader(body);
  const items: Item[] = [];
  while (reader.next()) {
    items.push({ timeMs: reader.timeMs, topic: reader.topic(), payload: reader.payload(), retain: reader.retain });
  }
  return { items, isWhole: reader.isWhole };
}

test("reads what the decoder reads", () => {
  fc.assert(
    fc.property(fc.array(anyItem, { minLength: 1, maxLength: 30 }), (items) => {
      const body = encodeSegment(items);
      expect(read(body)).toEqual({ items: decodeSegment(body, items.length), isWhole: true });
      const shifted = new Uint8Array(body.length + 7);
      shifted.set(body, 5);
      expect(read(shifted.subarray(5, 5 + body.length)).items).toEqual(items);
    }),
  );
});

test("finds the topics and the bounds of the times, in any encoding, and takes nothing for a body that is none", () => {
  fc.assert(
    fc.property(fc.array(anyItem, { minLength: 1, maxLength: 10 }), (items) => {
      const times = items.map(({ timeMs }) => timeMs);
      const expected = {
        topics: new Set(items.map(({ topic }) => topic)),
        minMs: Math.min(...times),
        maxMs: Math.max(...times),
      };
      const own = encodeSegment(items);
      expect(scanBody(own, items.length)).toMatchObject({ body: own, ...expected });
      const foreign = items.flatMap(({ timeMs, topic, payload }) => [...encodeCbor([timeMs, topic, payload])]);
      expect(scanBody(new Uint8Array(foreign), items.length)).toMatchObject(expected);
      expect(scanBody(own, items.length + 1)).toBeUndefined();
      expect(scanBody(own.subarray(0, -1), items.length)).toBeUndefined();
      expect(scanBody(new Uint8Array(), 0)).toBeUndefined();
    }),
  );
});

test("never reads beyond a body of garbage, and agrees with the decoder on what is one", () => {
  const anyBody = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .tuple(fc.array(anyItem, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat({ max: 255 }))
      .map(([items, at, value]) => {
        const body = encodeSegment(items);
        body[at % body.length] = value;
        return body;
      }),
  );
  fc.assert(
    fc.property(anyBody, fc.integer({ min: 1, max: 3 }), (body, items) => {
      const scan = scanBody(body, items);
      const decoded = decodeSegment(body, items);
      expect(scan === undefined).toBe(decoded === undefined);
      if (scan !== undefined)
        expect(read(scan.body).items.map(({ payload }) => payload)).toEqual(decoded?.map(({ payload }) => payload));
    }),
    { numRuns: 500 },
  );
});
