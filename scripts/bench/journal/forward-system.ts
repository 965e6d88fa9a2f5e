// What the benchmark knows of a system that stores and forwards: two ends, of which the upper one dies and comes back.
//
//   publisher --> child --(link)--> parent --> receiving end
import type { BenchContext } from "../benchmark.ts";

export interface PublishLoad {
  readonly messages: number;
  readonly publishers: number;
  readonly outstanding: number;
  /** Number of the first publisher, so that two loads of one run can be told apart. */
  readonly firstPublisher: number;
}

export interface PublishReport {
  /** Acknowledged by the child. */
  readonly published: number;
  /** On the machine's monotonic clock: the first publish and the last acknowledgement. */
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

/** Messages at the receiving end so far. */
export interface Arrived {
  /** Where a user reads them. */
  readonly readable: number;
  /** Durable at the parent, readable or not yet; only where these are two things. */
  readonly durable?: number;
}

export interface Delivered {
  readonly lost: number;
  readonly duplicates: number;
  readonly overtaken: number;
}

export interface EndPids {
  readonly child: number;
  readonly between?: number;
  readonly parent: number;
}

/** Both ends are up and linked when it is there. Disposed, all its processes have ended. */
export interface RunningSystem extends AsyncDisposable {
  stopParent(): Promise<void>;
  /** Answers when it was ready, on the machine's monotonic clock. */
  startParent(): Promise<number>;
  /** SIGKILL, and a start on the same data. */
  restartChild(): Promise<void>;
  publish(load: PublishLoad): Promise<PublishReport>;
  /** Resolves when the backlog lies where it is to wait for the parent. */
  settled(): Promise<void>;
  arrived(): Promise<Arrived>;
  /** Reads all that arrived, of `published` acknowledged messages. */
  verdict(published: number): Promise<Delivered>;
  pids(): EndPids;
}

export interface ForwardSystem {
  readonly name: string;
  /** With its settings as far as they matter. */
  readonly description: string;
  start(context: BenchContext, folder: string): Promise<RunningSystem>;
}

/** A system that this machine does not have, and why. */
export interface MissingSystem {
  readonly missing: string;
}
