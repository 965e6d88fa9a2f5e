// Time as the program sees it. Only the real clock in agent/system touches timers.

export interface Clock {
  /** Wall-clock milliseconds since 1970: for stamps that people read. */
  now(): number;
  /** Milliseconds that never step, on one scale for all processes of one start of the machine: for time-outs, ages and back-off. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
