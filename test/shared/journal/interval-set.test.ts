import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addInterval,
  contiguousEnd,
  countIntervals,
  coversInterval,
  emptyIntervals,
  highestOf,
  missingFrom,
  parseIntervals,
  removeInterval,
  unionOf,
  type Interval,
  type IntervalSet,
} from "#shared/journal/interval-set.ts";

const size = 60;
const range = fc
  .tuple(fc.integer({ min: 1, max: size }), fc.integer({ min: 0, max: 12 }))
  .map(([first, length]): Interval => [first, Math.min(size, first + length)]);

/** The same set as plain numbers. */
function membersOf(ranges: readonly Interval[]): Set<number> {
  const members = new Set<number>();
  for (const [first, last] of ranges) for (let number = first; number <= last; number++) members.add(number);
  return members;
}

function build(ranges: readonly Interval[]): IntervalSet {
  return ranges.reduce((set, [first, last]) => addInterval(set, first, last), emptyIntervals);
}

test("[O6] adding ranges in any order gives the same members, sorted, disjoint and never adjacent", () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 30 }), (ranges) => {
      const set = build(ranges);
      expect([...membersOf(set)]).toEqual([...membersOf(ranges)].toSorted((a, b) => a - b));
      set.forEach(([first, last], index) => {
        expect(first).toBeLessThanOrEqual(last);
        const before = set[index - 1];
        if (before !== undefined) expect(before[1] + 1).toBeLessThan(first);
      });
      expect(parseIntervals(set, size)).toEqual(set);
    }),
  );
});

test("the union of ranges is what adding them one by one makes", () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 30 }), (ranges) => {
      expect(unionOf(ranges)).toEqual(build(ranges));
    }),
  );
});

test("counting, covering, missing and the ends agree with a set of numbers", () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 20 }), range, (ranges, [first, last]) => {
      const set = build(ranges);
      const members = membersOf(ranges);
      const asked = [...membersOf([[first, last]])];
      expect(countIntervals(set)).toBe(members.size);
      expect(coversInterval(set, first, last)).toBe(asked.every((number) => members.has(number)));
      expect([...membersOf(missingFrom(set, first, last))]).toEqual(asked.filter((number) => !members.has(number)));
      expect(highestOf(set)).toBe(Math.max(0, ...members));
      let end = 0;
      while (members.has(end + 1)) end++;
      expect(contiguousEnd(set)).toBe(end);
    }),
  );
});

test.each([
  ["not a list", 7],
  ["not pairs", [[1]]],
  ["from zero", [[0, 3]]],
  ["backwards", [[5, 3]]],
  [
    "adjacent",
    [
      [1, 2],
      [3, 4],
    ],
  ],
  [
    "overlapping",
    [
      [1, 5],
      [4, 9],
    ],
  ],
  [
    "unsorted",
    [
      [7, 9],
      [1, 2],
    ],
  ],
  ["fractions", [[1.5, 2]]],
  [
    "too many",
    [
      [1, 1],
      [3, 3],
      [5, 5],
    ],
  ],
])("ranges of a peer that are %s are refused", (_what, value) => {
  expect(parseIntervals(value, 2)).toBeUndefined();
});

test("taking out a range leaves just the other numbers, in a well-formed set", () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), range, (ranges, [first, last]) => {
      const left = removeInterval(build(ranges), first, last);
      const expected = membersOf(ranges);
      for (let number = first; number <= last; number++) expected.delete(number);
      expect(membersOf(left)).toEqual(expected);
      expect(parseIntervals(left, size)).toEqual(left);
    }),
  );
});
