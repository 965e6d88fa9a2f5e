// What a node knows about one stream of one origin, in numbers that always sum up:
// delivered + lost + held + missing = next - 1  [O3]
import { countIntervals, missingFrom, type IntervalSet } from "./interval-set.ts";
import type { LossReason } from "./segment.ts";

/** One row of the ledger. `delivered`, `lost`, `held` and `missing` are counted where they happen, not derived from each other. */
export interface LedgerRow {
  /** Name of the origin. */
  readonly origin: string;
  /** Epoch of the origin's database. */
  readonly epoch: number;
  /** Number of the stream at its origin, and its name there. */
  readonly streamId: number;
  readonly stream: string;
  /** Highest number known to be assigned at the origin, as of `heardAtMs`. */
  readonly high: number;
  /** Numbers that this node has committed, gaps included. */
  readonly ranges: IntervalSet;
  /** Lowest number that the origin, a child of this node, may still send here; 1 when it has not said. */
  readonly low: number;
  /** Handed on and confirmed: to the parent, at the root to the document store. */
  readonly delivered: number;
  /** Named as lost. */
  readonly lost: number;
  /** Stored here, not handed on yet. */
  readonly held: number;
  readonly heldBytes: number;
  /** When this node last heard of the stream, milliseconds since 1970. */
  readonly heardAtMs: number;
  /** Of what is held, what the parent has and is kept until the root has it: class final. */
  readonly handed?: number;
  /** All of 1…this is stored at the root or lost, as far as this node has heard: class final. */
  readonly finalMark?: number;
}

/** A range of numbers that will never be delivered. */
export interface GapRow {
  readonly first: number;
  readonly last: number;
  readonly reason: LossReason;
}

/** Numbers that the origin assigned and this node has not seen yet. */
export function missingOf(row: Pick<LedgerRow, "ranges" | "high">): number {
  return row.high === 0 ? 0 : countIntervals(missingFrom(row.ranges, 1, row.high));
}

/** Of those, what the origin will not send here any more: it went another way. Only the origin's parent can know. */
export function elsewhereOf(row: Pick<LedgerRow, "ranges" | "high" | "low">): number {
  const last = Math.min(row.high, row.low - 1);
  return last < 1 ? 0 : countIntervals(missingFrom(row.ranges, 1, last));
}

/** Whether the row's numbers sum up as [O3] demands. */
export function isBalanced(row: LedgerRow): boolean {
  return row.delivered + row.lost + row.held + missingOf(row) === row.high;
}
