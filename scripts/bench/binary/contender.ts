// What is measured beside each other: a process that takes messages, started from nothing.
import type { BenchNodeDeps } from "../bench-node.ts";
import type { FlowOrder } from "../generator-protocol.ts";
import type { RunningBroker } from "../broker/broker-kind.ts";

export interface ContenderProcess extends RunningBroker {
  /** Processor time from its start until it was ready. */
  readonly readyCpuMs: number;
  /** Resolves when it has done with `messages` messages. Default: when its subscriber has them. */
  settled?(messages: number): Promise<void>;
}

export interface Contender {
  readonly name: string;
  /** With its settings as far as they matter. */
  readonly description: string;
  /** In `folder`, which is empty. */
  start(deps: BenchNodeDeps, folder: string): Promise<ContenderProcess>;
  /** What is sent through it; without one it is measured idle only. */
  readonly load?: FlowOrder;
}

/** QoS 1 from one publisher to one subscriber, on a topic that a node does not record. */
export const passedOn: FlowOrder = {
  topic: "bench/memory",
  publishers: 1,
  outstanding: 1000,
  payloadBytes: 64,
  subscribers: 1,
};
