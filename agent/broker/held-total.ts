// What clients have sent and still wait for, over all connections: beyond the node's bound whoever sends more is not read.
import { limits } from "#shared/limits.ts";

/** As much of a connection as is needed here. */
interface Holder {
  pause(): void;
  resumeIfRoom(): void;
}

export class HeldTotal {
  readonly #paused = new Set<Holder>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#paused.size === 0 || this.#bytes > limits.heldBytesOfNode / 2) return;
    const paused = [...this.#paused];
    this.#paused.clear();
    for (const holder of paused) holder.resumeIfRoom();
  }

  /** Stops reading from `holder` when there is no room. */
  check(holder: Holder): void {
    if (this.#bytes <= limits.heldBytesOfNode) return;
    this.#paused.add(holder);
    holder.pause();
  }

  forget(holder: Holder): void {
    this.#paused.delete(holder);
  }
}
