// A Clock that stands still until a test moves it.
import type { Clock } from "#shared/system/clock.ts";

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Turns of the microtask queue that a woken sleeper gets before the next one wakes: enough for chains of a few dozen awaits. */
const turnsPerWake = 50;

export class FakeClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  readonly #sleepers = new Set<Sleeper>();

  /** `nowMs` is where the wall clock starts. */
  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  /** Sleepers that have not been woken. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  /** Moves the wall clock alone, as an operator or a time server does. */
  setWallClock(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(reasonOf(signal));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper: Sleeper = {
      atMs: this.#monotonicMs + Math.max(0, ms),
      wake: () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      },
    };
    const onAbort = (): void => {
      this.#sleepers.delete(sleeper);
      if (signal !== undefined) reject(reasonOf(signal));
    };
    this.#sleepers.add(sleeper);
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise;
  }

  /** Moves time on by `ms` and wakes everyone due, earliest first; what they do at once happens before the next one wakes. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await runMicrotasks();
    for (let next = this.#nextDue(endMs); next !== undefined; next = this.#nextDue(endMs)) {
      this.#moveTo(next.atMs);
      this.#sleepers.delete(next);
      next.wake();
      await runMicrotasks();
    }
    this.#moveTo(endMs);
  }

  /** In order of time, then of falling asleep. */
  #nextDue(endMs: number): Sleeper | undefined {
    let next: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.atMs <= endMs && (next === undefined || sleeper.atMs < next.atMs)) next = sleeper;
    }
    return next;
  }

  #moveTo(monotonicMs: number): void {
    this.#nowMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

async function runMicrotasks(): Promise<void> {
  for (let turn = 0; turn < turnsPerWake; turn++) await Promise.resolve();
}

function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error(String(reason));
}
