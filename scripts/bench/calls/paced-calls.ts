// Calls at a fixed rate, whatever comes of them, and how long each took.
import { setTimeout as sleep } from "node:timers/promises";
import type { Figures } from "../benchmark.ts";
import { Samples } from "../percentiles.ts";
import { monotonicMs } from "../process-usage.ts";

/** Resolves with the time at which the answer was read, and whether it was the right one. */
export type OneCall = () => Promise<{ readonly atMs: number; readonly isDone: boolean }>;

const warmUpMs = 1_000;

/** `perSecond` calls begin at even distances for `measureMs`; a second of the same comes before, and does not count. */
export async function pacedCalls(call: OneCall, perSecond: number, measureMs: number): Promise<Figures> {
  await pace(call, perSecond, warmUpMs);
  const answers = await pace(call, perSecond, measureMs);
  const samples = new Samples();
  for (const { ms } of answers) samples.add(ms);
  const unanswered = answers.filter(({ isDone }) => !isDone).length;
  return { ...samples.latency(), calls: answers.length, unanswered };
}

async function pace(call: OneCall, perSecond: number, ms: number): Promise<readonly { ms: number; isDone: boolean }[]> {
  const startMs = monotonicMs();
  const all: Promise<{ ms: number; isDone: boolean }>[] = [];
  const count = Math.round((perSecond * ms) / 1000);
  for (let number = 0; number < count; number++) {
    const waitMs = startMs + (number * 1000) / perSecond - monotonicMs();
    if (waitMs > 0) await sleep(waitMs);
    const begunMs = monotonicMs();
    all.push(call().then(({ atMs, isDone }) => ({ ms: atMs - begunMs, isDone })));
  }
  return Promise.all(all);
}
