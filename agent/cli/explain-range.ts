// "Did I get everything of last night?" in sentences, with what is exact and what is not.
import type { RangeReport, StatusReport, StoredRange } from "#shared/reports.ts";
import { obstacleOf } from "./explain-stream.ts";
import { byMeaning, goneCount, lossWords } from "./loss-words.ts";
import { formatAgo, formatSince, formatTime } from "./quantities.ts";

/** Ranges that are named; of more only the number is said. */
const rangesMax = 20;

/** One paragraph. `withEpoch` when the name of the stream alone does not tell which one it is. */
export function explainRange(entry: RangeReport, status: StatusReport, withEpoch: boolean): string {
  const label = `${entry.origin}/${entry.stream}${withEpoch ? ` (epoch ${entry.epoch})` : ""}`;
  const span = `from ${formatTime(entry.from)} to ${formatTime(entry.to)}`;
  const sentences =
    entry.stored === undefined
      ? [
          `${label} ${span}: ${entry.here} durable at ${status.node.name} and not handed on yet, ${entry.lost} lost.`,
          aboveSentence(status),
        ]
      : [
          `${label} ${span}: ${countsOf(entry, entry.stored, status)}.`,
          ...missingSentences(entry, entry.stored, status),
        ];
  return [...sentences, ...lostSentences(entry), ...unknownSentences(entry, status), verdict(entry)].join(" ");
}

/** Whether everything that the origin published in the span is stored at the root that was asked. */
export function isComplete({ stored, here, lost, below, heardAt, to }: RangeReport): boolean {
  const isAllHere = stored !== undefined && stored.settled && stored.missing + here + lost + below === 0;
  return isAllHere && Date.parse(heardAt) >= Date.parse(to);
}

/** Whether messages are lost or missing, or the counts do not fit together. */
export function isFaulty(entry: RangeReport): boolean {
  const { stored } = entry;
  return goneCount(entry) > 0 || (stored !== undefined && (stored.missing > 0 || !stored.settled));
}

/** The root of the tree, as the node asked knows it. */
export function rootOf({ node, uplink }: StatusReport): string | undefined {
  if (uplink.state === "none") return node.name;
  return uplink.path.find((hop) => hop.uplink === "root")?.node;
}

function countsOf({ here, lost }: RangeReport, stored: StoredRange, { node }: StatusReport): string {
  const numbers = stored.numbers === undefined ? "" : ` (numbers ${rangeText(stored.numbers)})`;
  const rest = `${here} in the journal of ${node.name}, ${stored.missing} missing between them, ${lost} lost`;
  return `${stored.messages} stored here once each${numbers}, ${rest}`;
}

function aboveSentence(status: StatusReport): string {
  const root = rootOf(status);
  const where = root === undefined ? "the root of its tree" : root;
  return `What ${status.node.name} has handed on is known above, by its time at the root: ask ${where} with --http.`;
}

function missingSentences(entry: RangeReport, stored: StoredRange, status: StatusReport): readonly string[] {
  if (stored.missing === 0) return [];
  const obstacle = obstacleOf(entry.origin, status);
  const where =
    obstacle === undefined
      ? "no node on the way is known to be away"
      : obstacle === "unknown"
        ? `${status.node.name} does not know where ${entry.origin} is now`
        : `${obstacle.node} has been away since ${formatSince(obstacle.since, status.node.now)}`;
  return [`Known to be missing: ${listOf(stored.missingRanges.map(rangeText))}; ${where}.`];
}

function lostSentences({ lost, lostRanges }: RangeReport): readonly string[] {
  if (lost === 0) return [];
  const { lost: gone, renumbered } = byMeaning(lostRanges);
  return [
    ...(gone.length === 0 ? [] : [`Lost for good: ${listOf(gone.map(lostText))}.`]),
    ...(renumbered.length === 0 ? [] : [`Not lost: ${listOf(renumbered.map(lostText))}.`]),
  ];
}

function lostText({ from, to, reason, ...range }: RangeReport["lostRanges"][number]): string {
  const times = from === undefined || to === undefined ? "at an unknown time" : timesText(from, to);
  return `${rangeText(range)} (${lossWords(reason)}, ${times})`;
}

/** What could belong to the span without anybody here knowing it. */
function unknownSentences(entry: RangeReport, status: StatusReport): readonly string[] {
  const sentences: string[] = [];
  const { name, now } = status.node;
  const beside = entry.below - (entry.stored?.missing ?? 0);
  if (beside > 0) {
    const are = beside === 1 ? "is" : "are";
    sentences.push(`${beside} of its messages ${are} not at ${name} yet, and their times are not known here.`);
  }
  if (entry.origin !== name && Date.parse(entry.heardAt) < Date.parse(entry.to)) {
    const last =
      Date.parse(entry.heardAt) === 0
        ? "It has not been heard of"
        : `It was last heard of ${formatAgo(entry.heardAt, now)}`;
    sentences.push(`${last}: what it has published since is not known here.`);
  }
  return sentences;
}

function verdict(entry: RangeReport): string {
  const gaps =
    entry.lost === 0
      ? ""
      : " A gap has only the times of its first and last message, so that the number of lost ones is an upper bound.";
  if (entry.stored === undefined) return `These counts are of this moment.${gaps}`;
  if (!entry.stored.settled)
    return `Messages of that time arrived while they were counted: ask again for exact numbers.${gaps}`;
  const exact = `The counts of stored and of missing messages are exact.${gaps}`;
  return isComplete(entry) ? `You have everything that it published in that time. ${exact}` : exact;
}

function rangeText({ first, last }: { readonly first: number; readonly last: number }): string {
  return first === last ? String(first) : `${first}-${last}`;
}

function timesText(from: string, to: string): string {
  const [first, last] = [formatTime(from), formatTime(to)];
  return first === last ? first : `${first} to ${last}`;
}

function listOf(texts: readonly string[]): string {
  const more = texts.length > rangesMax ? ` and ${texts.length - rangesMax} more ranges` : "";
  return `${texts.slice(0, rangesMax).join(", ")}${more}`;
}
