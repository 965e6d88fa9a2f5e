// Forgets, portion by portion, the old epochs of this node that nobody has spoken of for long, and shrinks those of others when there are
// too many.
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";

/** Rejects with what the store rejects. */
export async function forgetEpochs(deps: {
  readonly store: Pick<NodeStore, "write">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
}): Promise<void> {
  for (;;) {
    const forgotten = await deps.store.write("forgetEpochs", { nowMs: deps.clock.now() });
    if (forgotten.length === 0) break;
    for (const { origin, epoch } of forgotten) deps.log.info({ origin, epoch }, "an old epoch is complete: forgotten");
  }
  let closed = 0;
  for (;;) {
    const epochs = await deps.store.write("closeEpochs", {});
    if (epochs === 0) break;
    closed += epochs;
  }
  if (closed > 0) deps.log.info({ epochs: closed }, "old epochs of other nodes are complete: no longer listed");
}
