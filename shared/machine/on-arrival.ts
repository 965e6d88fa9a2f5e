// Whether a message that a neighbour sends is for this node to follow.
import { limits } from "../limits.ts";
import type { Envelope } from "./envelope.ts";
import { above, type NeighbourView } from "./neighbour.ts";

/** What a condition came to here; the error says where it is wrong. */
export type Verdict = { readonly holds: boolean } | { readonly error: string };

/** Why it is refused here; undefined: it is not. */
export function problemOf(from: NeighbourView, envelope: Envelope, verdict: Verdict): string | undefined {
  if (from.key !== above && envelope.scope !== "machine") return "it is not for nodes above the caller";
  if (envelope.hops > limits.callHops) return `it has passed more than ${limits.callHops} nodes`;
  return "error" in verdict ? `its condition cannot be used here: ${verdict.error}` : undefined;
}
