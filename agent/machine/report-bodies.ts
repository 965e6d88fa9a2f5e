// What callers and programs read: replies to a call, and events.
import type { CallReport } from "#shared/machine/effect.ts";
import type { Envelope } from "#shared/machine/envelope.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";
import { callStatuses, matchedOf, type Counts, type NodeResult, type Unheard } from "#shared/machine/receipt.ts";

export function replyBody({ id, confirm }: Envelope, { receipt, isFinal }: CallReport): PlainValue {
  const counts: Record<string, number> = { matched: matchedOf(receipt.counts) };
  for (const status of callStatuses) counts[status] = receipt.counts[status];
  return {
    id,
    final: isFinal,
    ...(!isFinal && receipt.settled ? { settled: true } : {}),
    counts,
    ...(confirm > 0 && isFinal ? { confirmed: isConfirmed(receipt.counts, confirm) } : {}),
    results: receipt.results.map(resultBody),
    ...(receipt.omitted === 0 ? {} : { omitted: receipt.omitted }),
    waiting: receipt.waiting.map(waitingBody),
    ...(receipt.unnamed === 0 ? {} : { waitingOmitted: receipt.unnamed }),
  };
}

function waitingBody({ node, sinceMs, at, hasLeft }: Unheard): PlainValue {
  return { node, since: new Date(sinceMs).toISOString(), at, ...(hasLeft === true ? { left: true } : {}) };
}

/** What one node made of a call. */
export function resultBody({ node, status, value, reason }: NodeResult): PlainValue {
  return { node, status, ...(value === undefined ? {} : { value }), ...(reason === undefined ? {} : { reason }) };
}

export function refusalBody(id: string, message: string): PlainValue {
  return { id, final: true, error: { code: "FOGBANK_CALL_REFUSED", message } };
}

export function eventBody({ id, name, args, origin, timeMs }: Envelope): PlainValue {
  return { id, name, args, origin, time: new Date(timeMs).toISOString() };
}

/** Whether the share of those that matched which is done is large enough. */
function isConfirmed(counts: Counts, confirm: number): boolean {
  const matched = matchedOf(counts);
  return matched > 0 && counts.done >= confirm * matched;
}
