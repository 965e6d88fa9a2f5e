// Whether durable publishes are refused. Streams of one node do not stand alike: there may be room for alarms and none for telemetry, and
// a notice that changed with every publish would tell nobody anything.
import type { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";

export class Refusals {
  readonly #monotonic: () => number;
  readonly #onChange: (refusing: FogbankError | null) => void;
  /** By stream, when it was refused last. */
  readonly #refused = new Map<number, number>();

  /** `onChange` hears the first refusal, and when no stream is refused any more. */
  constructor(monotonic: () => number, onChange: (refusing: FogbankError | null) => void) {
    this.#monotonic = monotonic;
    this.#onChange = onChange;
  }

  /** `failed`: why the stream's messages were refused; null: they are stored. */
  settled(streamId: number, failed: FogbankError | null): void {
    const wasRefusing = this.#refused.size > 0;
    if (failed !== null) {
      this.#refused.set(streamId, this.#monotonic());
      if (!wasRefusing) this.#onChange(failed);
      return;
    }
    if (!wasRefusing) return;
    this.#refused.delete(streamId);
    const since = this.#monotonic() - limits.refusalStandsMs;
    // Of one that is published no more nobody would ever hear that it has room again.
    for (const [other, atMs] of this.#refused) if (atMs < since) this.#refused.delete(other);
    if (this.#refused.size === 0) this.#onChange(null);
  }
}
