// Drives shared/journal/tree-clock: a node's time is what its parent last said plus what has passed since; only a root trusts its own.
import { clockAfter, clockAtStart, type Frame } from "#shared/journal/tree-clock.ts";
import type { Clock } from "#shared/system/clock.ts";

export interface TreeTime {
  /** Milliseconds since 1970, shared with the parent and the children: for deadlines. */
  now(): number;
  /** Whether that stems from a root. */
  synced(): boolean;
  /** The parent says that it is `parentNowMs` now, and whether that stems from a root. */
  learn(parentNowMs: number, synced: boolean): void;
  /** Milliseconds since 1970 to stamp a message with. */
  stamp(): number;
  /** The frame of `stamp`, in which older stamps are repaired. */
  stamps(): Frame;
  /** Offset of the time that the children were last told while it did not stem from a root. */
  unsyncedOffsetMs(): number | undefined;
}

/** A root's clock may step: nothing remembers where it was. Everybody else reads the wall clock once, here. */
export function createTreeTime(clock: Clock, isRoot: boolean): TreeTime {
  if (isRoot) {
    return {
      now: () => clock.now(),
      synced: () => true,
      learn: () => undefined,
      stamp: () => clock.now(),
      stamps: () => ({ offsetMs: Math.round(clock.now() - clock.monotonic()), synced: true }),
      unsyncedOffsetMs: () => undefined,
    };
  }
  let state = clockAtStart(clock.now(), clock.monotonic());
  let unsyncedOffsetMs = state.common.offsetMs;
  const timeIn = ({ offsetMs }: Frame): number => Math.max(0, Math.round(clock.monotonic() + offsetMs));
  return {
    now: () => timeIn(state.common),
    synced: () => state.common.synced,
    learn(parentNowMs, synced) {
      state = clockAfter(state, parentNowMs, synced, clock.monotonic());
      if (!state.common.synced) unsyncedOffsetMs = state.common.offsetMs;
    },
    stamp: () => timeIn(state.stamps),
    stamps: () => state.stamps,
    unsyncedOffsetMs: () => unsyncedOffsetMs,
  };
}

/** `clock` with the tree's time for its wall clock: for whoever stamps messages. */
export function stampingClock(clock: Clock, time: Pick<TreeTime, "stamp">): Clock {
  return {
    now: () => time.stamp(),
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  };
}
