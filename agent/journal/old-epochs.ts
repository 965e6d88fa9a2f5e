// Forgets, portion by portion, the old epochs that nobody has spoken of for long.
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
    if (forgotten.length === 0) return;
    for (const { origin, epoch } of forgotten) deps.log.info({ origin, epoch }, "an old epoch is complete: forgotten");
  }
}
