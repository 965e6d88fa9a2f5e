// How a run ended, as the store keeps it beside the id.
import { decodeCbor, encodeCbor } from "#shared/cbor.ts";
import { Malformed } from "#shared/link/fields.ts";
import type { Recorded } from "#shared/machine/effect.ts";
import { limits } from "#shared/limits.ts";
import type { NodeResult } from "#shared/machine/receipt.ts";
import { encodableResult, readResult } from "#shared/machine/receipt-wire.ts";
import type { SeenCall } from "../store/call-repository.ts";

/** `brief`: without the value, for when there is no room. */
export function encodeOutcome(result: NodeResult): { readonly outcome: Uint8Array; readonly brief: Uint8Array } {
  const { node, status, reason = "its result is not kept any more" } = result;
  return { outcome: encodeCbor(encodableResult(result)), brief: encodeCbor(encodableResult({ node, status, reason })) };
}

export function recordedOf(seen: SeenCall): Recorded {
  if (seen === "new") return { type: "new" };
  if (seen === "full") return { type: "refused", reason: `this node remembers ${limits.seenCalls} calls already` };
  return { type: "known", result: seen.outcome === null ? null : decodeOutcome(seen.outcome) };
}

/** What cannot be read is as if it had been cut off: it has begun, and does not begin again. */
function decodeOutcome(bytes: Uint8Array): NodeResult | null {
  try {
    return readResult(decodeCbor(Uint8Array.from(bytes))?.value);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}
