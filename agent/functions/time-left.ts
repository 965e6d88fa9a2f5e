// How long somebody waits for an answer, as those who run a function are told.
import type { Clock } from "#shared/system/clock.ts";

export interface TimeLeft {
  /** Whole milliseconds, 0 at least. */
  readonly ttlMs: number;
  /** The same by the wall clock of this machine, ISO 8601: programs on it have no other. */
  readonly deadline: string;
}

/** `dueMs`: on the clock that never steps. */
export function timeLeft(clock: Pick<Clock, "now" | "monotonic">, dueMs: number): TimeLeft {
  const ttlMs = Math.max(0, Math.round(dueMs - clock.monotonic()));
  return { ttlMs, deadline: new Date(clock.now() + ttlMs).toISOString() };
}
