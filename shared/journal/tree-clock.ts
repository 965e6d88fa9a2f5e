// A node's time as offsets to its monotonic clock, which never steps. Time flows down the tree: a root has its own, everybody else
// what the parent last said. Until that has been heard, and while the parent itself has not heard of a root, the wall clock as it
// stood when the program started has to do; what is stamped by it is marked, and repaired when the tree's time is known.

export interface Frame {
  /** Milliseconds since 1970 minus those of the monotonic clock. */
  readonly offsetMs: number;
  /** It stems from a root. */
  readonly synced: boolean;
}

export interface TreeClock {
  /** The frame that is shared with the parent and told to the children: deadlines are written in it. */
  readonly common: Frame;
  /** The frame by which messages are stamped: one that stemmed from a root is kept, whatever a parent without one says later. */
  readonly stamps: Frame;
}

/** A frame that a segment was stamped in, with the start of the operating system in which its monotonic clock counts. */
export interface ClockRow {
  readonly bootId: string;
  readonly offsetMs: number;
}

/** How the times of a segment are to be changed before it is handed on. */
export interface Repair {
  readonly shiftMs: number;
  /** Afterwards they are the tree's. If not, the segment is marked. */
  readonly synced: boolean;
  /** To be set on the segment. */
  readonly isAdrift: boolean;
}

/** A frame of a parent that has not heard of a root is followed in steps: each one that is used to stamp becomes a row. */
const unsyncedStepMs = 250;

export function clockAtStart(wallMs: number, monotonicMs: number): TreeClock {
  const frame = { offsetMs: Math.round(wallMs - monotonicMs), synced: false };
  return { common: frame, stamps: frame };
}

/** The parent says that it is `parentMs` now. */
export function clockAfter(clock: TreeClock, parentMs: number, synced: boolean, monotonicMs: number): TreeClock {
  const offsetMs = Math.round(parentMs - monotonicMs);
  if (synced) return { common: { offsetMs, synced }, stamps: { offsetMs, synced } };
  const stays = !clock.common.synced && Math.abs(offsetMs - clock.common.offsetMs) < unsyncedStepMs;
  const common = stays ? clock.common : { offsetMs, synced };
  return { common, stamps: clock.stamps.synced ? clock.stamps : common };
}

/** What to do with a segment that was stamped in the frame `row`, in the boot `bootId`, now that messages are stamped by `stamps`. */
export function repairOf(row: ClockRow, bootId: string, stamps: Frame): Repair {
  // Nothing tells how much time lies between two boots.
  if (row.bootId !== bootId) return { shiftMs: 0, synced: false, isAdrift: true };
  return { shiftMs: stamps.offsetMs - row.offsetMs, synced: stamps.synced, isAdrift: false };
}
