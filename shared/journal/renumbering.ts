// A database that is found to be an older copy, or a clone, goes on under a new epoch. What becomes of the numbers of the old one,
// so that every one of them ends somewhere:
//
//   the parent has it                    delivered: by this database, or by the one that it is a copy of
//   stored here, not acknowledged        the message gets a number of the new epoch; the old number is named as lost, "renumbered"
//   above the highest one given here,
//   not at the parent                    named as lost, "presumed lost": should it come after all, ingest takes that back
import { addInterval, countIntervals, highestOf, missingFrom, type IntervalSet } from "./interval-set.ts";

export interface OldEpoch {
  /** What this node's own row has to cover from now on. */
  readonly ranges: IntervalSet;
  /** Numbers that this database had not given and the parent has. */
  readonly delivered: number;
  readonly presumedLost: IntervalSet;
}

/** `given`: numbers that this database knows of. `held`: what the parent has, of which `isCut` says that lower ranges were left out. */
export function closeEpoch(given: IntervalSet, held: IntervalSet, isCut: boolean): OldEpoch {
  const both = held.reduce((set, [first, last]) => addInterval(set, first, last), given);
  const from = Math.max(highestOf(given) + 1, isCut ? (held[0]?.[0] ?? 1) : 1);
  const presumedLost = missingFrom(both, from, highestOf(both));
  const ranges = presumedLost.reduce((set, [first, last]) => addInterval(set, first, last), both);
  return { ranges, delivered: countIntervals(both) - countIntervals(given), presumedLost };
}
