// Events at QoS 0 that are not followed any more: what is repeated within its life is not told again. In memory, the last ones only.
import { limits } from "../limits.ts";

export class ToldEvents {
  /** When each may come again, on the clock that never steps, in the order in which they ended. */
  readonly #untilMs = new Map<string, number>();

  add(id: string, untilMs: number): void {
    this.#untilMs.delete(id);
    this.#untilMs.set(id, untilMs);
    if (this.#untilMs.size <= limits.openCalls) return;
    const [oldest] = this.#untilMs.keys();
    if (oldest !== undefined) this.#untilMs.delete(oldest);
  }

  has(id: string, monotonicMs: number): boolean {
    const untilMs = this.#untilMs.get(id);
    return untilMs !== undefined && monotonicMs < untilMs;
  }
}
