// A backlog that was published while the parent was dead: what of it arrives when the parent is back, how soon and how fast.
//
//   link up -> parent dies -> publish [-> half-way: child killed -9, started] -> parent back -> first … last message arrive -> all is read
import type { BenchCase, BenchContext, Benchmark, Figures } from "../benchmark.ts";
import { nameSeparator } from "../broker/broker-case.ts";
import { deliveryColumns } from "../columns.ts";
import { cpuMs } from "../process-usage.ts";
import type { Column } from "../table.ts";
import { rateBetween, rateSince, watchArrival } from "./arrival-watch.ts";
import type { EndPids, ForwardSystem, PublishReport, RunningSystem } from "./forward-system.ts";
import { guardedCase } from "./guarded-case.ts";

const backlog = 100_000;
const backlogQuick = 2_000;
const window = { publishers: 50, outstanding: 20 } as const;
const alone = { publishers: 1, outstanding: 1000 } as const;

/** The scenarios, as rows are named. */
export const scenarios = { dead: "parent dead", killed: "parent dead, child killed -9 half-way" } as const;

const columns: readonly Column[] = [
  { key: "acked", heading: "acked", digits: 0 },
  ...deliveryColumns,
  { key: "publishRate", heading: "published/s", digits: 0 },
  { key: "firstMs", heading: "first ms", digits: 0 },
  { key: "lastMs", heading: "last ms", digits: 0 },
  { key: "rate", heading: "msg/s first→last", digits: 0 },
  { key: "rateBack", heading: "msg/s back→last", digits: 0 },
  { key: "durableMs", heading: "in journal ms", digits: 0 },
  { key: "durableRate", heading: "msg/s", digits: 0 },
  { key: "childCpu", heading: "child CPU s", digits: 2 },
  { key: "betweenCpu", heading: "fog CPU s", digits: 2 },
  { key: "parentCpu", heading: "parent CPU s", digits: 2 },
];

export function forwardBenchmark(systems: readonly ForwardSystem[]): Benchmark {
  const cases = Object.values(scenarios).flatMap((scenario) => systems.map((system) => forwardCase(scenario, system)));
  return { name: "forward", title: "backlog → receiving end, from the parent's return", columns, cases };
}

/** The other shape of the load, with the parent dead and nothing else. */
export function offlinePublishBenchmark(systems: readonly ForwardSystem[]): Benchmark {
  const { publishers, outstanding } = alone;
  return {
    name: "offline",
    title: `published while the parent is dead, ${publishers} × ${outstanding}`,
    columns: columns.filter(({ key }) => key === "acked" || key === "publishRate"),
    cases: systems.map((system) =>
      guardedCase(system.name, async (context, folder) => {
        await using running = await system.start(context, folder);
        await running.stopParent();
        const report = await running.publish({ ...alone, messages: messagesOf(context), firstPublisher: 0 });
        return [{ name: system.name, figures: publishFigures([report]) }];
      }),
    ),
  };
}

function forwardCase(scenario: string, system: ForwardSystem): BenchCase {
  const name = `${scenario}${nameSeparator}${system.name}`;
  return guardedCase(name, async (context, folder) => {
    await using running = await system.start(context, folder);
    return [{ name, figures: await measure(running, scenario === scenarios.killed, messagesOf(context)) }];
  });
}

async function measure(running: RunningSystem, isKilled: boolean, messages: number): Promise<Figures> {
  await running.stopParent();
  const reports: PublishReport[] = [];
  const parts = isKilled ? 2 : 1;
  for (let part = 0; part < parts; part++) {
    if (part > 0) await running.restartChild();
    const firstPublisher = part * window.publishers;
    reports.push(await running.publish({ ...window, messages: messages / parts, firstPublisher }));
  }
  await running.settled();
  const published = publishFigures(reports);
  const backAtMs = await running.startParent();
  const pids = running.pids();
  const cpu = startCpuClock(pids);
  let cpuAtLast = cpu();
  const { readable, durable } = await watchArrival(
    published.acked,
    () => running.arrived(),
    () => (cpuAtLast = cpu()),
  );
  return {
    ...published,
    ...(readable === undefined
      ? {}
      : {
          firstMs: readable.first.atMs - backAtMs,
          lastMs: readable.last.atMs - backAtMs,
          rate: rateBetween(readable),
          rateBack: rateSince(readable, backAtMs),
        }),
    ...(durable === undefined
      ? {}
      : { durableMs: durable.last.atMs - backAtMs, durableRate: rateSince(durable, backAtMs) }),
    ...cpuAtLast,
    ...(await running.verdict(published.acked)),
  };
}

function publishFigures(reports: readonly PublishReport[]): { readonly acked: number; readonly publishRate: number } {
  const acked = reports.reduce((total, { published }) => total + published, 0);
  const ms = reports.reduce((total, { firstAtMs, lastAtMs }) => total + lastAtMs - firstAtMs, 0);
  return { acked, publishRate: (1000 * acked) / ms };
}

/** Seconds of processor time of each end since now. */
function startCpuClock({ child, between, parent }: EndPids): () => Figures {
  const seconds = (pid: number): number => cpuMs(pid) / 1000;
  const before = { child: seconds(child), between: between && seconds(between), parent: seconds(parent) };
  return () => ({
    childCpu: seconds(child) - before.child,
    ...(between === undefined ? {} : { betweenCpu: seconds(between) - (before.between ?? 0) }),
    parentCpu: seconds(parent) - before.parent,
  });
}

function messagesOf({ isQuick }: BenchContext): number {
  return isQuick ? backlogQuick : backlog;
}
