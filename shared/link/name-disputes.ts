// Two nodes of one name below different children: seen by the node where the two ways to them part.
//
//   heard twice --both live for so long without a break--> the later one is refused --gone, or the name free for so long--> (none)
//
// A node that moves is heard at both places for a moment: its old parent notices within seconds. Only who stays at both is two. It does
// not matter whether they have one identity (an image that was copied) or two. No clock: the time is handed in.
import { limits } from "../limits.ts";
import type { Claim } from "./name-claims.ts";
import type { NameRuling } from "./name-rulings.ts";

interface Claimant {
  readonly claim: Claim;
  /** When it was last live; kept out, when it last tried. */
  readonly seenMs: number;
  /** Since when it and the first are live at once. */
  readonly besideMs: number | undefined;
  readonly isRefused: boolean;
}

/** The first claimant of a name, and the others. */
interface Dispute {
  readonly first: Claimant;
  readonly others: readonly Claimant[];
}

/** By name. */
export type Disputes = ReadonlyMap<string, Dispute>;

export const noDisputes: Disputes = new Map();

/** `heard`: all claims on names that are claimed more than once, or in dispute; of each name in the order in which they were first heard. */
export function stepDisputes(
  disputes: Disputes,
  heard: ReadonlyMap<string, readonly Claim[]>,
  nowMs: number,
): Disputes {
  const next = new Map<string, Dispute>();
  for (const [name, claims] of heard) {
    if (next.size === limits.namesDisputed / 2) break;
    const dispute = stepOne(disputes.get(name), claims, nowMs);
    if (dispute !== undefined) next.set(name, dispute);
  }
  return next;
}

/** Of every refused claimant, and of whoever goes on in its place. */
export function rulingsOf(disputes: Disputes): readonly NameRuling[] {
  return [...disputes.values()].flatMap(({ first, others }) => {
    const refused = others.filter(({ isRefused }) => isRefused);
    const [latest] = refused;
    if (latest === undefined) return [];
    const about = [ruling(first.claim, latest.claim, false)];
    return [...about, ...refused.map(({ claim }) => ruling(claim, first.claim, true))];
  });
}

function stepOne(before: Dispute | undefined, claims: readonly Claim[], nowMs: number): Dispute | undefined {
  const first = firstOf(before, claims, nowMs);
  if (first === undefined) return undefined;
  const isFirstLive = first.seenMs === nowMs;
  const known = new Map(before?.first.claim === undefined ? [] : before.others.map((one) => [keyOf(one.claim), one]));
  for (const claim of claims) {
    if (claim.bearer === undefined || keyOf(claim) === keyOf(first.claim)) continue;
    const was = known.get(keyOf(claim));
    const besideMs = isFirstLive && !claim.isKeptOut ? (was?.besideMs ?? nowMs) : undefined;
    const isRefused =
      was?.isRefused === true || (besideMs !== undefined && nowMs - besideMs >= limits.duplicateBesideMs);
    known.set(keyOf(claim), { claim, seenMs: nowMs, besideMs, isRefused });
  }
  const others = [...known.values()]
    .filter(({ seenMs, isRefused }) => seenMs === nowMs || (isRefused && nowMs - seenMs < limits.duplicateNameMs))
    .filter(({ claim, isRefused }) => keyOf(claim) !== keyOf(first.claim) && (isRefused || !claim.isKeptOut));
  return others.length === 0 ? undefined : { first, others };
}

/** Whoever was first stays so for a while when it is away: its link may be cut, and the name is not free for that. */
function firstOf(before: Dispute | undefined, claims: readonly Claim[], nowMs: number): Claimant | undefined {
  const live = claims.filter(({ isKeptOut, bearer }) => !isKeptOut && bearer !== undefined);
  const asFirst = (claim: Claim): Claimant => ({ claim, seenMs: nowMs, besideMs: undefined, isRefused: false });
  const there = live.find((claim) => before !== undefined && keyOf(claim) === keyOf(before.first.claim));
  if (there !== undefined) return asFirst(there);
  const isContested = before?.others.some(({ isRefused }) => isRefused) === true;
  if (before !== undefined && isContested && nowMs - before.first.seenMs < limits.duplicateNameMs) return before.first;
  const [earliest] = live;
  return earliest === undefined ? undefined : asFirst(earliest);
}

function ruling(claim: Claim, other: Claim, isRefused: boolean): NameRuling {
  const { node, parent, bearer } = claim;
  return { node, parent, uuid: bearer?.uuid ?? "", isRefused, otherParent: other.parent };
}

/** The same node at the same place. */
function keyOf({ via, bearer }: Claim): string {
  return `${via} ${bearer?.uuid ?? ""}`;
}
