// How long a child waits before it dials again: decorrelated jitter, so that a whole site does not return in one second.
import { limits } from "../limits.ts";

/**
 * The next wait in milliseconds. `previousMs` is the wait before it (0: none yet), `outageMs` how long the parent has been away:
 * in the first minute the cap is low, because most outages are restarts. `jitter` is in [0, 1).
 */
export function nextWaitMs(previousMs: number, outageMs: number, jitter: number): number {
  const capMs = outageMs < limits.backoffEarlyMs ? limits.backoffMsMaxEarly : limits.backoffMsMaxLate;
  const reach = Math.max(previousMs, limits.backoffMsMin) * 3 - limits.backoffMsMin;
  return Math.min(capMs, Math.round(limits.backoffMsMin + jitter * reach));
}
