// Which server responds to one message of a device that several have received: the election at one of them [U10] [U-S5].
//
//   offering --another is named--> watching --the offer of who is named is gone--> offering          any --session lost--> suspended
//   offering --this one is named--> answering --answered--> finishing --> over          suspended --session regained--> offering
//
// In the coordinator there are for each message: an ephemeral entry for each offer, and one entry that names a server, which is written only
// against the version that was read. So one server at a time is named. A server that is dead, or cut off for longer than its session, has
// no offer any more, and the next one is named. If it had responded and not yet said so, the response is given twice: under one id, the
// message's, by which whoever asked takes one, and the document store keeps one update.
import { limits } from "../limits.ts";
import type { FellowId } from "./fellow-names.ts";
import { bestOf, type Offer } from "./server-score.ts";

/** The entry that names a server. */
export interface Named {
  readonly uuid: FellowId;
  /** Of the entry in the coordinator. */
  readonly version: number;
  /** The response is given: there is nothing left to do. */
  readonly isFinished: boolean;
}

export interface Election {
  readonly at: "offering" | "watching" | "answering" | "finishing" | "suspended" | "over";
  readonly offer: Offer;
  /** Servers that were there at the beginning. */
  readonly electors: number;
  readonly named: Named | undefined;
  readonly offers: readonly Offer[];
  readonly hasAnswered: boolean;
  /** Who was to be named last, and against which version. */
  readonly tried: string | undefined;
  /** When something is tried, or tried again. */
  readonly dueMs: number;
}

export type ElectionEvent =
  /**
   * How it is in the coordinator. Offers are read after `named`, so that a named server without an offer has lost it. An offer of this
   * server from an earlier session is left out: it may go at any moment.
   */
  | { readonly type: "view"; readonly named: Named | undefined; readonly offers: readonly Offer[] }
  /** What `answer` asked for has been done. */
  | { readonly type: "answered" }
  /** Told as soon as it may be so: the session's own deadline has passed. */
  | { readonly type: "session-lost" }
  | { readonly type: "session-regained" }
  | { readonly type: "tick" };

export type ElectionEffect =
  | { readonly type: "offer"; readonly offer: Offer }
  /** Write who is named, if the entry still has that version; undefined: if there is none. A refusal is no failure: a view follows. */
  | { readonly type: "name"; readonly uuid: FellowId; readonly ifVersion: number | undefined }
  /** Update the document store, then respond, both under the message's id. */
  | { readonly type: "answer" }
  /** Do not respond, if that can still be helped: another may be named. */
  | { readonly type: "stop" }
  /** Write that it is finished, if the entry still has that version. */
  | { readonly type: "finish"; readonly ifVersion: number }
  /** Take the own offer back: nothing more comes. */
  | { readonly type: "withdraw" };

/** `electors`: servers that may offer, this one included. */
export function newElection(
  offer: Offer,
  electors: number,
  nowMs: number,
): readonly [Election, readonly ElectionEffect[]] {
  const election: Election = {
    at: "offering",
    offer,
    electors,
    named: undefined,
    offers: [],
    hasAnswered: false,
    tried: undefined,
    dueMs: nowMs + limits.offerMs,
  };
  return [election, [{ type: "offer", offer }]];
}

/** `nowMs` never steps back. */
export function stepElection(
  state: Election,
  event: ElectionEvent,
  nowMs: number,
): readonly [Election, readonly ElectionEffect[]] {
  if (state.at === "over") return [state, []];
  switch (event.type) {
    case "view":
      return look({ ...state, named: event.named, offers: event.offers }, nowMs, false);
    case "answered":
      return state.at === "answering" ? look({ ...state, hasAnswered: true }, nowMs, true) : [state, []];
    case "session-lost":
      if (state.at === "suspended") return [state, []];
      return [
        { ...state, at: "suspended", named: undefined, offers: [], dueMs: Number.POSITIVE_INFINITY },
        state.at === "answering" ? [{ type: "stop" }] : [],
      ];
    case "session-regained":
      if (state.at !== "suspended") return [state, []];
      return [{ ...state, at: "offering", dueMs: nowMs + limits.offerMs }, [{ type: "offer", offer: state.offer }]];
    case "tick":
      return nowMs < state.dueMs ? [state, []] : look(state, nowMs, true);
  }
}

/** `isDue`: what has been tried and not been seen is tried again. */
function look(state: Election, nowMs: number, isDue: boolean): readonly [Election, readonly ElectionEffect[]] {
  const { named, offers, offer } = state;
  if (state.at === "suspended") return [state, []];
  const isThere = (uuid: FellowId): boolean => offers.some((one) => one.uuid === uuid);
  // Named without an offer is gone in the eyes of the others, this server itself included.
  const isUp = named?.uuid === offer.uuid && !named.isFinished && (state.hasAnswered || isThere(offer.uuid));
  if (named !== undefined && isUp) return respond(state, named, nowMs, isDue);
  const stop: readonly ElectionEffect[] = state.at === "answering" ? [{ type: "stop" }] : [];
  if (named?.isFinished === true) return [{ ...state, at: "over" }, [...stop, { type: "withdraw" }]];
  if (named !== undefined && isThere(named.uuid))
    return [{ ...state, at: "watching", dueMs: Number.POSITIVE_INFINITY }, stop];
  const [next, effects] = name(state, nowMs, isDue);
  return [next, [...stop, ...effects]];
}

function respond(
  state: Election,
  { version }: Named,
  nowMs: number,
  isDue: boolean,
): readonly [Election, readonly ElectionEffect[]] {
  if (!state.hasAnswered) {
    if (state.at === "answering") return [state, []];
    return [{ ...state, at: "answering", dueMs: Number.POSITIVE_INFINITY }, [{ type: "answer" }]];
  }
  if (state.at === "finishing" && !isDue) return [state, []];
  return [{ ...state, at: "finishing", dueMs: nowMs + limits.offerMs }, [{ type: "finish", ifVersion: version }]];
}

/**
 * Nobody is named, or somebody who is gone. The best names itself as soon as all have offered; when time is up any server names the best,
 * for the best may be slow to see it.
 */
function name(before: Election, nowMs: number, isDue: boolean): readonly [Election, readonly ElectionEffect[]] {
  const { named, offers, offer, electors } = before;
  const dueMs = nowMs + limits.offerMs;
  const state: Election = before.at === "offering" ? before : { ...before, at: "offering", dueMs };
  if (isDue && offers.every(({ uuid }) => uuid !== offer.uuid))
    return [{ ...state, dueMs }, [{ type: "offer", offer }]];
  const best = bestOf(offers);
  const tried = `${best?.uuid} ${named?.version}`;
  const isOwnTurn = best?.uuid === offer.uuid && (named !== undefined || offers.length >= electors);
  if (best === undefined || !(isDue || (isOwnTurn && tried !== state.tried))) return [state, []];
  return [{ ...state, tried, dueMs }, [{ type: "name", uuid: best.uuid, ifVersion: named?.version }]];
}
