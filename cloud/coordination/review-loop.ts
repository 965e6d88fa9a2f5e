// Looks at what the coordinator has now, again whenever something may have changed, and after a while where it could not look: one look at
// a time, and no change is left out.
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";

/** After a look that failed. */
const retryMs = 500;

export class ReviewLoop {
  readonly #review: () => Promise<void>;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #news = Promise.withResolvers<void>();

  /** Begins at once. What `review` rejects with must be a FogbankError. */
  constructor(clock: Clock, review: () => Promise<void>) {
    this.#clock = clock;
    this.#review = review;
    this.#done = this.#run();
  }

  /** Something may have changed. */
  news(): void {
    this.#news.resolve();
  }

  /** Resolves when no look is under way; there is none after it. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#news.resolve();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#news = Promise.withResolvers<void>();
      try {
        await this.#review();
        await this.#news.promise;
      } catch (error) {
        if (!(error instanceof FogbankError)) throw error;
        const waited = new AbortController();
        const pause = this.#clock.sleep(retryMs, AbortSignal.any([signal, waited.signal]));
        await Promise.race([pause.catch(() => undefined), this.#news.promise]);
        waited.abort();
      }
    }
  }
}
