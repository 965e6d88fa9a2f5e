// Waiting with an end: a time, or the caller's signal.
import { FogbankClientError } from "./client-error.ts";

/** The longest that timers of JavaScript can be set to. */
const timerMsMax = 0x7fff_ffff;

export interface Patience {
  readonly ms: number;
  readonly signal?: AbortSignal | undefined;
  /** What the time-out error says. */
  readonly late: string;
}

/** Settles as `work` does; rejects with `timeout` when it takes longer, and with `cancelled` when the signal aborts. `work` goes on. */
export function within<T>(work: Promise<T>, { ms, signal, late }: Patience): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new FogbankClientError("timeout", late)), Math.min(ms, timerMsMax));
    const onAbort = (): void => reject(cancelled(signal?.reason));
    const over = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(over);
  });
}

/** First and longest wait before the next attempt to connect, milliseconds. */
export interface Backoff {
  readonly first: number;
  readonly longest: number;
}

/** A node that starts again is back in seconds, and calls wait for the program: it comes back soon after. */
export const usualBackoff: Backoff = { first: 100, longest: 5_000 };

/** Milliseconds until the next attempt. `chance`, from 0 to 1: clients that have lost the same node come back spread out. */
export function attemptInMs({ first, longest }: Backoff, failed: number, chance: number): number {
  return chance * Math.min(longest, first * 2 ** Math.min(failed, 30));
}

/** Resolves after `ms`, or earlier when `signal` aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
  });
}

/** Calls `work` after `ms`, unless it is disposed before. */
export function later(ms: number, work: () => void): Disposable {
  const timer = setTimeout(work, Math.max(0, Math.min(ms, timerMsMax)));
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

function cancelled(cause: unknown): FogbankClientError {
  return new FogbankClientError("cancelled", "the wait was given up by the caller", { cause });
}
