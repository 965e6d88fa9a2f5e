// The clock of one machine of a tree: time passes as on the others, but its wall clock and its start are its own.
import type { Clock } from "#shared/system/clock.ts";

export class MachineClock implements Clock {
  readonly #base: Clock;
  #wallOffsetMs = 0;
  #bootedAtMs = 0;

  constructor(base: Clock) {
    this.#base = base;
  }

  now(): number {
    return this.#base.now() + this.#wallOffsetMs;
  }

  monotonic(): number {
    return this.#base.monotonic() - this.#bootedAtMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#base.sleep(ms, signal);
  }

  setWallClock(nowMs: number): void {
    this.#wallOffsetMs = nowMs - this.#base.now();
  }

  reboot(): void {
    this.#bootedAtMs = this.#base.monotonic();
  }
}
