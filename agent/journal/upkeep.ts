// The journal's work in the background, in small portions: what is too old goes, small segments become full ones, holes are closed, old
// epochs are forgotten, what is lost is told to a parent that may not know, and what had to be given up for want of room is told.
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";
import type { RemovedTotal } from "../store/segment-removal.ts";
import { createHoleReview } from "./hole-review.ts";
import type { GivenUp, JournalNotices } from "./notices.ts";
import { forgetEpochs } from "./old-epochs.ts";

export interface UpkeepDeps {
  readonly store: Pick<NodeStore, "write" | "read">;
  readonly notices: Pick<JournalNotices, "evicting" | "scattered">;
  readonly clock: Clock;
  /** Time of the tree, milliseconds since 1970: what stamps and ages go by. */
  treeNow(): number;
  readonly log: Logger;
}

/** How often it looks, which is also how often evictions are told at most. */
const lookMs = 5_000;
const expireMs = 60_000;
const reviewMs = 10 * 60_000;
const forgetMs = 24 * 3_600_000;
/** Portions of compaction between two looks at what is due: a long backlog takes its time, and what is too old does not wait for it. */
const compactionsMax = 16;
/** Without another eviction for this long it is over. */
const calmMs = 60_000;

/** Works until it is disposed. */
export function startUpkeep(deps: UpkeepDeps): AsyncDisposable {
  const { store, clock, log } = deps;
  const stop = new AbortController();
  const pressure = createPressure(deps.notices, () => clock.monotonic());
  const reviewHoles = createHoleReview(deps);
  const regularly = [
    every(expireMs, () => untilDone(async () => (await store.write("expire", { nowMs: deps.treeNow() }, "lazy")).more)),
    every(reviewMs, () => reviewHoles(stop.signal)),
    every(forgetMs, () => forgetEpochs(deps)),
  ];
  const working = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await working;
    },
  };

  async function run(): Promise<void> {
    let isFailing = false;
    while (!stop.signal.aborted) {
      try {
        for (const work of regularly) await work();
        // Before that it is asked: where there is nothing to tell there is nothing to write.
        if (await store.read("retelling", {})) {
          await untilDone(async () => (await store.write("retell", {}, "lazy")).more);
        }
        await untilDone(async () => (await store.write("compact", {}, "lazy")).more, compactionsMax);
        pressure(await store.read("removed", {}));
        isFailing = false;
      } catch (error) {
        if (!(error instanceof FogbankError)) throw error;
        if (!isFailing && !stop.signal.aborted) log.warn({ reason: error.message }, "upkeep of the journal failed");
        isFailing = true;
      }
      await clock.sleep(lookMs, stop.signal).catch(() => undefined);
    }
  }

  /** At the first call, and then when so much time has passed. */
  function every(ms: number, work: () => Promise<void>): () => Promise<void> {
    let dueMs = clock.monotonic();
    return async () => {
      if (clock.monotonic() < dueMs || stop.signal.aborted) return;
      dueMs = clock.monotonic() + ms;
      await work();
    };
  }

  async function untilDone(portion: () => Promise<boolean>, portionsMax = Infinity): Promise<void> {
    for (let portions = 0; portions < portionsMax; portions++) if (stop.signal.aborted || !(await portion())) return;
  }
}

/** Tells from the growing totals when evictions begin, what they come to, and when they are over. */
function createPressure(
  notices: Pick<JournalNotices, "evicting">,
  monotonic: () => number,
): (totals: readonly RemovedTotal[]) => void {
  let before: readonly RemovedTotal[] = [];
  let begun: readonly RemovedTotal[] | undefined;
  let grewAtMs = 0;
  return (totals) => {
    const evicted = totals.filter(({ reason }) => reason === "evicted");
    if (messagesOf(evicted) > messagesOf(before)) {
      begun ??= before;
      grewAtMs = monotonic();
      notices.evicting(growth(begun, evicted));
    } else if (begun !== undefined && monotonic() - grewAtMs >= calmMs) {
      begun = undefined;
      notices.evicting([]);
    }
    before = evicted;
  };
}

function messagesOf(totals: readonly RemovedTotal[]): number {
  return totals.reduce((sum, { messages }) => sum + messages, 0);
}

function growth(before: readonly RemovedTotal[], after: readonly RemovedTotal[]): readonly GivenUp[] {
  return after
    .map(({ node, stream, messages, bytes }) => {
      const old = before.find((total) => total.node === node && total.stream === stream);
      return { origin: node, stream, messages: messages - (old?.messages ?? 0), bytes: bytes - (old?.bytes ?? 0) };
    })
    .filter(({ messages }) => messages > 0)
    .toSorted((a, b) => b.messages - a.messages);
}
