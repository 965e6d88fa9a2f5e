// The loads, in the order of the tables. `50 × 20` are 50 publishers that keep 20 messages unacknowledged each; `50→1` are 50
// publishers and one subscriber.
import type { FlowOrder } from "../generator-protocol.ts";
import type { Qos } from "../packets.ts";
import type { BrokerCase, BrokerGroup } from "./broker-case.ts";
import { idleConnections } from "./idle-connections.ts";
import { arrivalColumns, loadCase, memoryTopic, rateColumns, usageColumns } from "./load-case.ts";
import { stalledSubscriber } from "./stalled-subscriber.ts";

const durableTopic = "/data/bench";
const fanIn = { topic: memoryTopic, publishers: 50, outstanding: 20, payloadBytes: 64, subscribers: 1 } as const;
const alone = { ...fanIn, publishers: 1, outstanding: 1000 } as const;

const memory: BrokerGroup = {
  name: "memory",
  title: "in memory",
  columns: [...rateColumns, ...arrivalColumns, ...usageColumns],
  cases: [
    ...([0, 1] as const).flatMap((qos) => [64, 1024].flatMap((payloadBytes) => saturated(qos, payloadBytes))),
    ...([0, 1] as const).map((qos) =>
      loadCase(`QoS ${qos}, 64 B, 1→200, 1 × 50`, { flow: { ...alone, qos, outstanding: 50, subscribers: 200 } }),
    ),
    loadCase("QoS 1, 64 B, 50→1, 50 × 20, 20,000 topics", { flow: { ...fanIn, topics: 400 } }),
    ...[100, 20].map((window) => smallWindow(window)),
    loadCase("QoS 1, 64 B, 50→1, 50 × 1", { flow: { ...fanIn, outstanding: 1 } }),
    loadCase("QoS 1, 64 B, 1→1, ping-pong", { flow: { ...alone, outstanding: 1, backlogMax: 1 } }),
    loadCase("MQTT 5, 40 B property, QoS 1, 64 B, 50→1, 50 × 20, window 1000", {
      protocol: 5,
      userPropertyBytes: 40,
      flow: { ...fanIn, receiveMaximum: 1000 },
    }),
  ],
};

const paced: BrokerGroup = {
  name: "paced",
  title: "at a fixed rate",
  columns: [...rateColumns, ...arrivalColumns, ...usageColumns],
  cases: [loadCase("QoS 1, 64 B, 50→1, 5,000 msg/s", { flow: { ...fanIn, outstanding: 1000, perSecond: 5000 } })],
};

const durable: BrokerGroup = {
  name: "durable",
  title: "durable (Mosquitto: in memory), QoS 1, 256 B",
  columns: [
    ...rateColumns,
    { key: "ackP50", heading: "ack p50 ms", digits: 2 },
    { key: "ackP99", heading: "p99 ms", digits: 2 },
    { key: "pingP99", heading: "ping p99 ms", digits: 2 },
    ...usageColumns,
  ],
  cases: [
    durableCase("50→0, 50 × 20", {}),
    durableCase("50→1, 50 × 20", { subscribers: 1 }),
    durableCase("50→0, 50 × 1", { outstanding: 1 }),
    ...[5, 20].map((syncDelayMs) => durableCase(`50→0, 50 × 20, syncs + ${syncDelayMs} ms`, {}, { syncDelayMs })),
  ],
};

const exactlyOnce: BrokerGroup = {
  name: "qos2",
  title: "QoS 2, in memory",
  columns: [...rateColumns, ...arrivalColumns, ...usageColumns],
  cases: [loadCase("QoS 2, 64 B, 50→1, 50 × 20", { flow: { ...fanIn, qos: 2 } })],
};

export const groups: readonly BrokerGroup[] = [memory, paced, durable, exactlyOnce, idleConnections, stalledSubscriber];

function saturated(qos: Qos, payloadBytes: number): readonly BrokerCase[] {
  const size = payloadBytes === 1024 ? "1 KiB" : `${payloadBytes} B`;
  return [
    loadCase(`QoS ${qos}, ${size}, 1→1, 1 × 1000`, { flow: { ...alone, qos, payloadBytes } }),
    loadCase(`QoS ${qos}, ${size}, 50→1, 50 × 20`, { flow: { ...fanIn, qos, payloadBytes } }),
  ];
}

/** By the client's Receive Maximum, and by the broker's own setting where it has one. */
function smallWindow(window: number): BrokerCase {
  return loadCase(
    `MQTT 5, QoS 1, 64 B, 50→1, 50 × 20, window ${window}`,
    { protocol: 5, flow: { ...fanIn, receiveMaximum: window } },
    { windowMax: window },
  );
}

function durableCase(name: string, change: Partial<FlowOrder>, rest: Partial<BrokerCase> = {}): BrokerCase {
  const flow = { topic: durableTopic, publishers: 50, outstanding: 20, payloadBytes: 256, ...change };
  return loadCase(name, { flow, pings: true }, { brokers: ["fogbank", "mosquitto"], ...rest });
}
