// The journal's work in the background, in small portions: what is too old goes, small segments become full ones, and what had to be
// given up for want of room is told.
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";
import type { RemovedTotal } from "../store/segment-removal.ts";
import type { GivenUp, JournalNotices } from "./notices.ts";

export interface UpkeepDeps {
  readonly store: Pick<NodeStore, "write" | "read">;
  readonly notices: Pick<JournalNotices, "evicting">;
  readonly clock: Clock;
  /** Time of the tree, milliseconds since 1970: what stamps and ages go by. */
  treeNow(): number;
  readonly log: Logger;
}

/** How often it looks, which is also how often evictions are told at most. */
const lookMs = 5_000;
const expireMs = 60_000;
/** Without another eviction for this long it is over. */
const calmMs = 60_000;

/** Works until it is disposed. */
export function startUpkeep(deps: UpkeepDeps): AsyncDisposable {
  const { store, clock, log } = deps;
  const stop = new AbortController();
  const pressure = createPressure(deps.notices, () => clock.monotonic());
  const working = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await working;
    },
  };

  async function run(): Promise<void> {
    let expireAtMs = 0;
    let isFailing = false;
    while (!stop.signal.aborted) {
      try {
        if (clock.monotonic() >= expireAtMs) {
          expireAtMs = clock.monotonic() + expireMs;
          await untilDone(async () => (await store.write("expire", { nowMs: deps.treeNow() }, "lazy")).more);
        }
        await untilDone(() => store.write("compact", {}, "lazy"));
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

  async function untilDone(portion: () => Promise<boolean>): Promise<void> {
    while (!stop.signal.aborted && (await portion()));
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
