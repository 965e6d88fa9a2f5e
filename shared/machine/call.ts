// One call at one node, as a value: what this node made of it, what the children it was sent to answered, and when it is over.
//
//   open --own outcome, receipts of children--> complete | at the deadline: closed
import type { NodeName } from "../ids.ts";
import { mergeReceipts, ownReceipt, type NodeResult, type Receipt, type Unheard } from "./receipt.ts";

export interface CallState {
  readonly id: string;
  readonly deadlineMs: number;
  /** Undefined where the condition does not hold. */
  readonly own: NodeResult | undefined;
  /** Last receipt of each child that it was sent to; undefined: not heard. */
  readonly children: ReadonlyMap<NodeName, { readonly sentAtMs: number; readonly receipt: Receipt | undefined }>;
  /** Children that could not be sent to. */
  readonly unreached: readonly Unheard[];
}

export function openCall(
  call: Pick<CallState, "id" | "deadlineMs" | "own" | "unreached">,
  sentTo: readonly NodeName[],
  nowMs: number,
): CallState {
  return { ...call, children: new Map(sentTo.map((child) => [child, { sentAtMs: nowMs, receipt: undefined }])) };
}

/** The own outcome moved on; a final one stays as it is. */
export function withOwn(call: CallState, own: NodeResult): CallState {
  const isFinal = call.own !== undefined && ownReceipt(call.own).complete;
  return isFinal || call.own === undefined ? call : { ...call, own };
}

/** A child reported. Of a child that it was not sent to, or after a complete receipt: unchanged. */
export function withReceipt(call: CallState, child: NodeName, receipt: Receipt): CallState {
  const known = call.children.get(child);
  if (known === undefined || known.receipt?.complete === true) return call;
  return { ...call, children: new Map(call.children).set(child, { ...known, receipt }) };
}

/** What is known now. Complete when nothing more can come. */
export function receiptOf(call: CallState): Receipt {
  const parts: Receipt[] = call.own === undefined ? [] : [ownReceipt(call.own)];
  const unheard: Unheard[] = [...call.unreached];
  let complete = true;
  for (const [node, { sentAtMs, receipt }] of call.children) {
    if (receipt !== undefined) parts.push(receipt);
    if (receipt?.complete === true) continue;
    complete = false;
    if (receipt === undefined) unheard.push({ node, sinceMs: sentAtMs });
  }
  const merged = mergeReceipts(parts);
  return { ...merged, waiting: [...unheard, ...merged.waiting], complete: complete && merged.complete };
}

/** The call when its time is over: whoever has not answered stays unheard. */
export function closedCall(call: CallState): Receipt {
  return { ...receiptOf(call), complete: true };
}
