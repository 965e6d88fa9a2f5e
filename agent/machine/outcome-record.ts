// How a run ended, as the store keeps it beside the id.
import { decodeCbor, encodeCbor } from "#shared/cbor.ts";
import { Malformed } from "#shared/link/fields.ts";
import type { Recorded } from "#shared/machine/effect.ts";
import { limits } from "#shared/limits.ts";
import type { NodeResult } from "#shared/machine/receipt.ts";
import { encodableResult, readResult } from "#shared/machine/receipt-wire.ts";
import type { SeenCall } from "../store/call-repository.ts";

/** `name`: of the function. `brief`: without the value, for when there is no room. */
export function encodeOutcome(
  result: NodeResult,
  name: string,
): { readonly outcome: Uint8Array; readonly brief: Uint8Array } {
  const { node, status, reason = "its result is not kept any more" } = result;
  const encode = (one: NodeResult): Uint8Array => encodeCbor([...encodableResult(one), name]);
  return { outcome: encode(result), brief: encode({ node, status, reason }) };
}

export function recordedOf(seen: SeenCall): Recorded {
  if (seen === "new") return { type: "new" };
  if (seen === "full") return { type: "refused", reason: `this node remembers ${limits.seenCalls} calls already` };
  return seen.outcome === null ? { type: "known", result: null } : decodeOutcome(seen.outcome);
}

/** What cannot be read is as if it had been cut off: it has begun, and does not begin again. */
function decodeOutcome(bytes: Uint8Array): Recorded {
  const value = decodeCbor(Uint8Array.from(bytes))?.value;
  try {
    const name: unknown = Array.isArray(value) ? value[4] : undefined;
    return { type: "known", result: readResult(value), ...(typeof name === "string" ? { name } : {}) };
  } catch (error) {
    if (error instanceof Malformed) return { type: "known", result: null };
    throw error;
  }
}
