// How a call ended here, for its record.
import type { Effect } from "./effect.ts";
import type { OpenMessage } from "./open-message.ts";
import type { NodeResult } from "./receipt.ts";

/** What is written down before it runs is told when its end is written down, too. */
export function outcomeOf({ id, envelope, isRemembered }: OpenMessage, result: NodeResult): Effect {
  const { name, deadlineMs } = envelope;
  return { type: "outcome", id, name, deadlineMs, result, isAwaited: isRemembered };
}
