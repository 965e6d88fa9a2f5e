// One call at one node: what this node made of it, what the children it was sent to answered, and whether more can come. It changes in
// place, since thousands of children may report, and sums up only when it is asked.
import { limits } from "../limits.ts";
import type { NodeName } from "../ids.ts";
import { isFinalStatus, mergeReceipts, ownReceipt, type NodeResult, type Receipt, type Unheard } from "./receipt.ts";

interface SentTo {
  readonly sentAtMs: number;
  readonly receipt: Receipt | undefined;
}

export class OpenCall {
  /** Undefined where the condition does not hold. */
  #own: NodeResult | undefined;
  readonly #children = new Map<NodeName, SentTo>();
  /** Children whose last word has not come. */
  #open: number;
  /** Children that it could not be sent to. */
  readonly #unreached: readonly Unheard[];

  constructor(own: NodeResult | undefined, sentTo: readonly NodeName[], unreached: readonly Unheard[], nowMs: number) {
    this.#own = own;
    for (const child of sentTo) this.#children.set(child, { sentAtMs: nowMs, receipt: undefined });
    this.#open = this.#children.size;
    this.#unreached = unreached;
  }

  /** Whether this node is still at it. */
  get isRunningHere(): boolean {
    return this.#own !== undefined && !isFinalStatus(this.#own.status);
  }

  /** Nothing more can come. */
  get isComplete(): boolean {
    return this.#open === 0 && !this.isRunningHere;
  }

  /** The own outcome moved on; a final one stays as it is. Answers whether anything changed. */
  setOwn(own: NodeResult): boolean {
    if (!this.isRunningHere) return false;
    this.#own = own;
    return true;
  }

  /** A child reported. Of a child that it was not sent to, or after its last word: nothing changes. */
  setReceipt(child: NodeName, receipt: Receipt): boolean {
    const known = this.#children.get(child);
    if (known === undefined || known.receipt?.complete === true) return false;
    this.#children.set(child, { ...known, receipt });
    if (receipt.complete) this.#open--;
    return true;
  }

  /** What is known now. Whoever answered elsewhere, having moved, is not waited for. */
  receipt(): Receipt {
    const parts: Receipt[] = this.#own === undefined ? [] : [ownReceipt(this.#own)];
    const unheard: Unheard[] = [...this.#unreached];
    for (const [node, { sentAtMs, receipt }] of this.#children) {
      if (receipt === undefined) unheard.push({ node, sinceMs: sentAtMs });
      else parts.push(receipt);
    }
    const merged = mergeReceipts(parts);
    const heard = new Set(merged.results.map(({ node }) => node));
    const waiting = [...unheard, ...merged.waiting].filter(({ node }) => !heard.has(node)).slice(0, limits.callResults);
    return { ...merged, waiting, complete: this.isComplete };
  }
}
