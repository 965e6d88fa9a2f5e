// Drives one call at several levels (shared/level/level-call.ts): feeds events in, performs the effects, watches the time.
import {
  nextTickMs,
  stepLevelCall,
  type LevelCall,
  type LevelCallEffect,
  type LevelCallEvent,
} from "#shared/level/level-call.ts";
import type { Clock } from "#shared/system/clock.ts";

export class OpenLevelCall {
  readonly #clock: Clock;
  readonly #perform: (effect: LevelCallEffect) => void;
  #call: LevelCall;
  /** The first one is being dealt with. */
  readonly #events: LevelCallEvent[] = [];
  #sleep = new AbortController();
  #wakesAtMs = Number.POSITIVE_INFINITY;

  /** Nothing happens before the first event. */
  constructor(clock: Clock, call: LevelCall, perform: (effect: LevelCallEffect) => void) {
    this.#clock = clock;
    this.#call = call;
    this.#perform = perform;
  }

  /** What an effect leads to at once comes after the effects before it. */
  dispatch(event: LevelCallEvent): void {
    this.#events.push(event);
    if (this.#events.length > 1) return;
    for (let next: LevelCallEvent | undefined = event; next !== undefined; next = this.#events[0]) {
      const [call, effects] = stepLevelCall(this.#call, next, this.#clock.monotonic());
      this.#call = call;
      for (const effect of effects) this.#perform(effect);
      this.#events.shift();
    }
    this.#arm();
  }

  #arm(): void {
    const atMs = this.#call.isFinished ? Number.POSITIVE_INFINITY : nextTickMs(this.#call);
    if (atMs === this.#wakesAtMs) return;
    this.#wakesAtMs = atMs;
    this.#sleep.abort();
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#sleep = new AbortController();
    const { signal } = this.#sleep;
    this.#clock.sleep(Math.max(0, atMs - this.#clock.monotonic()), signal).then(
      () => {
        if (signal.aborted) return;
        this.#wakesAtMs = Number.POSITIVE_INFINITY;
        this.dispatch({ type: "tick" });
      },
      () => undefined,
    );
  }
}
