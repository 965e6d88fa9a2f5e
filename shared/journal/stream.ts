// What every node along the way must know of a stream besides its numbers.

/** P0 alarms and commands, P1 events, P2 telemetry, P3 bulk. */
export type Priority = 0 | 1 | 2 | 3;
/** `custody`: the sender deletes at the next hop's acknowledgement. `final`: it keeps until the root has it. */
export type StreamClass = "custody" | "final";

export const streamClassCodes: Readonly<Record<StreamClass, number>> = { custody: 0, final: 1 };

/** In which order a backlog is sent. `strict`: by number. `live-first`: the newest segment first, the rest as backfill. */
export type StreamOrder = "strict" | "live-first";
export const streamOrderCodes: Readonly<Record<StreamOrder, number>> = { strict: 0, "live-first": 1 };

/**
 * What happens when there is no room. `oldest`: the oldest go, named as lost. `newest`: what is new is refused. `decimate`: from 80 %
 * on only every k-th segment stays. `ttl`: what is older than the stream's age goes; while nothing is, what is new is refused.
 */
export type FullPolicy = "oldest" | "newest" | "decimate" | "ttl";
export const fullPolicies: readonly FullPolicy[] = ["oldest", "newest", "decimate", "ttl"];

/** The order of a stream that names none: a backlog must not delay current telemetry, and alarms are read as they came. */
export function presetOrder(priority: Priority): StreamOrder {
  return priority >= 2 ? "live-first" : "strict";
}

/** A stream as hellos, heartbeats and batches describe it: `[origin, epoch, streamId, name, priority, class, high, order, policy]`. */
export interface StreamState {
  readonly origin: string;
  readonly epoch: number;
  readonly streamId: number;
  readonly name: string;
  readonly priority: Priority;
  readonly class: StreamClass;
  readonly order: StreamOrder;
  readonly policy: FullPolicy;
  /** Highest number assigned at the origin, as far as the sender knows. */
  readonly high: number;
}

/** What a stream is called of which nothing is known but its number: no description goes by such a name when there is a better one. */
export function placeholderName(streamId: number): string {
  return String(streamId);
}

/** `low` of one of the sender's streams: the lowest number that it may still send on this hop. */
export interface LowMark {
  readonly epoch: number;
  readonly streamId: number;
  readonly low: number;
}

/** P0 and P1 travel on the control connection, P2 and P3 on the bulk connection. */
export type Lane = "control" | "bulk";

export const lanePriorities: Readonly<Record<Lane, readonly [Priority, Priority]>> = { control: [0, 1], bulk: [2, 3] };

/** The connection that a priority travels on. */
export function laneOf(priority: Priority): Lane {
  return priority <= 1 ? "control" : "bulk";
}
