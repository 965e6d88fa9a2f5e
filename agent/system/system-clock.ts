// The real clock: the only place with timers.
import { setTimeout as wait } from "node:timers/promises";
import type { Clock } from "#shared/system/clock.ts";

/** Since the system was started, where it tells: comparable between processes of one boot. */
const processStartMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => processStartMs + performance.now(),
  sleep,
};

/** Longest delay of a timer of the runtime; it fires at once beyond that. */
const timerMsMax = 2 ** 31 - 1;

async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  for (let leftMs = Math.max(0, ms); ; leftMs -= timerMsMax) {
    try {
      await wait(Math.min(leftMs, timerMsMax), undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      signal?.throwIfAborted(); // the signal's own reason instead of the timer's error around it
      throw error;
    }
    if (leftMs <= timerMsMax) return;
  }
}
