// How many unacknowledged bytes a parent lets each child have in flight.
import { limits } from "../limits.ts";

/** As Welcome, acknowledgement and heartbeat carry it. */
export interface Credit {
  readonly creditBytes: number;
  /** What P0 may have in flight while the credit is 0. */
  readonly urgentCreditBytes?: number;
}

/** How much of the parent's store is taken: `scarce` takes only P0, `full` nothing. */
export type StoreRoom = "free" | "scarce" | "full";

/** For one of `children` senders while `waitingBytes` wait for their commit. */
export function creditOf(children: number, waitingBytes: number, room: StoreRoom): Credit {
  if (room === "full") return { creditBytes: 0 };
  const free = Math.max(0, limits.ingestBytes - waitingBytes);
  const bytes = Math.max(limits.creditBytesMin, Math.floor(free / Math.max(1, children)));
  return room === "scarce" ? { creditBytes: 0, urgentCreditBytes: bytes } : { creditBytes: bytes };
}
