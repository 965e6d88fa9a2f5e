import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeCbor } from "#shared/cbor.ts";
import { decodeSegment, encodeSegment } from "#shared/journal/segment.ts";
import { shiftedTime, shiftTimes } from "#shared/journal/shift-times.ts";

const item = fc.record({
  timeMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
  topic: fc.string({ minLength: 1, maxLength: 400, unit: "grapheme" }),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.uint8Array({ minLength: 250, maxLength: 260 }),
    fc.integer({ min: 65_530, max: 65_540 }).map((length) => new Uint8Array(length)),
  ),
  retain: fc.boolean(),
});
const shift = fc.integer({ min: -2_000_000_000_000, max: 2_000_000_000_000 });

test("moving the times of a body is the same as decoding it, moving them and encoding it", () => {
  fc.assert(
    fc.property(fc.array(item, { minLength: 1, maxLength: 12 }), shift, (items, shiftMs) => {
      const body = encodeSegment(items);
      const before = body.slice();
      const expected = items.map((each) => ({ ...each, timeMs: shiftedTime(each.timeMs, shiftMs) }));
      expect(shiftTimes(body, items.length, shiftMs)).toEqual(encodeSegment(expected));
      expect(body).toEqual(before);
    }),
  );
});

test("a body that another program encoded is moved all the same", () => {
  const body = encodeCbor([5, "/data/x", Uint8Array.of(7)]);
  const moved = shiftTimes(body, 1, 1000);
  expect(moved && decodeSegment(moved, 1)).toMatchObject([{ timeMs: 1005, topic: "/data/x" }]);
});

test("what is no body of so many items is not touched, however it is cut or changed", () => {
  fc.assert(
    fc.property(
      fc.array(item, { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.nat({ max: 255 }),
      (items, place, byte) => {
        const body = encodeSegment(items);
        expect(shiftTimes(body, items.length + 1, 5)).toBeUndefined();
        expect(shiftTimes(body.subarray(0, place % body.length), items.length, 5)).toBeUndefined();
        const damaged = body.slice();
        damaged[place % body.length] = byte;
        const still = decodeSegment(damaged, items.length);
        const moved = shiftTimes(damaged, items.length, 5);
        if (still === undefined) return;
        const expected = still.map((each) => ({ ...each, timeMs: shiftedTime(each.timeMs, 5) }));
        expect(moved && decodeSegment(moved, items.length)).toEqual(expected);
      },
    ),
  );
});
