// What the benchmarks and the load generator say to each other over IPC.
import type { LatencyMs } from "./percentiles.ts";

/** Publishers that keep `outstanding` messages unacknowledged each: QoS 1, closed loop. */
export interface LoadOrder {
  readonly type: "load";
  readonly port: number;
  readonly publishers: number;
  readonly outstanding: number;
  readonly payloadBytes: number;
  /** How long it is measured, after a warm-up; or how many messages in all, measured from the first. */
  readonly until: { readonly warmUpMs: number; readonly measureMs: number } | { readonly messages: number };
  /** Processes whose processor time is measured over the same span. */
  readonly pids: readonly number[];
}

export interface LoadReport {
  /** Acknowledged messages in all, warm-up included. */
  readonly published: number;
  readonly measured: number;
  readonly measuredMs: number;
  /** From a publish to its PUBACK. */
  readonly ackMs: LatencyMs;
  /** Percent of one core: of each of the order's `pids`, and of the generator itself. */
  readonly cpu: readonly number[];
  readonly generatorCpu: number;
  /** On the machine's monotonic clock: the first publish and the last PUBACK. */
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

/** One publisher that sends at a fixed rate, and subscribers that see its messages arrive. */
export interface TrickleOrder {
  readonly type: "trickle";
  readonly port: number;
  readonly perSecond: number;
  readonly payloadBytes: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly watch: readonly { readonly port: number; readonly filter: string }[];
  readonly pids: readonly number[];
}

export interface ArrivalReport {
  /** From the publish to the arrival at this subscriber. */
  readonly arrivalMs: LatencyMs;
  readonly lost: number;
  readonly duplicates: number;
  readonly overtaken: number;
}

export interface TrickleReport {
  readonly published: number;
  readonly ackMs: LatencyMs;
  /** One per watched node. */
  readonly arrivals: readonly ArrivalReport[];
  readonly cpu: readonly number[];
  readonly generatorCpu: number;
}

export type GeneratorOrder = LoadOrder | TrickleOrder;

export type GeneratorAnswer = { readonly report: LoadReport | TrickleReport } | { readonly error: string };

/** Below it the generator publishes. */
export const benchTopic = "/data/bench";
