// "Did I get everything?" in sentences, from the accounts of a stream and from what the node asked knows of the tree.
import type { AccountingReport, BelowReport, StatusReport } from "#shared/reports.ts";
import { limits } from "#shared/limits.ts";
import { byMeaning, goneCount, lossWords } from "./loss-words.ts";
import { formatAgo, formatSince } from "./quantities.ts";

/** Ranges that are named; of more only the number is said. */
const rangesMax = 20;
/** Hops between an origin and the node asked; more are a report that contradicts itself. */
const hopsMax = 64;
const presumedLostDays = limits.presumedLostMs / 86_400_000;

/** One paragraph. `withEpoch` when the name of the stream alone does not tell which one it is. */
export function explainStream(entry: AccountingReport, status: StatusReport, withEpoch: boolean): string {
  const label = `${entry.origin}/${entry.stream}${withEpoch ? ` (epoch ${entry.epoch})` : ""}`;
  const published = entry.next - 1;
  const { stored, lost, here, below } = entry;
  if (!isBalanced(entry)) {
    return (
      `${label}: THE ACCOUNTS DO NOT BALANCE: ${published} published, but ${stored} ${doneWith(status)} + ${lost} lost + ` +
      `${here} here + ${below} not arrived = ${stored + lost + here + below}. Do not trust these numbers: keep the data ` +
      `directory of ${status.node.name} as it is, and report this.`
    );
  }
  const sentences = [
    `${label}: ${published} published, ${stored} ${doneWith(status)}, ${lost} lost, ${here + below} on the way.`,
    ...lostSentences(entry),
    ...pendingSentences(entry, status),
    verdict(entry, status),
  ];
  return sentences.join(" ");
}

/** Whether every published number is in exactly one place. */
export function isBalanced({ next, stored, lost, here, below, balanced }: AccountingReport): boolean {
  return balanced && stored + lost + here + below === next - 1;
}

/** Whether messages are lost or nobody is known who will send them, or the numbers do not sum up. */
export function isFaulty(entry: AccountingReport): boolean {
  return goneCount(entry) > 0 || (entry.overdue ?? 0) > 0 || !isBalanced(entry);
}

/** The node nearest to the one asked that is away, on the way up from `origin`; "unknown" when the way itself is not known. */
export function obstacleOf(origin: string, { node, below }: StatusReport): BelowReport | "unknown" | undefined {
  const placesByNode = Map.groupBy(below, (entry) => entry.node);
  let obstacle: BelowReport | undefined;
  let at = origin;
  for (let hops = 0; at !== node.name; hops++) {
    const places = placesByNode.get(at) ?? [];
    const place = places.find(({ state }) => state === "online") ?? places[0];
    if (place === undefined || hops > hopsMax) return "unknown";
    if (place.state !== "online") obstacle = place;
    at = place.parent;
  }
  return obstacle;
}

/** The parent of the node asked, as people call it. */
export function parentOf({ uplink }: StatusReport): string {
  return uplink.path[0]?.node ?? "its parent";
}

function doneWith(status: StatusReport): string {
  return status.uplink.state === "none" ? "stored here once each" : `handed on to ${parentOf(status)}`;
}

function lostSentences({ lost, lostRanges }: AccountingReport): readonly string[] {
  if (lost === 0) return [];
  if (lostRanges.length === 0) return ["Lost for good: numbers that are not known here."];
  const { lost: gone, renumbered } = byMeaning(lostRanges);
  return [
    ...(gone.length === 0 ? [] : [`Lost for good: ${listOf(gone)}.`]),
    ...(renumbered.length === 0 ? [] : [`Not lost: ${listOf(renumbered)}.`]),
  ];
}

function listOf(ranges: AccountingReport["lostRanges"]): string {
  const named = ranges
    .slice(0, rangesMax)
    .map(({ first, last, reason }) => `${first === last ? first : `${first}-${last}`} (${lossWords(reason)})`);
  const more = ranges.length > rangesMax ? ` and ${ranges.length - rangesMax} more ranges` : "";
  return `${named.join(", ")}${more}`;
}

function pendingSentences(
  { origin, here, below, overdue = 0 }: AccountingReport,
  status: StatusReport,
): readonly string[] {
  const name = status.node.name;
  const sentences: string[] = [];
  if (here > 0) {
    const rest = status.uplink.state === "none" ? "not stored as documents yet" : "not handed on yet";
    sentences.push(`${here} ${are(here)} durable at ${name} and ${rest}${uplinkClause(status)}.`);
  }
  const expected = below - overdue;
  if (expected > 0) {
    sentences.push(
      origin === name
        ? `${expected} ${are(expected)} being written.`
        : `${expected} ${are(expected)} not at ${name} yet: ${wayClause(origin, status)}.`,
    );
  }
  if (overdue > 0) {
    sentences.push(
      `${overdue} ${are(overdue)} not at ${name}, and ${origin} has handed them on and will not send them again: they are ` +
        `with a node that was its parent before, or lost with a database above it. What does not come is presumed lost after ${presumedLostDays} days.`,
    );
  }
  return sentences;
}

function uplinkClause(status: StatusReport): string {
  const { state, since, reason } = status.uplink;
  if (state !== "down") return "";
  const why = reason === undefined ? "" : ` (${reason})`;
  return `: the uplink to ${parentOf(status)} has been down since ${formatSince(since, status.node.now)}${why}`;
}

function wayClause(origin: string, status: StatusReport): string {
  const obstacle = obstacleOf(origin, status);
  if (obstacle === "unknown") return `${status.node.name} does not know where ${origin} is now`;
  if (obstacle === undefined) return "every node on the way is online, so they should arrive soon";
  const role = obstacle.node === origin ? obstacle.node : `${obstacle.node}, on the way from ${origin},`;
  const what = obstacle.state === "left" ? "was stopped on purpose" : "has been lost since";
  return `${role} ${what} ${formatSince(obstacle.since, status.node.now)}`;
}

function verdict({ origin, lost, here, below, heardAt }: AccountingReport, status: StatusReport): string {
  const isOwn = origin === status.node.name;
  if (Date.parse(heardAt) === 0) return silentSentence(status);
  const when = formatAgo(heardAt, status.node.now);
  if (here + below > 0) return isOwn ? "These are its own accounts." : `It was last heard of ${when}.`;
  const heard = isOwn ? "it has published" : `it had published when last heard of, ${when}`;
  const isRoot = status.uplink.state === "none";
  const everything = lost === 0 ? "everything" : "everything else";
  return isRoot ? `You have ${everything} ${heard}.` : `${parentOf(status)} has ${everything} ${heard}.`;
}

/** The document store has some of it, and its origin has not spoken since. */
function silentSentence({ node }: StatusReport): string {
  return `It has not been heard of since the journal of ${node.name} is new: what it published beyond that is not known here.`;
}

function are(count: number): string {
  return count === 1 ? "is" : "are";
}
