// What a salvaged journal says about its losses: numbers that were stored here and can no longer be read are named as corrupt, in gaps
// that travel up like any others. A parent that has some of them already keeps what it has.
import {
  countIntervals,
  highestOf,
  type Interval,
  type IntervalSet,
  missingFrom,
} from "#shared/journal/interval-set.ts";

/** A row of the ledger as it was, or as far as it can be told from what is left. */
export interface LedgerBefore {
  /** Numbers that had been committed here. */
  readonly ranges: IntervalSet;
  readonly high: number;
  /** Undefined: nobody knows. */
  readonly delivered: number | undefined;
  readonly lost: number;
}

export interface Salvaged {
  /** Numbers of readable segments. */
  readonly held: IntervalSet;
  /** Numbers that gap rows name. */
  readonly gaps: IntervalSet;
  /** Numbers at which segments began that are not readable; undefined: nobody knows whether these are all. */
  readonly lostFirsts: readonly number[] | undefined;
  /** Messages of the longest segment. */
  readonly itemsMax: number;
  /** Some of what is held may have been delivered before: then the sums do not tell what is lost. */
  readonly mayBeStale: boolean;
}

export interface LedgerAfter extends LedgerBefore {
  readonly delivered: number;
  /** Ranges to be named as lost: at least what is lost, and no number that is readable or named already. */
  readonly named: IntervalSet;
  /** How many of those are lost; the others were delivered, and nobody knows which. */
  readonly newlyLost: number;
}

/** The row that balances: delivered + lost + held + missing = high. */
export function settleLedger(before: LedgerBefore, salvaged: Salvaged): LedgerAfter {
  const ranges = unionOf([...before.ranges, ...salvaged.held, ...salvaged.gaps]);
  const candidates = without(ranges, unionOf([...salvaged.held, ...salvaged.gaps]));
  const within = withinLost(candidates, salvaged);
  const rest = countIntervals(ranges) - countIntervals(salvaged.held);
  const knownLost = countIntervals(without(salvaged.gaps, salvaged.held));
  const lostBefore = Math.min(Math.max(before.lost, knownLost), rest);
  const open = rest - lostBefore; // delivered, or lost now
  const lostBySums = before.delivered === undefined ? 0 : open - Math.min(before.delivered, open);
  const isBySums = before.delivered !== undefined && !salvaged.mayBeStale;
  const newlyLost = isBySums ? lostBySums : Math.max(lostBySums, Math.min(countIntervals(within), open));
  const delivered = open - newlyLost;
  const unnamed = lostBefore - knownLost + newlyLost;
  const named = unnamed === 0 ? [] : countIntervals(within) >= unnamed ? within : candidates;
  const high = Math.max(before.high, highestOf(ranges));
  return { ranges, high, delivered, lost: lostBefore + newlyLost, named, newlyLost };
}

/** Of the candidates those that may have been in segments which were there and are not readable. */
function withinLost(candidates: IntervalSet, { lostFirsts, itemsMax }: Salvaged): IntervalSet {
  if (lostFirsts === undefined) return candidates;
  const firsts = lostFirsts.toSorted((a, b) => a - b);
  const within: Interval[] = [];
  let at = 0;
  for (const [low, last] of candidates) {
    while (at < firsts.length && (firsts[at] ?? 0) < low) at++;
    for (; at < firsts.length && (firsts[at] ?? 0) <= last; at++) {
      const first = firsts[at] ?? 0;
      const next = firsts[at + 1] ?? Infinity;
      within.push([first, Math.min(last, next - 1, first + itemsMax - 1)]);
    }
  }
  return unionOf(within);
}

/** The numbers of `set` that are not in `other`. */
export function without(set: IntervalSet, other: IntervalSet): IntervalSet {
  return set.flatMap(([first, last]) => missingFrom(other, first, last));
}

/** The numbers of `set` that are in `other` too. */
export function common(set: IntervalSet, other: IntervalSet): IntervalSet {
  return without(set, without(set, other));
}

/** All numbers of these ranges, in any order, as a set. */
export function unionOf(ranges: readonly Interval[]): IntervalSet {
  const result: [first: number, last: number][] = [];
  for (const [first, last] of ranges.toSorted(([a], [b]) => a - b)) {
    const newest = result.at(-1);
    if (newest === undefined || newest[1] + 1 < first) result.push([first, last]);
    else newest[1] = Math.max(newest[1], last);
  }
  return result;
}
