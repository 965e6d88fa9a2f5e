// A receipt as it travels: PROTOCOL.md lists the keys.
import { encodeCbor } from "../cbor.ts";
import type { NodeName } from "../ids.ts";
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
  u32Max,
} from "../link/fields.ts";
import { bytesOfCallId } from "./call-id.ts";
import { readId, readPhase, type Phase } from "./envelope.ts";
import { nothingGone, type Gone } from "./receipt-changes.ts";
import { toCborValue, toPlainValue } from "./plain-value.ts";
import {
  callStatuses,
  type Adopted,
  type Counts,
  type Detached,
  type NodeResult,
  type Receipt,
  type Unheard,
} from "./receipt.ts";

/** A receipt for the message `id`, of a neighbour that has heard of `phase`. */
export interface ReceiptFrame {
  readonly id: string;
  readonly phase: Phase;
  /** Grows with each receipt of a node's life: an older one that comes later is dropped. */
  readonly number: number;
  /** That of the envelope which it answers. */
  readonly look: number;
  /** All of it; with `since` its lists are what is new in them or different, and with `isPart` there is nothing in it but results. */
  readonly receipt: Receipt;
  readonly since?: Since;
  /** The next frame goes on with it: nothing of it counts before the last one is there. */
  readonly isPart?: boolean;
}

/** What the lists of a receipt go on from: what the frame of that number came to, without what is gone. */
export interface Since {
  readonly number: number;
  readonly gone: Gone;
}

export function encodeReceipt({ id, phase, number, look, receipt, since, isPart = false }: ReceiptFrame): Uint8Array {
  const { adopted, detached } = receipt;
  const map = fieldsOf(receipt);
  map.set(0, bytesOfCallId(id));
  if (adopted.length > 0) map.set(6, adopted.map(adoptedOf));
  if (detached.length > 0)
    map.set(
      7,
      detached.map(({ node, heardMs, receipt: last }) => [node, BigInt(heardMs), withAdopted(last)]),
    );
  map.set(9, phase);
  map.set(10, BigInt(number));
  if (look > 0) map.set(11, look);
  if (since !== undefined) map.set(12, BigInt(since.number));
  if (since !== undefined && since.gone !== nothingGone) {
    const { results, waiting, adopted: elsewhere, detached: found } = since.gone;
    if (results.length + waiting.length + elsewhere.length + found.length > 0)
      map.set(13, [results, waiting, elsewhere, found]);
  }
  if (isPart) map.set(15, true);
  return encodeCbor(map);
}

function fieldsOf({ counts, results, waiting, unnamed, complete, settled, omitted }: Receipt): Map<number, unknown> {
  const map = new Map<number, unknown>([
    [1, callStatuses.map((status) => counts[status])],
    [2, results.map(encodableResult)],
    [
      3,
      waiting.map(({ node, sinceMs, at, hasLeft }) => [node, BigInt(sinceMs), at, ...(hasLeft === true ? [true] : [])]),
    ],
    [4, complete],
    [5, omitted],
    [8, settled],
  ]);
  if (unnamed > 0) map.set(14, unnamed);
  return map;
}

function withAdopted(receipt: Receipt): Map<number, unknown> {
  const map = fieldsOf(receipt);
  if (receipt.adopted.length > 0) map.set(6, receipt.adopted.map(adoptedOf));
  return map;
}

function adoptedOf({ node, atMs }: Adopted): readonly unknown[] {
  return [node, BigInt(atMs)];
}

/** `[node, status, value | null, reason | null]` */
export function encodableResult({ node, status, value, reason }: NodeResult): readonly unknown[] {
  return [node, callStatuses.indexOf(status), value === undefined ? null : toCborValue(value), reason ?? null];
}

export function decodeReceipt(bytes: Uint8Array): { readonly frame: ReceiptFrame } | { readonly malformed: string } {
  return decodeFrame(bytes, (value) => {
    const map = asMap(value, "receipt");
    const detached = asArray(map.get(7) ?? [], "detached", limits.callDetached).map(readDetached);
    const since = optional(map.get(12), (number) => asUint(number, "number before"));
    return {
      id: readId(map.get(0)),
      phase: readPhase(map.get(9) ?? 1),
      number: asUint(map.get(10) ?? 0, "number"),
      look: asUint(map.get(11) ?? 0, "look", u32Max),
      receipt: { ...readReceipt(map), detached },
      ...(since === undefined ? {} : { since: { number: since, gone: readGone(map.get(13)) } }),
      ...(map.get(15) === true ? { isPart: true } : {}),
    };
  });
}

function readGone(value: unknown): Gone {
  if (value === undefined) return nothingGone;
  const [results, waiting, adopted, detached] = asArray(value, "what is gone", 8);
  return {
    results: readNames(results),
    waiting: asArray(waiting, "heard nodes", limits.callResults).map((entry) => {
      const [node, at] = asArray(entry, "heard node", 8);
      return [asNodeName(node, "node"), asNodeName(at, "waiting at")];
    }),
    adopted: readNames(adopted),
    detached: readNames(detached),
  };
}

function readNames(value: unknown): readonly NodeName[] {
  return asArray(value, "names", limits.callResults).map((name) => asNodeName(name, "node"));
}

function readReceipt(map: ReadonlyMap<unknown, unknown>): Receipt {
  const counts = asArray(map.get(1), "counts", callStatuses.length);
  return {
    counts: Object.fromEntries(callStatuses.map((status, at) => [status, asUint(counts[at], status)])) as Counts,
    results: asArray(map.get(2), "results", limits.callResults).map(readResult),
    omitted: asUint(map.get(5) ?? 0, "omitted"),
    waiting: asArray(map.get(3), "waiting", limits.callResults).map(readUnheard),
    unnamed: asUint(map.get(14) ?? 0, "unnamed"),
    adopted: asArray(map.get(6) ?? [], "adopted", limits.callDetached).map(readAdopted),
    detached: [],
    complete: map.get(4) === true,
    settled: map.get(8) === true,
  };
}

export function readResult(value: unknown): NodeResult {
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
  const [node, sinceMs, at, hasLeft] = asArray(value, "waiting node", 8);
  const where = { sinceMs: asTimeMs(sinceMs, "since"), at: asNodeName(at, "waiting at") };
  return { node: asNodeName(node, "node"), ...where, ...(hasLeft === true ? { hasLeft } : {}) };
}

function readAdopted(value: unknown): Adopted {
  const [node, atMs] = asArray(value, "adopted node", 8);
  return { node: asNodeName(node, "node"), atMs: asTimeMs(atMs, "adopted at") };
}

function readDetached(value: unknown): Detached {
  const [node, heardMs, receipt] = asArray(value, "detached receipt", 8);
  return {
    node: asNodeName(node, "node"),
    heardMs: asTimeMs(heardMs, "heard at"),
    receipt: readReceipt(asMap(receipt, "detached receipt")),
  };
}
