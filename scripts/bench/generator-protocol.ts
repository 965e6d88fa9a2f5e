// What the benchmarks and the load generator say to each other over IPC.
import type { ProtocolVersion, Qos } from "./packets.ts";
import type { LatencyMs } from "./percentiles.ts";

/**
 * Publishers and subscribers of one kind of message. Closed loop: a publisher keeps `outstanding` messages unacknowledged, as
 * long as at most `backlogMax` of all publishers together are sent and not received; at QoS 0 the latter alone counts.
 */
export interface FlowOrder {
  /** Publisher number p sends to topics below `<topic>/<p>`. Default `/data/bench`. */
  readonly topic?: string;
  readonly publishers: number;
  /** Number of the first publisher: a later load that is to be told from an earlier one has others. Default 0. */
  readonly firstPublisher?: number;
  readonly outstanding: number;
  readonly payloadBytes: number;
  /** Default 1. */
  readonly qos?: Qos;
  /** Of each publisher, in turn. Default 1. */
  readonly topics?: number;
  /** Instead of the closed loop: messages per second, of all publishers together. */
  readonly perSecond?: number;
  /** Each receives everything, at the same QoS. Default none. */
  readonly subscribers?: number;
  /** MQTT 5: how many unacknowledged messages a subscriber takes. */
  readonly receiveMaximum?: number;
  /** Default twice `publishers * outstanding` at QoS 1 and 2, once at QoS 0. */
  readonly backlogMax?: number;
  /** The subscribers never read after their subscription is confirmed. Nothing is waited for at the end. */
  readonly isStalled?: boolean;
}

export interface LoadOrder {
  readonly type: "load";
  readonly port: number;
  /** Default 4, which is MQTT 3.1.1. */
  readonly protocol?: ProtocolVersion;
  /** User name and password of every publisher and subscriber. Default none. */
  readonly user?: string;
  /** MQTT 5, in each message. */
  readonly userPropertyBytes?: number;
  readonly flow: FlowOrder;
  /** At the same time, reported by itself. */
  readonly beside?: FlowOrder;
  /** How long it is measured, after a warm-up; or how many messages in all, measured from the first. */
  readonly until: { readonly warmUpMs: number; readonly measureMs: number } | { readonly messages: number };
  /** Whether one more connection sends a PINGREQ as soon as the last one is answered, at most every 2 ms. */
  readonly pings?: boolean;
  /** Processes whose processor time is measured over the same span. */
  readonly pids: readonly number[];
}

/** What stands behind the publishes: counted at subscribers. */
export interface Delivery {
  readonly lost: number;
  readonly duplicates: number;
  readonly overtaken: number;
  /** How often numbers were skipped, whether they came later or never. */
  readonly gaps: number;
}

export interface FlowReport extends Delivery {
  /** Acknowledged messages in all, warm-up included; at QoS 0 those sent. */
  readonly published: number;
  /** Acknowledged while it was measured. */
  readonly measured: number;
  readonly measuredMs: number;
  /** From a publish to its PUBACK, or PUBCOMP at QoS 2. */
  readonly ackMs: LatencyMs;
  /** Received while it was measured, of all subscribers together. */
  readonly received: number;
  /** From a publish to its arrival at a subscriber. */
  readonly arrivalMs: LatencyMs;
}

export interface LoadReport extends FlowReport {
  readonly beside?: FlowReport;
  /** From a PINGREQ to its PINGRESP: how long the broker leaves a connection waiting. */
  readonly pingMs?: LatencyMs;
  /** Percent of one core: of each of the order's `pids`, and of the generator itself. */
  readonly cpu: readonly number[];
  readonly generatorCpu: number;
  /** The same of everything else on the machine. */
  readonly otherCpu: number;
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

export interface ArrivalReport extends Delivery {
  /** From the publish to the arrival at this subscriber. */
  readonly arrivalMs: LatencyMs;
}

export interface TrickleReport {
  readonly published: number;
  readonly ackMs: LatencyMs;
  /** One per watched node. */
  readonly arrivals: readonly ArrivalReport[];
  readonly cpu: readonly number[];
  readonly generatorCpu: number;
}

/** Connections that do nothing. They stay until the next order of this kind: with 0 connections it only ends the last ones. */
export interface HoldOrder {
  readonly type: "hold";
  readonly port: number;
  readonly connections: number;
}

export interface HoldReport {
  readonly connectMs: number;
}

export type GeneratorOrder = LoadOrder | TrickleOrder | HoldOrder;

export type GeneratorReport = LoadReport | TrickleReport | HoldReport;

export type GeneratorAnswer =
  | { readonly report: GeneratorReport }
  | { readonly error: string; readonly isNotSupported: boolean };

/** Below it the generator publishes. */
export const benchTopic = "/data/bench";
