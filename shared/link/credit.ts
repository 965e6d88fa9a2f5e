// How many unacknowledged bytes a parent lets each child have in flight.
import { limits } from "../limits.ts";

/** Bytes for one of `children` senders while `waitingBytes` wait for their commit. 0: the store has no room. */
export function creditBytes(children: number, waitingBytes: number, storeIsFull: boolean): number {
  if (storeIsFull) return 0;
  const free = Math.max(0, limits.ingestBytes - waitingBytes);
  return Math.max(limits.creditBytesMin, Math.floor(free / Math.max(1, children)));
}
