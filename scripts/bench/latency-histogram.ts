// Latencies by the million: counted in steps of at most 1.6 %, in fixed memory. Pure.
import type { LatencyMs } from "./percentiles.ts";

const stepBits = 6;
const steps = 1 << stepBits;
const microsMax = 2 ** 31 - 1;

export class LatencyHistogram {
  readonly #counts = new Float64Array(steps * (32 - stepBits + 1));
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    const micros = Math.max(0, Math.min(microsMax, Math.round(ms * 1000)));
    const bucket = bucketOf(micros);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count++;
  }

  /** Nearest rank; NaN of nothing. */
  latency(): LatencyMs {
    return { p50: this.#percentile(0.5), p90: this.#percentile(0.9), p99: this.#percentile(0.99) };
  }

  #percentile(share: number): number {
    let left = Math.max(1, Math.ceil(share * this.#count));
    for (const [bucket, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0) return middleOf(bucket) / 1000;
    }
    return Number.NaN;
  }
}

/** Below `2 * steps` every microsecond has its own; above, each power of two has `steps` of them. */
function bucketOf(micros: number): number {
  const shift = Math.max(0, 31 - stepBits - Math.clz32(micros));
  return shift * steps + (micros >> shift);
}

function middleOf(bucket: number): number {
  const shift = Math.max(0, Math.floor(bucket / steps) - 1);
  return (bucket - shift * steps + 0.5) * 2 ** shift - 0.5;
}
