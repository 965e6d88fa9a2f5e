// What a parent knows of one child, as a value:
//
//   (none) --hello--> online --will of this connection, silence--> lost --hello--> online
//                       +--notice of departure--> left --hello--> online
//
// A will carries the number of the connection that it belongs to: one that arrives late changes nothing [P1].
import type { NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import type { Departure } from "./frames.ts";
import type { Descendant, Hello, NodePlace } from "./hello.ts";

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
  /** What it last reported to be below it. */
  readonly descendants: readonly Descendant[];
}

interface Moment {
  readonly nowMs: number;
  readonly monotonicMs: number;
}

/** The child said hello: a new session, whatever was before. */
export function bornChild(previous: ChildPresence | undefined, hello: Hello, at: Moment): ChildPresence {
  const wasOnline = previous?.state === "online";
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
    descendants: hello.descendants,
  };
}

/** A frame of the child's session arrived. */
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
  };
}

/** Its will, or its notice that it goes. Of an older connection: unchanged. */
export function departedChild(child: ChildPresence, departure: Departure, nowMs: number): ChildPresence {
  if (child.state !== "online" || departure.conn !== child.conn) return child;
  const reason = departure.onPurpose ? "stopped on purpose" : "its connection broke";
  return { ...child, state: departure.onPurpose ? "left" : "lost", sinceMs: nowMs, reason };
}

/** The child after a look at the clock: silent for too long, it is lost. */
export function watchedChild(child: ChildPresence, at: Moment): ChildPresence {
  if (child.state !== "online" || at.monotonicMs - child.heardMonotonicMs < limits.linkSilenceMs) return child;
  return { ...child, state: "lost", sinceMs: at.nowMs, reason: "fell silent" };
}

/** The child and everything below it, as this node reports it upward. `parent` is this node. */
export function descendantsOf(children: Iterable<ChildPresence>, parent: NodeName): readonly Descendant[] {
  const result: Descendant[] = [];
  for (const child of children) {
    const online = child.state === "online";
    result.push({ ...child.place, name: child.name, parent, online, sinceMs: child.sinceMs });
    result.push(...child.descendants);
  }
  return result.slice(0, limits.descendants);
}
