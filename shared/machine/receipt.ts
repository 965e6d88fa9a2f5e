// What a node and everything below it made of a call: counts that sum up, a bounded list of results, and who has not been heard.
import { encodeCbor } from "../cbor.ts";
import { isNodeName, type NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import {
  Malformed,
  asArray,
  asMap,
  asNodeName,
  asText,
  asTimeMs,
  asUint,
  decodeFrame,
  optional,
} from "../link/fields.ts";
import { bytesOfCallId } from "./call-id.ts";
import { readId } from "./envelope.ts";
import { toCborValue, toPlainValue, type PlainValue } from "./plain-value.ts";

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

export interface Unheard {
  readonly node: NodeName;
  /** Tree time. */
  readonly sinceMs: number;
}

export interface Receipt {
  readonly counts: Counts;
  readonly results: readonly NodeResult[];
  /** Results left out because there were too many. */
  readonly omitted: number;
  readonly waiting: readonly Unheard[];
  /** Nothing in it will change any more. */
  readonly complete: boolean;
}

const noCounts: Counts = { queued: 0, started: 0, done: 0, failed: 0, refused: 0, expired: 0, cancelled: 0 };

export function isFinalStatus(status: CallStatus): boolean {
  return status !== "queued" && status !== "started";
}

export function matchedOf(counts: Counts): number {
  return callStatuses.reduce((sum, status) => sum + counts[status], 0);
}

/** One receipt of several, which must not overlap: each node of the tree reports to one parent. */
export function mergeReceipts(receipts: readonly Receipt[]): Receipt {
  const counts = { ...noCounts };
  const results: NodeResult[] = [];
  const waiting: Unheard[] = [];
  let omitted = 0;
  let bytes = 0;
  for (const receipt of receipts) {
    for (const status of callStatuses) counts[status] += receipt.counts[status];
    omitted += receipt.omitted;
    for (const result of receipt.results) {
      bytes += roughBytes(result);
      if (results.length < limits.callResults && bytes <= limits.callReceiptBytes) results.push(result);
      else omitted++;
    }
    waiting.push(...receipt.waiting);
  }
  const complete = receipts.every((receipt) => receipt.complete);
  return { counts, results, omitted, waiting: waiting.slice(0, limits.callResults), complete };
}

/** About what a result takes on the wire, never much less. */
function roughBytes({ value, reason }: NodeResult): number {
  return 80 + (reason?.length ?? 0) * 2 + (value === undefined ? 0 : roughValueBytes(value));
}

function roughValueBytes(value: PlainValue): number {
  if (typeof value === "string") return 5 + value.length * 3;
  if (value === null || typeof value !== "object") return 9;
  if (value instanceof Uint8Array) return 5 + value.length;
  const entries = Object.entries(value);
  return entries.reduce((sum, [key, entry]) => sum + key.length * 3 + roughValueBytes(entry), 5);
}

/** The receipt of one node's own outcome. */
export function ownReceipt(result: NodeResult): Receipt {
  const complete = isFinalStatus(result.status);
  return { counts: { ...noCounts, [result.status]: 1 }, results: [result], omitted: 0, waiting: [], complete };
}

/** `{0: id, 1: [count…], 2: [[node, status, value | null, reason | null]…], 3: [[node, since]…], 4: complete, 5: omitted}` */
export function encodeReceipt(id: string, receipt: Receipt): Uint8Array {
  const results = receipt.results.map(({ node, status, value, reason }) => [
    node,
    callStatuses.indexOf(status),
    value === undefined ? null : toCborValue(value),
    reason ?? null,
  ]);
  return encodeCbor(
    new Map<number, unknown>([
      [0, bytesOfCallId(id)],
      [1, callStatuses.map((status) => receipt.counts[status])],
      [2, results],
      [3, receipt.waiting.map(({ node, sinceMs }) => [node, BigInt(sinceMs)])],
      [4, receipt.complete],
      [5, receipt.omitted],
    ]),
  );
}

export function decodeReceipt(
  bytes: Uint8Array,
): { readonly frame: { readonly id: string; readonly receipt: Receipt } } | { readonly malformed: string } {
  return decodeFrame(bytes, (value) => {
    const map = asMap(value, "receipt");
    const counts = asArray(map.get(1), "counts", callStatuses.length);
    const receipt: Receipt = {
      counts: Object.fromEntries(callStatuses.map((status, at) => [status, asUint(counts[at], status)])) as Counts,
      results: asArray(map.get(2), "results", limits.callResults).map(readResult),
      waiting: asArray(map.get(3), "waiting", limits.callResults).map(readUnheard),
      complete: map.get(4) === true,
      omitted: asUint(map.get(5) ?? 0, "omitted"),
    };
    return { id: readId(map.get(0)), receipt };
  });
}

function readResult(value: unknown): NodeResult {
  const [node, code, answer, reason] = asArray(value, "result", 8);
  const status = callStatuses[asUint(code, "status", 255)];
  const plain = toPlainValue(answer ?? null);
  if (status === undefined || plain === undefined) throw new Malformed("result of an unknown kind");
  const why = optional(reason, (text) => asText(text, "reason", limits.callReasonChars));
  return {
    node: asNodeName(node, "node"),
    status,
    ...(status === "done" ? { value: plain } : {}),
    ...(why === undefined ? {} : { reason: why }),
  };
}

function readUnheard(value: unknown): Unheard {
  const [node, sinceMs] = asArray(value, "waiting node", 4);
  if (typeof node !== "string" || !isNodeName(node)) throw new Malformed("not a node name");
  return { node, sinceMs: asTimeMs(sinceMs, "since") };
}
