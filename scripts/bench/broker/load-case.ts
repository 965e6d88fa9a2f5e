// Cases that are one load of the generator, and their figures.
import type { BenchContext, Figures } from "../benchmark.ts";
import type { FlowOrder, LoadOrder, LoadReport } from "../generator-protocol.ts";
import { memoryMib } from "../process-usage.ts";
import type { Column } from "../table.ts";
import type { BrokerCase } from "./broker-case.ts";
import type { RunningBroker } from "./broker-kind.ts";

export interface LoadPlan extends Pick<LoadOrder, "protocol" | "userPropertyBytes" | "pings"> {
  readonly flow: FlowOrder;
}

const warmUpMs = 700;
const warmUpMsQuick = 300;
/** At a fixed rate few messages pass: code that is compiled as it runs needs more time to get warm, and p99 is about one in a hundred. */
const warmUpMsPaced = 5_000;
const measureMsPaced = 10_000;

/** Not captured by a node: it stays in memory. */
export const memoryTopic = "bench/memory";

export const rateColumns: readonly Column[] = [
  { key: "rate", heading: "msg/s", digits: 0 },
  { key: "ratio", heading: "× Mosquitto", digits: 2 },
];

export const usageColumns: readonly Column[] = [
  { key: "lost", heading: "lost", digits: 0 },
  { key: "duplicates", heading: "twice", digits: 0 },
  { key: "gaps", heading: "gaps", digits: 0 },
  { key: "brokerCpu", heading: "broker CPU %", digits: 0 },
  { key: "generatorCpu", heading: "generator CPU %", digits: 0 },
  { key: "otherCpu", heading: "others' CPU %", digits: 0 },
  { key: "residentMib", heading: "RSS MiB", digits: 0 },
];

export const arrivalColumns: readonly Column[] = [
  { key: "p50", heading: "p50 ms", digits: 2 },
  { key: "p99", heading: "p99 ms", digits: 2 },
];

export function loadCase(name: string, plan: LoadPlan, rest: Partial<BrokerCase> = {}): BrokerCase {
  return {
    name,
    async measure(broker, context) {
      const report = await runOnBroker(broker, context, plan);
      return { ...figuresOf(report, (plan.flow.subscribers ?? 0) > 0), residentMib: memoryMib(broker.pid).resident };
    },
    ...rest,
  };
}

export function runOnBroker(
  { port, pid, user }: RunningBroker,
  { generator, isQuick, measureMs }: BenchContext,
  plan: Omit<LoadOrder, "type" | "port" | "pids" | "until">,
): Promise<LoadReport> {
  const isPaced = plan.flow.perSecond !== undefined && !isQuick;
  const until = {
    warmUpMs: isQuick ? warmUpMsQuick : isPaced ? warmUpMsPaced : warmUpMs,
    measureMs: isPaced ? Math.max(measureMs, measureMsPaced) : measureMs,
  };
  return generator.load({ ...plan, port, pids: [pid], until, ...(user === undefined ? {} : { user }) });
}

/** Of what subscribers received, or what was acknowledged when there are none. */
function figuresOf(report: LoadReport, hasSubscribers: boolean): Figures {
  const { ackMs, arrivalMs, pingMs, cpu, generatorCpu, otherCpu, measuredMs } = report;
  const { p50, p99 } = hasSubscribers ? arrivalMs : ackMs;
  const counts = { lost: report.lost, duplicates: report.duplicates, gaps: report.gaps };
  return {
    rate: (1000 * (hasSubscribers ? report.received : report.measured)) / measuredMs,
    p50,
    p99,
    ackP50: ackMs.p50,
    ackP99: ackMs.p99,
    ...(pingMs === undefined ? {} : { pingP99: pingMs.p99 }),
    ...(hasSubscribers ? counts : {}),
    brokerCpu: cpu[0] ?? Number.NaN,
    generatorCpu,
    otherCpu,
  };
}
