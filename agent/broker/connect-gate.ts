// Lets clients in at a bounded rate: when thousands come at once each waits for its turn, and the rest of the node goes on.
import { limits } from "#shared/limits.ts";

export class ConnectGate<C> {
  /** In the order in which they came. */
  readonly #waiting = new Map<C, () => void>();
  #tokens: number = limits.connectsBurst;
  #refilledMs: number;

  constructor(nowMs: number) {
    this.#refilledMs = nowMs;
  }

  /** Waiting for their turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Calls `admit` now or later. */
  enter(nowMs: number, connection: C, admit: () => void): void {
    this.#waiting.set(connection, admit);
    this.release(nowMs);
  }

  /** It is gone: its turn is somebody else's. */
  leave(connection: C): void {
    this.#waiting.delete(connection);
  }

  /** Lets in as many as the time since the last call allows. */
  release(nowMs: number): void {
    const grown = ((nowMs - this.#refilledMs) * limits.connectsPerSecond) / 1_000;
    this.#tokens = Math.min(limits.connectsBurst, this.#tokens + grown);
    this.#refilledMs = nowMs;
    for (const [connection, admit] of this.#waiting) {
      if (this.#tokens < 1) return;
      this.#tokens--;
      this.#waiting.delete(connection);
      admit();
    }
  }
}
