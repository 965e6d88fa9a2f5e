// One node's view of the virtual time: a wall clock of its own that may be wrong, and sleepers that die with the node.
import type { Clock } from "#shared/system/clock.ts";

export class NodeClock implements Clock {
  readonly #shared: Clock;
  readonly #wrongByMs: () => number;
  #hasStopped = false;

  /** `wrongByMs`: what this node's wall clock adds to the true time. */
  constructor(shared: Clock, wrongByMs: () => number) {
    this.#shared = shared;
    this.#wrongByMs = wrongByMs;
  }

  now(): number {
    return this.#shared.now() + this.#wrongByMs();
  }

  monotonic(): number {
    return this.#shared.monotonic();
  }

  /** The node is dead: whoever sleeps, or goes to sleep, never wakes, and is not told. */
  stop(): void {
    this.#hasStopped = true;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#hasStopped) return new Promise(() => undefined);
    return new Promise((resolve, reject) => {
      this.#shared.sleep(ms, signal).then(
        () => {
          if (!this.#hasStopped) resolve();
        },
        (reason: unknown) => {
          if (!this.#hasStopped) reject(reason instanceof Error ? reason : new Error(String(reason)));
        },
      );
    });
  }
}
