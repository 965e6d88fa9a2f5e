// What became of numbers that no message will have, in words.
import type { LossReason } from "#shared/journal/segment.ts";

interface LostRange {
  readonly reason: LossReason;
}

/** A reason as it stands in brackets behind a range. */
export function lossWords(reason: LossReason): string {
  if (reason === "presumed-lost") return "presumed lost";
  if (reason === "kept-below") return "stored at a node that was the root: ask it";
  if (reason === "store-lost") return "lost with the documents";
  return reason === "renumbered" ? "came under new numbers" : reason;
}

/** Those whose messages are lost, and those whose messages have other numbers now, or are kept elsewhere. */
export function byMeaning<Range extends LostRange>(
  ranges: readonly Range[],
): { readonly lost: readonly Range[]; readonly renumbered: readonly Range[] } {
  const isKept = ({ reason }: LostRange): boolean => reason === "renumbered" || reason === "kept-below";
  return { lost: ranges.filter((range) => !isKept(range)), renumbered: ranges.filter(isKept) };
}

/** How many of the numbers that count as lost stand for messages that are. Ranges that are not listed do. */
export function goneCount({
  lost,
  lostRanges,
}: {
  readonly lost: number;
  readonly lostRanges: readonly (LostRange & { readonly first: number; readonly last: number })[];
}): number {
  const { renumbered } = byMeaning(lostRanges);
  return Math.max(0, lost - renumbered.reduce((sum, { first, last }) => sum + last - first + 1, 0));
}
