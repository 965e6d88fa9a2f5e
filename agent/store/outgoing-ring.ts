// Streams of one priority that have something to send, as they take turns: origin after origin, and within an origin stream after stream,
// so that neither a gigabyte nor a great number of streams gives one origin more than its share.
import type { StreamKey } from "./stream-key.ts";

export class OutgoingRing {
  /** In order of turns: the first key of each map is next. */
  readonly #streamsByOrigin = new Map<number, Set<number>>();

  /** How many origins take turns. */
  get origins(): number {
    return this.#streamsByOrigin.size;
  }

  /** Lets the stream take turns, behind those that do; no change when it does already. */
  add({ origin, stream }: StreamKey): void {
    const streams = this.#streamsByOrigin.get(origin);
    if (streams === undefined) this.#streamsByOrigin.set(origin, new Set([stream]));
    else streams.add(stream);
  }

  /** Takes out the next stream of the origin whose turn it is. */
  take(): StreamKey | undefined {
    for (const [origin, streams] of this.#streamsByOrigin) {
      for (const stream of streams) {
        streams.delete(stream);
        if (streams.size === 0) this.#streamsByOrigin.delete(origin);
        return { origin, stream };
      }
    }
    return undefined;
  }

  /** Ends the turn of that origin: all others come before it. */
  pass(origin: number): void {
    const streams = this.#streamsByOrigin.get(origin);
    if (streams === undefined) return;
    this.#streamsByOrigin.delete(origin);
    this.#streamsByOrigin.set(origin, streams);
  }

  clear(): void {
    this.#streamsByOrigin.clear();
  }
}
