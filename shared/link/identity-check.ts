// Whether a node's database is the only one that has given numbers in its epoch, as far as what its parent holds can show.
import { highestOf } from "../journal/interval-set.ts";
import type { Holding, SegmentMark } from "./hello.ts";

/** `older-copy`: the parent has numbers that were not given here yet. `clone`: it has other messages under the same numbers. */
export type IdentityFault = "older-copy" | "clone";

/**
 * `given`: the highest number of each stream of `epoch` that the parent can have from here. `known`: marks of own segments that can be compared;
 * one that is not known is no evidence.
 */
export function identityFault(
  epoch: number,
  given: ReadonlyMap<number, number>,
  holds: readonly Holding[],
  known: readonly SegmentMark[],
): IdentityFault | undefined {
  const own = holds.filter((held) => held.epoch === epoch);
  if (own.some(({ streamId, ranges }) => highestOf(ranges) > (given.get(streamId) ?? 0))) return "older-copy";
  for (const { streamId, mark } of own) {
    // Where segments were cut otherwise their checksums say nothing.
    const same = known.find((one) => one.streamId === streamId && one.last === mark?.last && one.items === mark.items);
    if (same !== undefined && same.crc !== mark?.crc) return "clone";
  }
  return undefined;
}
