// What the benchmark knows of a broker: how to start it, and where it listens.
import type { BenchNodeDeps } from "../bench-node.ts";

export const brokerNames = ["fogbank", "mosquitto", "aedes"] as const;
export type BrokerName = (typeof brokerNames)[number];

export interface BrokerPlan {
  /** Empty, for its files. */
  readonly folder: string;
  /** How many messages the broker itself lets be unacknowledged at a subscriber; default as many as it can. */
  readonly windowMax?: number;
  /** Added to every sync of a file, where the broker syncs any. */
  readonly syncDelayMs?: number;
  /** Whether it checks users and topics, if it can be made to. */
  readonly isAclOn: boolean;
}

export interface RunningBroker extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  /** User name and password that the load is to use. */
  readonly user?: string;
}

export interface BrokerKind {
  readonly name: BrokerName;
  /** With its settings as far as they matter; undefined when it is not installed. */
  describe(): string | undefined;
  /** Rejects with NotSupported when it cannot do what the plan wants. */
  start(deps: BenchNodeDeps, plan: BrokerPlan): Promise<RunningBroker>;
}
