// Who gives way when there is no room, and with what. The store asks and does; nothing here changes anything.
//
//   a message comes ─▶ givingWay: streams in their order ─▶ chooseSegments: whole segments of one of them ─▶ gone, named as lost
import type { IntervalSet } from "./interval-set.ts";
import type { FullPolicy, Priority } from "./stream.ts";

/** A stream on one node, as it weighs on the disk. */
export interface StreamWeight {
  readonly priority: Priority;
  readonly policy: FullPolicy;
  /** Weight of its part of the budget among all streams that have something stored. */
  readonly share: number;
  /** Bytes of its segments with all that they cost beside their bodies. */
  readonly bytes: number;
}

/** A stored segment as the choice sees it. */
export interface StoredPlace {
  readonly first: number;
  readonly items: number;
  readonly bytes: number;
  /** When its newest message was stamped, milliseconds since 1970; Infinity when that is not known. */
  readonly lastMs: number;
}

export interface ChoiceRules {
  readonly policy: FullPolicy;
  /** Numbers that are on their way: a segment with one of them stays. */
  readonly inFlight: IntervalSet;
  /** With `ttl`: what was stamped before goes; what was stamped behind `nowMs` has an unknown age. Nothing goes when absent. */
  readonly age?: { readonly expiredBeforeMs: number; readonly nowMs: number };
  /** Enough is chosen when it has as many bytes. */
  readonly bytes: number;
  readonly segmentsMax: number;
  /** How many are looked at. */
  readonly looksMax: number;
  /** With `decimate`: whether the next segment stays. */
  readonly keepsNext?: boolean;
}

export interface Choice<Place extends StoredPlace> {
  readonly chosen: readonly Place[];
  /** Number behind the last segment that was looked at. */
  readonly next: number;
  /** All segments were looked at. */
  readonly ended: boolean;
  /** With `decimate`, for the next part of the same pass. */
  readonly keepsNext: boolean;
}

/** What a stream of a share may take of the budget before it counts as being beyond it. */
export function shareBytes(stream: StreamWeight, streams: readonly StreamWeight[], budgetBytes: number): number {
  return partOf(stream, sharesOf(streams), budgetBytes);
}

/**
 * Those of `streams` that may be pushed out by a message of `incoming`, which is one of them, in the order in which they give way:
 * the least important first, among equals the one that has most for its share. Never a more important one, never one with the policy
 * `newest`, and of the same importance none within its share for one that is beyond its own.
 */
export function givingWay<Weight extends StreamWeight>(
  streams: readonly Weight[],
  incoming: Weight,
  budgetBytes: number,
): readonly Weight[] {
  const shares = sharesOf(streams);
  const isBeyond = (stream: Weight): boolean => stream.bytes > partOf(stream, shares, budgetBytes);
  const isTooGreedy = isBeyond(incoming);
  return streams
    .filter((stream) => {
      if (stream.bytes === 0 || stream.policy === "newest" || stream.priority < incoming.priority) return false;
      const isEqual = stream !== incoming && stream.priority === incoming.priority;
      return !(isEqual && isTooGreedy && !isBeyond(stream));
    })
    .toSorted((a, b) => b.priority - a.priority || b.bytes / b.share - a.bytes / a.share);
}

function sharesOf(streams: readonly StreamWeight[]): number {
  return streams.reduce((sum, { share }) => sum + share, 0);
}

function partOf({ share }: StreamWeight, shares: number, budgetBytes: number): number {
  return shares === 0 ? budgetBytes : (budgetBytes * share) / shares;
}

/** Of a stream's segments, which come in ascending order, those that go by its policy. Reads no more of `places` than it must. */
export function chooseSegments<Place extends StoredPlace>(places: Iterable<Place>, rules: ChoiceRules): Choice<Place> {
  const chosen: Place[] = [];
  let { keepsNext = true } = rules;
  let bytes = 0;
  let next = 0;
  let flight = 0;
  let looks = 0;
  for (const place of places) {
    const isEnough = bytes >= rules.bytes || chosen.length >= rules.segmentsMax;
    if (isEnough || looks++ >= rules.looksMax) return { chosen, next, ended: false, keepsNext };
    const last = place.first + place.items - 1;
    next = last + 1;
    while ((rules.inFlight[flight]?.[1] ?? Infinity) < place.first) flight++;
    if ((rules.inFlight[flight]?.[0] ?? Infinity) <= last) continue;
    if (rules.policy === "newest" || isYoung(place, rules)) break;
    if (isOfUnknownAge(place, rules)) continue;
    if (rules.policy === "decimate") {
      const stays = keepsNext;
      keepsNext = !keepsNext;
      if (stays) continue;
    }
    chosen.push(place);
    bytes += place.bytes;
  }
  return { chosen, next, ended: true, keepsNext };
}

/** With `ttl`: not old enough to go, and neither is anything behind it. */
function isYoung({ lastMs }: StoredPlace, { policy, age }: ChoiceRules): boolean {
  if (policy !== "ttl") return false;
  return age === undefined || (lastMs >= age.expiredBeforeMs && lastMs <= age.nowMs);
}

function isOfUnknownAge({ lastMs }: StoredPlace, { policy, age }: ChoiceRules): boolean {
  return policy === "ttl" && lastMs > (age?.nowMs ?? 0);
}
