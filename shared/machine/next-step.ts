// What a node does with a call that it was about to run, once the store has said what it knows of the id.
import type { Recorded } from "./effect.ts";
import type { World } from "./neighbour.ts";
import type { OpenMessage } from "./open-message.ts";
import type { NodeResult } from "./receipt.ts";

/** An outcome of this node. */
type Outcome = Omit<NodeResult, "node">;

export type NextStep =
  | { readonly type: "run" }
  /** It has never been here. */
  | { readonly type: "nothing" }
  /** It is not known whether it has been here: nothing is said, and whoever called it off asks again. */
  | { readonly type: "forget" }
  /** A program may come that offers the function. */
  | { readonly type: "wait" }
  /** It will be the same after a restart: it is in the record, or follows from what is there. */
  | { readonly type: "said"; readonly result: Outcome }
  /** It ends here and now: the record is to know. */
  | { readonly type: "over"; readonly result: Outcome };

export const nodeStops = "the node stops";

export function nextOf(world: World, message: OpenMessage, answer: Recorded, isStopping: boolean): NextStep {
  const { envelope, cancelled } = message;
  const isKnown = answer.type === "known";
  if (envelope.kind === "cancel" && !isKnown) return { type: answer.type === "new" ? "nothing" : "forget" };
  if (answer.type === "refused") return said("refused", answer.reason);
  if (isKnown && answer.name !== undefined && answer.name !== envelope.name)
    return said("refused", `a call of "${answer.name}" had this id`);
  if (isKnown && answer.result !== null) return { type: "said", result: answer.result };
  if (isKnown && envelope.mode === "async") return said("failed", "the node stopped while it ran");
  if (cancelled !== undefined) return over("cancelled", cancelled);
  if (isStopping) return over("cancelled", nodeStops);
  if (world.monotonicMs >= message.deadlineMonotonicMs)
    return over("expired", "its deadline passed before it could run");
  if (world.offers(envelope.name)) return { type: "run" };
  if (!isKnown && !message.isRemembered && awaitsOffer(world, message)) return { type: "wait" };
  const reason = `nobody on this node offers the function "${envelope.name}"`;
  // Where nothing has been written down nothing is: it is the same when it is asked again.
  return message.isRemembered ? over("refused", reason) : said("refused", reason);
}

/** Whether a program may still come that runs it. */
export function awaitsOffer(world: World, { envelope, deadlineMonotonicMs }: OpenMessage): boolean {
  if (world.monotonicMs >= deadlineMonotonicMs || world.offers(envelope.name)) return false;
  return world.isOfferAwaited(envelope.name);
}

function said(status: Outcome["status"], reason: string): NextStep {
  return { type: "said", result: { status, reason } };
}

function over(status: Outcome["status"], reason: string): NextStep {
  return { type: "over", result: { status, reason } };
}
