// One receipt of several. Each node of the tree is to be counted once [T6], also when it has moved in mid-call: then two parents know
// what it reported. Whoever took it in says `adopted`; whoever lost it says `detached`, or has it among its results; and where both
// come together the older one goes.
import type { NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import type { PlainValue } from "./plain-value.ts";
import {
  callStatuses,
  emptyReceipt,
  isFinalStatus,
  noCounts,
  type Adopted,
  type CallStatus,
  type Detached,
  type NodeResult,
  type Receipt,
  type Unheard,
} from "./receipt.ts";

/** How many results a receipt may have, and their bytes. */
export interface Bounds {
  readonly results: number;
  readonly bytes: number;
}

export const fewResults: Bounds = { results: limits.callResults, bytes: limits.callReceiptBytes };
/** Of a call whose caller wants all of them. */
export const allResults: Bounds = { results: limits.minNodesMax, bytes: limits.callStreamBytes };

/** `detached` and `waiting`: of the node that merges, beside those of the parts. */
export function mergeReceipts(
  parts: readonly Receipt[],
  detached: readonly Detached[] = [],
  waiting: readonly Unheard[] = [],
  bounds: Bounds = fewResults,
): Receipt {
  const [first] = parts;
  if (first !== undefined && parts.length === 1 && detached.length + waiting.length === 0) return first;
  const isPlain = detached.length === 0 && parts.every((part) => part.adopted.length + part.detached.length === 0);
  if (isPlain && !overlap(parts, waiting)) return sum(parts, waiting, bounds);
  return new Reconciliation(parts, detached, waiting).receipt(bounds);
}

/** With no more results than that. */
export function within(receipt: Receipt, bounds: Bounds): Receipt {
  let bytes = 0;
  const results: NodeResult[] = [];
  for (const result of receipt.results) {
    bytes += roughBytes(result);
    if (results.length >= bounds.results || bytes > bounds.bytes) break;
    results.push(result);
  }
  const cut = receipt.results.length - results.length;
  return cut === 0 ? receipt : { ...receipt, results, omitted: receipt.omitted + cut };
}

/** `results` in pieces that fit into one receipt each; one at least. */
export function piecesOf(results: readonly NodeResult[]): readonly (readonly NodeResult[])[] {
  const pieces: NodeResult[][] = [[]];
  let bytes = 0;
  for (const result of results) {
    const size = roughBytes(result);
    bytes += size;
    const last = pieces.at(-1);
    if (last !== undefined && last.length < fewResults.results && bytes <= fewResults.bytes) {
      last.push(result);
      continue;
    }
    pieces.push([result]);
    bytes = size;
  }
  return pieces;
}

/** Whether a node stands in two of them. One that was started anew elsewhere may not know that it has moved. */
function overlap(parts: readonly Receipt[], waiting: readonly Unheard[]): boolean {
  const names = new Set<NodeName>();
  let results = 0;
  for (const part of parts) {
    results += part.results.length;
    for (const { node } of part.results) names.add(node);
  }
  if (names.size < results) return true;
  return [waiting, ...parts.map((part) => part.waiting)].some((list) => list.some(({ node }) => names.has(node)));
}

/** With what is detached counted as it was last heard: at the caller nobody will claim it any more. */
export function withDetached(receipt: Receipt, bounds: Bounds = fewResults): Receipt {
  if (receipt.detached.length === 0) return receipt;
  const { detached, ...live } = receipt;
  const parts = detached.map((one) => ({ ...one.receipt, adopted: [] }));
  return { ...mergeReceipts([{ ...live, detached: [] }, ...parts], [], [], bounds), adopted: receipt.adopted };
}

/** Where the newest claim to a node stands. */
interface Claim {
  readonly part: number;
  readonly atMs: number;
}

class Reconciliation {
  readonly #parts: readonly Receipt[];
  readonly #claims = new Map<NodeName, Claim>();
  /** Of which nodes a part says anything, once that has been asked. */
  readonly #told = new Map<number, ReadonlySet<NodeName>>();
  readonly #waiting: readonly Unheard[];
  readonly #detached: readonly Detached[];
  /** Which part's result of a node counts. */
  readonly #partOfResult = new Map<NodeName, { readonly part: number; readonly status: CallStatus }>();

  constructor(parts: readonly Receipt[], detached: readonly Detached[], waiting: readonly Unheard[]) {
    this.#parts = parts;
    parts.forEach((part, index) => this.#claim(part.adopted, index));
    const all = [...detached, ...parts.flatMap((part) => part.detached)];
    this.#detached = this.#lastWords(all);
    // What one that is gone had taken in is still to be told from what others lost.
    this.#detached.forEach(({ node, receipt }, index) => {
      const others = receipt.adopted.filter((claim) => claim.node !== node);
      this.#claim(others, parts.length + index);
    });
    this.#waiting = waiting;
    parts.forEach((part, index) => this.#chooseResults(part, index));
    this.#detached.forEach(({ receipt }, index) => this.#chooseEnded(receipt, parts.length + index));
  }

  receipt(bounds: Bounds): Receipt {
    const live = this.#parts.map((part, index) => this.#without(part, index));
    const waitingHere = this.#waiting.filter(({ node }) => !this.#claims.has(node) && !this.#partOfResult.has(node));
    const merged = sum(live, waitingHere, bounds);
    const heard = new Set(merged.results.map(({ node }) => node));
    const detached: Detached[] = [];
    for (const [index, entry] of this.#detached.entries()) {
      const part = this.#parts.length + index;
      if (this.#isElsewhere(entry.node, part, entry.receipt.complete) || heard.has(entry.node)) continue;
      const receipt = without(
        entry.receipt,
        (node, isFinal) => heard.has(node) || this.#isElsewhere(node, part, isFinal),
      );
      detached.push({ ...entry, receipt });
    }
    const adopted: Adopted[] = [];
    for (const [node, { part, atMs }] of this.#claims) if (part < this.#parts.length) adopted.push({ node, atMs });
    return bounded({ ...merged, ...completeness(live, waitingHere, detached), adopted, detached }, bounds);
  }

  #claim(adopted: readonly Adopted[], part: number): void {
    for (const { node, atMs } of adopted) {
      const known = this.#claims.get(node);
      if (known === undefined || atMs > known.atMs) this.#claims.set(node, { part, atMs });
    }
  }

  /** One for each node: the last. */
  #lastWords(all: readonly Detached[]): readonly Detached[] {
    const last = new Map<NodeName, Detached>();
    for (const entry of all) {
      const known = last.get(entry.node);
      const isLater = known === undefined || entry.heardMs > known.heardMs;
      const isEnded = entry.receipt.complete || known?.receipt.complete !== true;
      if (known === undefined || (isEnded && (isLater || !known.receipt.complete))) last.set(entry.node, entry);
    }
    return [...last.values()];
  }

  #chooseResults(part: Receipt, index: number): void {
    for (const { node, status } of part.results) {
      if (this.#isElsewhere(node, index, isFinalStatus(status))) continue;
      const known = this.#partOfResult.get(node);
      const isBetter = known === undefined || (!isFinalStatus(known.status) && isFinalStatus(status));
      if (isBetter) this.#partOfResult.set(node, { part: index, status });
    }
  }

  /** Whoever has ended where it is no more has not begun where it may be now, for all that is known there. */
  #chooseEnded(receipt: Receipt, part: number): void {
    for (const { node, status } of receipt.results) {
      const known = this.#partOfResult.get(node);
      if (!isFinalStatus(status) || known === undefined || isFinalStatus(known.status)) continue;
      if (!this.#isElsewhere(node, part, true)) this.#partOfResult.set(node, { part, status });
    }
  }

  /** `isFinal`: it has an outcome here. That stands where the newer place has nothing to say of the node: it may have forgotten. */
  #isElsewhere(node: NodeName, part: number, isFinal: boolean): boolean {
    const claim = this.#claims.get(node);
    if (claim === undefined || claim.part === part) return false;
    return !isFinal || this.#isTold(node, claim.part);
  }

  #isTold(node: NodeName, part: number): boolean {
    const receipt = this.#parts[part] ?? this.#detached[part - this.#parts.length]?.receipt;
    if (receipt === undefined || receipt.omitted + receipt.unnamed > 0) return true;
    let told = this.#told.get(part);
    if (told === undefined) {
      told = new Set(receipt.results.filter(({ status }) => isFinalStatus(status)).map((result) => result.node));
      this.#told.set(part, told);
    }
    return told.has(node);
  }

  #without(part: Receipt, index: number): Receipt {
    return without(part, (node, isFinal) => {
      if (this.#isElsewhere(node, index, isFinal)) return true;
      const chosen = this.#partOfResult.get(node);
      return chosen !== undefined && chosen.part !== index;
    });
  }
}

/** `receipt` without what it says of the nodes that `isElsewhere` names; `isFinal`: it says an outcome. */
function without(receipt: Receipt, isElsewhere: (node: NodeName, isFinal: boolean) => boolean): Receipt {
  const gone = receipt.results.filter(({ node, status }) => isElsewhere(node, isFinalStatus(status)));
  const waiting = receipt.waiting.filter(({ node }) => !isElsewhere(node, false));
  if (gone.length === 0 && waiting.length === receipt.waiting.length) return receipt;
  const counts = { ...receipt.counts };
  const names = new Set(gone.map(({ node }) => node));
  for (const { status } of gone) counts[status]--;
  return { ...receipt, counts, waiting, results: receipt.results.filter(({ node }) => !names.has(node)) };
}

/** Those that were waited for may all have been heard elsewhere by now. `waitingHere`: by the node that merges. */
function completeness(
  parts: readonly Receipt[],
  waitingHere: readonly Unheard[],
  detached: readonly Detached[],
): Pick<Receipt, "complete" | "settled"> {
  const settled = parts.every((part) => part.complete || part.settled);
  const isWaitedFor =
    waitingHere.length > 0 || parts.some((part) => !part.complete && part.waiting.length + part.unnamed > 0);
  const isNobodyAway = !isWaitedFor && detached.every(({ receipt }) => receipt.complete);
  return { settled, complete: settled && isNobodyAway };
}

function sum(parts: readonly Receipt[], waitingHere: readonly Unheard[], bounds: Bounds): Receipt {
  const counts = { ...noCounts };
  const results: NodeResult[] = [];
  const waiting: Unheard[] = [...waitingHere];
  let [omitted, unnamed, bytes] = [0, 0, 0];
  for (const part of parts) {
    for (const status of callStatuses) counts[status] += part.counts[status];
    omitted += part.omitted;
    unnamed += part.unnamed;
    for (const result of part.results) {
      bytes += roughBytes(result);
      if (results.length < bounds.results && bytes <= bounds.bytes) results.push(result);
      else omitted++;
    }
    waiting.push(...part.waiting);
  }
  const complete = waitingHere.length === 0 && parts.every((part) => part.complete);
  const settled = parts.every((part) => part.complete || part.settled);
  const named = waiting.length > limits.callResults ? waiting.slice(0, limits.callResults) : waiting;
  unnamed += waiting.length - named.length;
  return { ...emptyReceipt, counts, results, omitted, waiting: named, unnamed, complete, settled };
}

/** Within the bounds of the wire: what is too much is counted as if it were not detached. */
export function bounded(receipt: Receipt, bounds: Bounds): Receipt {
  const adopted = receipt.adopted.toSorted((a, b) => b.atMs - a.atMs).slice(0, limits.callDetached);
  const kept: Detached[] = [];
  const tooMany: Receipt[] = [];
  let bytes = 0;
  for (const entry of receipt.detached) {
    bytes += 100 + entry.receipt.results.reduce((total, result) => total + roughBytes(result), 0);
    if (kept.length < limits.callDetached && bytes <= limits.callReceiptBytes / 4) kept.push(entry);
    else tooMany.push(entry.receipt);
  }
  if (tooMany.length === 0) return { ...receipt, adopted };
  const { complete, settled } = receipt;
  return { ...sum([receipt, ...tooMany], [], bounds), complete, settled, adopted, detached: kept };
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
  return entries.reduce((total, [key, entry]) => total + key.length * 3 + roughValueBytes(entry), 5);
}
