// One subscriber that never reads, with publishers at full speed on its topic: what is left for everybody else?
import type { FlowOrder } from "../generator-protocol.ts";
import { peakMib } from "../process-usage.ts";
import type { BrokerGroup } from "./broker-case.ts";
import { memoryTopic, runOnBroker } from "./load-case.ts";

const perSecond = 1000;
const unrelated: FlowOrder = {
  topic: `${memoryTopic}/unrelated`,
  publishers: 1,
  outstanding: 1000,
  payloadBytes: 64,
  perSecond,
  subscribers: 1,
};
const stalled: FlowOrder = {
  topic: `${memoryTopic}/stalled`,
  publishers: 10,
  outstanding: 100,
  payloadBytes: 64,
  subscribers: 1,
  isStalled: true,
};

export const stalledSubscriber: BrokerGroup = {
  name: "stalled",
  title: `${perSecond} msg/s beside a stalled subscriber`,
  columns: [
    { key: "aloneRate", heading: "alone msg/s", digits: 0 },
    { key: "rate", heading: "beside msg/s", digits: 0 },
    { key: "share", heading: "share %", digits: 1 },
    { key: "aloneP99", heading: "alone p99 ms", digits: 2 },
    { key: "p99", heading: "beside p99 ms", digits: 2 },
    { key: "stalledRate", heading: "acked for the stalled msg/s", digits: 0 },
    { key: "lost", heading: "lost", digits: 0 },
    { key: "duplicates", heading: "twice", digits: 0 },
    { key: "gaps", heading: "gaps", digits: 0 },
    { key: "brokerCpu", heading: "broker CPU %", digits: 0 },
    { key: "generatorCpu", heading: "generator CPU %", digits: 0 },
    { key: "otherCpu", heading: "others' CPU %", digits: 0 },
    { key: "peakMib", heading: "RSS max MiB", digits: 0 },
  ],
  cases: [
    {
      name: "QoS 1, 64 B, 10 × 100 to the stalled one",
      async measure(broker, context) {
        const before = await runOnBroker(broker, context, { flow: unrelated });
        const report = await runOnBroker(broker, context, { flow: stalled, beside: unrelated });
        const { beside, cpu, generatorCpu, otherCpu, measured, measuredMs } = report;
        if (beside === undefined) throw new Error("the generator forgot the unrelated topic");
        const aloneRate = (1000 * before.received) / before.measuredMs;
        const rate = (1000 * beside.received) / beside.measuredMs;
        return {
          aloneRate,
          rate,
          share: (100 * rate) / aloneRate,
          aloneP99: before.arrivalMs.p99,
          p99: beside.arrivalMs.p99,
          stalledRate: (1000 * measured) / measuredMs,
          lost: beside.lost,
          duplicates: beside.duplicates,
          gaps: beside.gaps,
          brokerCpu: cpu[0] ?? Number.NaN,
          generatorCpu,
          otherCpu,
          peakMib: peakMib(broker.pid),
        };
      },
    },
  ],
};
