// A set of positive integers as sorted, disjoint, non-adjacent closed ranges: which numbers of a stream a node has.
// [O6] keeps it short; every operation is linear in the number of ranges.

/** First and last number, both included. */
export type Interval = readonly [first: number, last: number];
export type IntervalSet = readonly Interval[];

export const emptyIntervals: IntervalSet = [];

/** The set with first…last added. */
export function addInterval(set: IntervalSet, first: number, last: number): IntervalSet {
  const result: Interval[] = [];
  let low = first;
  let high = last;
  let placed = false;
  for (const range of set) {
    if (range[1] + 1 < low) {
      result.push(range);
    } else if (high + 1 < range[0]) {
      if (!placed) {
        result.push([low, high]);
        placed = true;
      }
      result.push(range);
    } else {
      low = Math.min(low, range[0]);
      high = Math.max(high, range[1]);
    }
  }
  if (!placed) result.push([low, high]);
  return result;
}

/** Everything that is in any of these, which may overlap and stand in any order: where there are many, cheaper than to add one by one. */
export function unionOf(ranges: readonly Interval[]): IntervalSet {
  const result: [first: number, last: number][] = [];
  for (const [first, last] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const before = result.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else result.push([first, last]);
  }
  return result;
}

/** The set without first…last. */
export function removeInterval(set: IntervalSet, first: number, last: number): IntervalSet {
  const result: Interval[] = [];
  for (const range of set) {
    if (range[1] < first || range[0] > last) {
      result.push(range);
      continue;
    }
    if (range[0] < first) result.push([range[0], first - 1]);
    if (range[1] > last) result.push([last + 1, range[1]]);
  }
  return result;
}

/** The parts of first…last that are not in the set. */
export function missingFrom(set: IntervalSet, first: number, last: number): IntervalSet {
  const result: Interval[] = [];
  let next = first;
  for (const [low, high] of set) {
    if (high < next) continue;
    if (low > last) break;
    if (low > next) result.push([next, low - 1]);
    next = high + 1;
  }
  if (next <= last) result.push([next, last]);
  return result;
}

/** Whether all of first…last is in the set. */
export function coversInterval(set: IntervalSet, first: number, last: number): boolean {
  return set.some(([low, high]) => low <= first && last <= high);
}

/** How many numbers are in the set. */
export function countIntervals(set: IntervalSet): number {
  let count = 0;
  for (const [first, last] of set) count += last - first + 1;
  return count;
}

/** The largest number in the set, or 0. */
export function highestOf(set: IntervalSet): number {
  return set.at(-1)?.[1] ?? 0;
}

/** The largest n so that 1…n is in the set, or 0: how far a reader who needs order may read. */
export function contiguousEnd(set: IntervalSet): number {
  const head = set[0];
  return head !== undefined && head[0] === 1 ? head[1] : 0;
}

/** What a peer sent as ranges, checked: sorted, disjoint, non-adjacent safe integers from 1. Undefined when it is anything else. */
export function parseIntervals(value: unknown, rangesMax: number): IntervalSet | undefined {
  if (!Array.isArray(value) || value.length > rangesMax) return undefined;
  const result: Interval[] = [];
  let previous = -1;
  for (const range of value as readonly unknown[]) {
    if (!Array.isArray(range) || range.length !== 2) return undefined;
    const [first, last] = range as readonly unknown[];
    if (!isNumberOfStream(first) || !isNumberOfStream(last)) return undefined;
    if (first > last || first <= previous + 1) return undefined;
    result.push([first, last]);
    previous = last;
  }
  return result;
}

function isNumberOfStream(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}
