// Lets clients in at a bounded rate: when thousands come at once each waits for its turn, and the rest of the node goes on.
import { limits } from "#shared/limits.ts";

export class ConnectGate {
  readonly #waiting: (() => void)[] = [];
  #tokens: number = limits.connectsBurst;
  #refilledMs: number;

  constructor(nowMs: number) {
    this.#refilledMs = nowMs;
  }

  /** Waiting for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Calls `admit` now or later. */
  enter(nowMs: number, admit: () => void): void {
    this.#waiting.push(admit);
    this.release(nowMs);
  }

  /** Lets in as many as the time since the last call allows. */
  release(nowMs: number): void {
    const grown = ((nowMs - this.#refilledMs) * limits.connectsPerSecond) / 1_000;
    this.#tokens = Math.min(limits.connectsBurst, this.#tokens + grown);
    this.#refilledMs = nowMs;
    let admitted = 0;
    for (; admitted < this.#waiting.length && this.#tokens >= 1; admitted++) {
      this.#tokens--;
      this.#waiting[admitted]?.();
    }
    this.#waiting.splice(0, admitted);
  }
}
