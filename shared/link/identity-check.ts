// Whether a node's database is the only one that has given the numbers of its epochs, as far as what its parent holds can show.
import { highestOf } from "../journal/interval-set.ts";
import type { Holding, SegmentMark } from "./hello.ts";

/** `older-copy`: the parent has numbers that were not given here yet. `clone`: it has other messages under the same numbers. */
export type IdentityFault = "older-copy" | "clone";

/** What a node knows of one of its own streams, in one of its epochs. */
export interface OwnNumbers {
  readonly epoch: number;
  readonly streamId: number;
  /** The highest number that was given. */
  readonly high: number;
  /** The highest one that others can have from this database: what was numbered since it has had no parent is above. */
  readonly offered: number;
  /** Messages of that epoch are stored that the parent has not acknowledged. */
  readonly isWaiting: boolean;
}

export type OwnMark = SegmentMark & { readonly epoch: number };

export interface FoundFault {
  readonly fault: IdentityFault;
  /** Of whose numbers it was found. */
  readonly epoch: number;
}

/**
 * `present`: the epoch that numbers are given in. Those of an older epoch that waits for nothing are above or gone, and nothing follows
 * from them. `marks`: of own segments that can be compared; one that is not known is no evidence.
 */
export function identityFault(
  present: number,
  own: readonly OwnNumbers[],
  holds: readonly Holding[],
  marks: readonly OwnMark[],
): FoundFault | undefined {
  const all = holds.map((held) => ({ held, numbers: own.find((one) => isSameStream(one, held)) }));
  const compared = all.filter(({ held, numbers }) => held.epoch === present || numbers?.isWaiting === true);
  const behind = compared.find(({ held, numbers }) => isBehind(held, numbers, present));
  if (behind !== undefined) return { fault: "older-copy", epoch: behind.held.epoch };
  const other = compared.find(({ held }) => {
    // Where segments were cut otherwise their checksums say nothing.
    const { mark } = held;
    const same = marks.find((one) => isSameStream(one, held) && one.last === mark?.last && one.items === mark.items);
    return same !== undefined && same.crc !== mark?.crc;
  });
  return other === undefined ? undefined : { fault: "clone", epoch: other.held.epoch };
}

/**
 * In an older epoch it matters only where numbers were given since anything was sent: below that this database has the messages that the
 * other one had, as a backup that was put back has.
 */
function isBehind({ ranges, epoch }: Holding, numbers: OwnNumbers | undefined, present: number): boolean {
  const { high = 0, offered = 0 } = numbers ?? {};
  return highestOf(ranges) > offered && (epoch === present || high > offered);
}

function isSameStream(
  a: { readonly epoch: number; readonly streamId: number },
  b: { readonly epoch: number; readonly streamId: number },
): boolean {
  return a.epoch === b.epoch && a.streamId === b.streamId;
}
