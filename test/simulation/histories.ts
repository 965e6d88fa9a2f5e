// Many histories at once: each runs on one thread, of which there are as many as processors, up to a few.
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { FaultName } from "./faults.ts";
import type { HistoryReport } from "./history.ts";

export interface HistoriesSetting {
  readonly steps: number;
  readonly faults: readonly FaultName[];
}

interface Histories extends HistoriesSetting {
  /** The first seed, and how many. */
  readonly from: number;
  readonly count: number;
}

/** Each has a heap of its own. */
const threadsMax = 8;

/** Of each seed in turn, its report, up to the first that fails. Ends when what is under way is over. */
export async function* runHistories({
  from,
  count,
  steps,
  faults,
}: Histories): AsyncGenerator<{ readonly seed: number; readonly report: HistoryReport }> {
  const setting: HistoriesSetting = { steps, faults };
  const reports = new Map<number, PromiseWithResolvers<HistoryReport>>();
  const reportOf = (seed: number): PromiseWithResolvers<HistoryReport> => {
    const known = reports.get(seed) ?? Promise.withResolvers<HistoryReport>();
    reports.set(seed, known);
    return known;
  };
  let nextSeed = from;
  let endSeed = from + count;
  const work = async (): Promise<void> => {
    const thread = new Worker(new URL("./history-worker.ts", import.meta.url), { workerData: setting });
    while (nextSeed < endSeed) {
      const seed = nextSeed++;
      const { promise, resolve, reject } = reportOf(seed);
      promise.catch(() => undefined); // it is looked at in its turn
      thread.postMessage(seed, []);
      try {
        resolve(((await once(thread, "message")) as [HistoryReport])[0]);
      } catch (error) {
        reject(error);
        break;
      }
    }
    await thread.terminate();
  };
  const threads = Array.from({ length: Math.min(availableParallelism(), threadsMax, count) }, work);
  try {
    for (let seed = from; seed < from + count; seed++) {
      const report = await reportOf(seed).promise;
      reports.delete(seed);
      if (report.failure !== undefined) endSeed = 0;
      yield { seed, report };
      if (report.failure !== undefined) return;
    }
  } finally {
    endSeed = 0;
    await Promise.all(threads);
  }
}
