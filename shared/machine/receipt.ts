// What a node and everything that it was asked for made of a call: counts that sum up, a bounded list of results, and who has not been
// heard. Merging: merge-receipts.ts. Wire: receipt-wire.ts.
import type { NodeName } from "../ids.ts";
import type { PlainValue } from "./plain-value.ts";

/** Where a matching node stands. The last five are final. */
export type CallStatus = "queued" | "started" | "done" | "failed" | "refused" | "expired" | "cancelled";

export const callStatuses: readonly CallStatus[] = [
  "queued",
  "started",
  "done",
  "failed",
  "refused",
  "expired",
  "cancelled",
];

/** `matched` is the sum of the others [T6]. */
export type Counts = Readonly<Record<CallStatus, number>>;

export interface NodeResult {
  readonly node: NodeName;
  readonly status: CallStatus;
  /** What the function answered, when done. */
  readonly value?: PlainValue;
  /** Why not, otherwise. */
  readonly reason?: string;
}

/** A node that could not be asked, or has not said anything. */
export interface Unheard {
  readonly node: NodeName;
  /** Tree time. */
  readonly sinceMs: number;
  /** The node that waits for it. */
  readonly at: NodeName;
  /** It went on purpose: somebody may have stopped it for good. */
  readonly hasLeft?: true;
}

/** A node now reports here that may have reported elsewhere before. */
export interface Adopted {
  readonly node: NodeName;
  /** Tree time: the last one counts. */
  readonly atMs: number;
}

/** What a neighbour had reported before its link broke. It may report elsewhere by now: then this does not count. */
export interface Detached {
  readonly node: NodeName;
  /** Tree time of its last word. */
  readonly heardMs: number;
  /** Nothing in it is detached in turn. */
  readonly receipt: Receipt;
}

export interface Receipt {
  /** Without what is detached. */
  readonly counts: Counts;
  readonly results: readonly NodeResult[];
  /** Results left out because there were too many. */
  readonly omitted: number;
  readonly waiting: readonly Unheard[];
  /** Nodes that are waited for beyond those that `waiting` names. */
  readonly unnamed: number;
  readonly adopted: readonly Adopted[];
  readonly detached: readonly Detached[];
  /** Nothing in it will change any more. */
  readonly complete: boolean;
  /** Nothing in it will change any more, but for those that `waiting` and `detached` name. */
  readonly settled: boolean;
}

export const noCounts: Counts = { queued: 0, started: 0, done: 0, failed: 0, refused: 0, expired: 0, cancelled: 0 };

/** Of a node that has nothing to add: it does not match, or is counted elsewhere. */
export const emptyReceipt: Receipt = {
  counts: noCounts,
  results: [],
  omitted: 0,
  waiting: [],
  unnamed: 0,
  adopted: [],
  detached: [],
  complete: true,
  settled: true,
};

export function isFinalStatus(status: CallStatus): boolean {
  return status !== "queued" && status !== "started";
}

export function matchedOf(counts: Counts): number {
  return callStatuses.reduce((sum, status) => sum + counts[status], 0);
}

/** As it is, or so that nothing that is taken away from it becomes less than none: a neighbour may say counts that are not those of its results. */
export function consistent(receipt: Receipt): Receipt {
  const least: Record<CallStatus, number> = { ...noCounts };
  for (const { status } of receipt.results) least[status]++;
  const isLess = callStatuses.some((status) => receipt.counts[status] < least[status]);
  const detached = receipt.detached.map((one) => ({ ...one, receipt: consistent(one.receipt) }));
  if (!isLess) return receipt.detached.length === 0 ? receipt : { ...receipt, detached };
  const counts: Record<CallStatus, number> = { ...noCounts };
  for (const status of callStatuses) counts[status] = Math.max(receipt.counts[status], least[status]);
  return { ...receipt, counts, detached };
}

/** The receipt of one node's own outcome. */
export function ownReceipt(result: NodeResult): Receipt {
  const isFinal = isFinalStatus(result.status);
  const counts = { ...noCounts, [result.status]: 1 };
  return { ...emptyReceipt, counts, results: [result], complete: isFinal, settled: isFinal };
}
