// Now and then a look at the holes in the numbers of all streams, a few streams a write: see agent/store/hole-watch.ts.
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { ScatteredStream } from "../store/hole-watch.ts";
import type { NodeStore } from "../store/node-store.ts";
import type { JournalNotices } from "./notices.ts";

export interface HoleReviewDeps {
  readonly store: Pick<NodeStore, "write">;
  readonly notices: Pick<JournalNotices, "scattered">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Logger;
}

const scatteredMax = 100;

/** Every call looks at all streams, and counts how long the node has run since it began. Rejects with what the store rejects. */
export function createHoleReview({
  store,
  notices,
  clock,
  log,
}: HoleReviewDeps): (signal: AbortSignal) => Promise<void> {
  /** The node's running time is counted up to here. */
  let countedMs = clock.monotonic();
  return async (signal) => {
    const nowMs = clock.monotonic();
    const scattered: ScatteredStream[] = [];
    let presumedLost = 0;
    let after: Awaited<ReturnType<typeof look>>["next"] = null;
    do {
      const review = await look(after, nowMs - countedMs);
      countedMs = nowMs;
      presumedLost += review.presumedLost;
      scattered.push(...review.scattered);
      after = review.next;
    } while (after !== null && !signal.aborted);
    if (presumedLost > 0) log.warn({ messages: presumedLost }, "messages that are long overdue are presumed lost");
    if (after === null) notices.scattered(scattered.slice(0, scatteredMax));
  };

  function look(after: { readonly origin: number; readonly stream: number } | null, ranMs: number) {
    return store.write("reviewHoles", { after, ranMs }, "lazy");
  }
}
