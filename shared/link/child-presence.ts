// What a parent knows of one child, as a value:
//
//   (none) --hello--> online --will of this connection, silence--> lost --hello--> online
//                       +--notice of departure--> left --hello--> online
//
// A will carries the number of the connection that it belongs to: one that arrives late changes nothing [P1].
import type { NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import type { Departure } from "./frames.ts";
import type { DescendantNews } from "./descendant-news.ts";
import { heardList, listOf, withNews, type HeardDescendants } from "./heard-descendants.ts";
import type { Bearer, Descendant, NodePlace } from "./descendant.ts";
import type { Hello } from "./hello.ts";

export type ChildState = "online" | "lost" | "left";

export interface ChildPresence {
  readonly name: NodeName;
  readonly uuid: string;
  /** Of its database; undefined as long as it has not said hello since this node started. */
  readonly epoch?: number;
  /** Number of this session at the parent: frames of older ones are dropped. */
  readonly session: number;
  /** The child's own number of this connection. */
  readonly conn: number;
  readonly place: NodePlace;
  readonly state: ChildState;
  /** When the state changed, milliseconds since 1970. */
  readonly sinceMs: number;
  /** How it became known that it is not online; absent while it is. */
  readonly reason?: string;
  /** Last word of it, milliseconds since 1970 and on the monotonic clock. */
  readonly heardAtMs: number;
  readonly heardMonotonicMs: number;
  /** As it said in its last hello; undefined as long as it has not said one since this node started. */
  readonly bearer?: Bearer;
  /** It is not online because it is kept out for its name, and has said hello lately. */
  readonly isKeptOut?: boolean;
  /** What it last reported to be below it; while it tells its list, that of its session before where there was one. */
  readonly descendants: readonly Descendant[];
  /** What it has told in this session. */
  readonly heard?: HeardDescendants;
  /** Of one that has not said hello since this node started: the last that it said was that nothing is below it. */
  readonly wasLeaf?: boolean;
  /** What it reported before that, a short while ago: at most `limits.earlierReports`, oldest first. */
  readonly earlier?: readonly EarlierReport[];
}

/** What a child said of itself and of what is below it, until it said something else. */
export interface EarlierReport {
  readonly place: NodePlace;
  readonly descendants: readonly Descendant[];
  /** Until then it is believed beside the newer one: what is no longer named may only be on its way to another place. */
  readonly untilMonotonicMs: number;
}

interface Moment {
  readonly nowMs: number;
  readonly monotonicMs: number;
}

/** The child said hello: a new session, whatever was before. */
export function bornChild(previous: ChildPresence | undefined, hello: Hello, at: Moment): ChildPresence {
  const wasOnline = previous?.state === "online";
  // Another node under its name has other nodes below it.
  const former = previous?.epoch !== undefined && previous.uuid === hello.uuid ? previous.descendants : [];
  const heard = heardList(hello.descendants, hello.missing, former.length > 0);
  return {
    name: hello.name,
    uuid: hello.uuid,
    epoch: hello.epoch,
    session: (previous?.session ?? 0) + 1,
    conn: hello.conn,
    place: hello.place,
    state: "online",
    sinceMs: wasOnline ? previous.sinceMs : at.nowMs,
    heardAtMs: at.nowMs,
    heardMonotonicMs: at.monotonicMs,
    bearer: bearerOf(hello),
    descendants: heard.keepsFormer ? former : hello.descendants,
    heard,
    // What is known of a child since before this node's start it has not said.
    ...(previous?.epoch === undefined ? {} : withEarlier(previous, at, true)),
  };
}

/** It said hello, and is kept out for its name. */
export function keptOutChild(previous: ChildPresence | undefined, hello: Hello, at: Moment): ChildPresence {
  const { heard: _, ...born } = bornChild(previous, hello, at);
  const sinceMs = previous === undefined || previous.state === "online" ? at.nowMs : previous.sinceMs;
  return { ...born, session: previous?.session ?? 0, state: "lost", sinceMs, descendants: [], isKeptOut: true };
}

function bearerOf({ name, uuid, epoch, streams, parents }: Hello): Bearer {
  const own = streams.filter(({ origin }) => origin === name).map((stream) => stream.epoch);
  const epochs = [...new Set([epoch, ...own])].slice(0, limits.epochsTold);
  return { uuid, epochs, parents: parents ?? [] };
}

/** A frame of the child's session arrived. `descendants`: it told all of them at once. */
export function heardChild(
  child: ChildPresence,
  at: Moment,
  descendants: readonly Descendant[] | undefined,
): ChildPresence {
  return {
    ...child,
    heardAtMs: at.nowMs,
    heardMonotonicMs: at.monotonicMs,
    descendants: descendants ?? child.descendants,
    ...(descendants && { heard: heardList(descendants, undefined, false) }),
    ...withEarlier(child, at, descendants !== undefined),
  };
}

/** A heartbeat told what is, or is no longer, below it. */
export function toldChild(child: ChildPresence, at: Moment, news: DescendantNews): ChildPresence {
  const heard = withNews(child.heard, news);
  return { ...heardChild(child, at, heard.keepsFormer ? undefined : listOf(heard)), heard };
}

/** It has not told yet all that is below it, or has heard itself that somebody has not. */
export function isInDoubt({ heard }: Pick<ChildPresence, "heard">): boolean {
  return heard?.missing !== undefined;
}

function withEarlier(
  { place, descendants, earlier = [] }: ChildPresence,
  { monotonicMs }: Moment,
  isOver: boolean,
): { readonly earlier?: readonly EarlierReport[] } {
  if (!isOver && earlier.length === 0) return {};
  const kept = earlier.filter(({ untilMonotonicMs }) => untilMonotonicMs > monotonicMs);
  const last = { place, descendants, untilMonotonicMs: monotonicMs + limits.earlierReportsMs };
  return { earlier: isOver ? [...kept, last].slice(-limits.earlierReports) : kept };
}

/** Its will, or its notice that it goes. Of an older connection: unchanged. */
export function departedChild(child: ChildPresence, departure: Departure, nowMs: number): ChildPresence {
  if (child.state !== "online" || departure.conn !== child.conn) return child;
  const reason = departure.onPurpose ? "stopped on purpose" : "its connection broke";
  return { ...child, state: departure.onPurpose ? "left" : "lost", sinceMs: nowMs, reason };
}

/** The child after a look at the clock: silent for too long, it is lost; one that is kept out has given it up. */
export function watchedChild(child: ChildPresence, at: Moment): ChildPresence {
  if (child.isKeptOut === true && at.monotonicMs - child.heardMonotonicMs >= limits.duplicateNameMs)
    return { ...child, isKeptOut: false };
  if (child.state !== "online" || at.monotonicMs - child.heardMonotonicMs < limits.linkSilenceMs) return child;
  return { ...child, state: "lost", sinceMs: at.nowMs, reason: "fell silent" };
}

/** The child and everything below it, as this node reports it upward. `parent` is this node. */
export function descendantsOf(children: Iterable<ChildPresence>, parent: NodeName): readonly Descendant[] {
  const result: Descendant[] = [];
  for (const child of children) {
    const online = child.state === "online";
    const { name, place, sinceMs, bearer, isKeptOut } = child;
    const kept = isKeptOut === true ? { isKeptOut } : {};
    result.push({ ...place, name, parent, online, sinceMs, ...(bearer && { bearer }), ...kept });
    result.push(...child.descendants);
  }
  return result.slice(0, limits.descendants);
}
