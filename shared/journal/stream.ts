// What every node along the way must know of a stream besides its numbers.

/** P0 alarms and commands, P1 events, P2 telemetry, P3 bulk. */
export type Priority = 0 | 1 | 2 | 3;
/** `custody`: the sender deletes at the next hop's acknowledgement. `final`: it keeps until the root has it. */
export type StreamClass = "custody" | "final";

export const streamClassCodes: Readonly<Record<StreamClass, number>> = { custody: 0, final: 1 };

/** A stream as hellos, heartbeats and batches describe it: `[origin, epoch, streamId, name, priority, class, high]`. */
export interface StreamState {
  readonly origin: string;
  readonly epoch: number;
  readonly streamId: number;
  readonly name: string;
  readonly priority: Priority;
  readonly class: StreamClass;
  /** Highest number assigned at the origin, as far as the sender knows. */
  readonly high: number;
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
