import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addInterval,
  countIntervals,
  coversInterval,
  highestOf,
  type IntervalSet,
} from "#shared/journal/interval-set.ts";
import { closeEpoch } from "#shared/journal/renumbering.ts";
import { limits } from "#shared/limits.ts";

function setOf(numbers: readonly number[]): IntervalSet {
  return numbers.reduce<IntervalSet>((set, number) => addInterval(set, number, number), []);
}

test("an older copy: what the parent has beyond it is delivered, the holes there are presumed lost", () => {
  const held: IntervalSet = [
    [1, 5],
    [18, 20],
  ];
  expect(closeEpoch([[1, 8]], held, false)).toEqual({ ranges: [[1, 20]], delivered: 3, presumedLost: [[9, 17]] });
});

test("[O3] up to the highest number of either side each number is accounted for, in one way", () => {
  const someNumbers = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 });
  fc.assert(
    fc.property(fc.nat(40), someNumbers, (high, heldNumbers) => {
      const given: IntervalSet = high === 0 ? [] : [[1, high]];
      const held = setOf(heldNumbers);
      const { ranges, delivered, presumedLost } = closeEpoch(given, held, false);
      const top = Math.max(high, highestOf(held));
      expect(countIntervals(ranges)).toBe(top);
      expect(high + delivered + countIntervals(presumedLost)).toBe(top);
      for (const [first, last] of presumedLost) {
        for (let number = first; number <= last; number++) {
          expect(coversInterval(given, number, number) || coversInterval(held, number, number)).toBe(false);
        }
      }
    }),
  );
});

test("where the parent left lower ranges out, nothing below them is presumed lost", () => {
  const held = setOf(Array.from({ length: limits.rangesOnWire }, (_, index) => 101 + 2 * index));
  const { presumedLost } = closeEpoch([[1, 10]], held, true);
  expect(presumedLost[0]).toEqual([102, 102]);
});
