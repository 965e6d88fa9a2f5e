// A call that wants so many nodes to be ready before any of them begins: the decision of the caller's node.
import { limits } from "../limits.ts";
import type { Envelope } from "./envelope.ts";
import type { World } from "./neighbour.ts";
import type { Receipt } from "./receipt.ts";

/**
 * Enough are ready: the common start, at the time that the caller named or as soon as everybody can have heard of it. Half of its life
 * is over (at `halfMonotonicMs`) and there are too few: why it is called off. Neither: undefined.
 */
export function barrierDecision(
  { minNodes, startAtMs }: Pick<Envelope, "minNodes" | "startAtMs">,
  { counts }: Pick<Receipt, "counts">,
  { nowMs, monotonicMs }: Pick<World, "nowMs" | "monotonicMs">,
  halfMonotonicMs: number,
): { readonly startAtMs: number } | { readonly cancelled: string } | undefined {
  if (counts.queued >= minNodes) return { startAtMs: Math.max(startAtMs ?? 0, nowMs + limits.barrierStartMs) };
  if (monotonicMs < halfMonotonicMs) return undefined;
  return { cancelled: `${counts.queued} nodes were ready, and the call wants ${minNodes}` };
}
