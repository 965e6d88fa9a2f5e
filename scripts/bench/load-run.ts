// The load of the generator: one flow, or two at the same time, over the life of its connections.
//
//   connect -> warm up -> measure -> stop sending -> drain -> close
import { setTimeout as sleep } from "node:timers/promises";
import { Flow, type FlowConnection } from "./flow.ts";
import type { FlowOrder, LoadOrder, LoadReport } from "./generator-protocol.ts";
import { startPings } from "./ping-probe.ts";
import { machineBusyMs, monotonicMs, startCpuMeter } from "./process-usage.ts";
import { TurnRest } from "./turn-rest.ts";

const lookEveryMs = 10;
const paceEveryMs = 1;
/** Nothing came for so long: what is missing is lost. */
const silentMsMax = 2000;
const forgiveEveryMs = 1000;

export async function runLoad(order: LoadOrder): Promise<LoadReport> {
  const flows = flowsOf(order);
  try {
    return await run(order, flows);
  } finally {
    for (const flow of flows) flow.close();
  }
}

function flowsOf(order: LoadOrder): readonly Flow[] {
  const { port, protocol = 4, userPropertyBytes = 0, user } = order;
  const connection: FlowConnection = { port, protocol, userPropertyBytes, ...(user === undefined ? {} : { user }) };
  const orders: readonly FlowOrder[] = order.beside === undefined ? [order.flow] : [order.flow, order.beside];
  const rest = new TurnRest(orders);
  return orders.map((flow, i) => new Flow(flow, connection, i === 0 ? "bench" : "bench-beside", rest));
}

async function run(order: LoadOrder, flows: readonly Flow[]): Promise<LoadReport> {
  const { until, pids } = order;
  const isCounted = "messages" in until;
  for (const flow of flows) await flow.connect();
  const lost = Promise.race(flows.map((flow) => flow.lost()));
  lost.catch(() => undefined);
  using pings = order.pings === true ? await startPings(order.port) : undefined;
  const firstAtMs = monotonicMs();
  for (const flow of flows) if (isCounted) flow.messagesMax = until.messages;
  using driver = drive(flows, firstAtMs);
  if (!isCounted) await Promise.race([sleep(until.warmUpMs), lost]);
  const meter = startCpuMeter([...pids, process.pid]);
  const startMs = monotonicMs();
  const busyBeforeMs = machineBusyMs();
  for (const flow of flows) flow.isMeasuring = true;
  pings?.beginMeasure();
  if (isCounted) await drained(flows, lost, until.messages);
  else await Promise.race([sleep(until.measureMs), lost]);
  const measuredMs = monotonicMs() - startMs;
  const cpu = meter();
  const busy = (100 * (machineBusyMs() - busyBeforeMs)) / measuredMs;
  const pingMs = pings?.latency();
  for (const flow of flows) flow.endMeasure();
  driver[Symbol.dispose]();
  await drained(flows, lost, 0);
  const [report, beside] = flows.map((flow) => flow.report(measuredMs));
  if (report === undefined) throw new Error("a load has at least one flow");
  return {
    ...report,
    ...(beside === undefined ? {} : { beside }),
    ...(pingMs === undefined ? {} : { pingMs }),
    cpu: cpu.slice(0, pids.length),
    generatorCpu: cpu.at(-1) ?? Number.NaN,
    otherCpu: Math.max(
      0,
      cpu.reduce((left, share) => left - share, busy),
    ),
    firstAtMs,
    lastAtMs: flows[0]?.ackedAtMs ?? Number.NaN,
  };
}

/** Starts the flows, and keeps those going that need a clock: the paced ones, and those that wait for what is lost. */
function drive(flows: readonly Flow[], startMs: number): Disposable {
  const pace = setInterval(() => {
    const nowMs = monotonicMs();
    for (const flow of flows) {
      const { perSecond } = flow.order;
      if (perSecond !== undefined) flow.sendUpTo(Math.floor(((nowMs - startMs) * perSecond) / 1000), nowMs);
    }
  }, paceEveryMs);
  let before = progressOf(flows);
  const forgive = setInterval(() => {
    const now = progressOf(flows);
    for (const [i, flow] of flows.entries()) if (now[i] === before[i]) flow.forgiveLost(monotonicMs());
    before = now;
  }, forgiveEveryMs);
  if (flows.every(({ order }) => order.perSecond === undefined)) clearInterval(pace);
  for (const flow of flows) if (flow.order.perSecond === undefined) flow.start(startMs);
  return {
    [Symbol.dispose]() {
      clearInterval(pace);
      clearInterval(forgive);
    },
  };
}

/** Resolves when at least `messages` of each flow, and everything sent, have arrived; or nothing has come for long. */
async function drained(flows: readonly Flow[], lost: Promise<never>, messages: number): Promise<void> {
  let before = "";
  let changedAtMs = monotonicMs();
  while (!flows.every((flow) => flow.sent >= messages && flow.isDrained())) {
    const now = progressOf(flows).join();
    if (now !== before) changedAtMs = monotonicMs();
    else if (monotonicMs() - changedAtMs > silentMsMax) return;
    before = now;
    await Promise.race([sleep(lookEveryMs), lost]);
  }
}

function progressOf(flows: readonly Flow[]): readonly number[] {
  return flows.map(({ acked, deliveries }) => acked + deliveries);
}
