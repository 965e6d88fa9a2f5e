// What each costs: to start, with nothing to do, and after many messages.
import { setTimeout as sleep } from "node:timers/promises";
import { inFreshFolder, type BenchContext, type Benchmark, type Figures } from "../benchmark.ts";
import { median } from "../percentiles.ts";
import { memoryMib, type MemoryMib } from "../process-usage.ts";
import type { Column } from "../table.ts";
import type { Contender, ContenderProcess } from "./contender.ts";

export interface CostPlan {
  readonly starts: number;
  readonly idleMs: number;
  readonly messages: number;
}

const samples = 10;
const sampleEveryMs = 1000;
const sampleEveryMsQuick = 50;

const startColumns: readonly Column[] = [
  { key: "cpuMin", heading: "least CPU to READY ms", digits: 0 },
  { key: "cpuMedian", heading: "median", digits: 0 },
];

const memoryColumns: readonly Column[] = [
  { key: "idleRss", heading: "idle RSS MiB", digits: 1 },
  { key: "idlePss", heading: "PSS", digits: 1 },
  { key: "idleAnonymous", heading: "anonymous", digits: 1 },
  { key: "loadedRss", heading: "after the load RSS MiB", digits: 1 },
  { key: "loadedPss", heading: "PSS", digits: 1 },
  { key: "loadedAnonymous", heading: "anonymous", digits: 1 },
  { key: "rate", heading: "msg/s", digits: 0 },
  { key: "missing", heading: "missing", digits: 0 },
];

export function costs(contenders: readonly Contender[], plan: CostPlan): Benchmark {
  return {
    name: "costs",
    title: "one process",
    columns: [...startColumns, ...memoryColumns],
    cases: contenders.map((contender) => ({
      name: contender.name,
      run: async (context) => [
        {
          name: contender.name,
          figures: {
            ...(await startFigures(contender, plan, context)),
            ...(await useFigures(contender, plan, context)),
          },
        },
      ],
    })),
  };
}

/** Each start on an empty folder. */
async function startFigures(contender: Contender, { starts }: CostPlan, context: BenchContext): Promise<Figures> {
  const cpu: number[] = [];
  for (let start = 0; start < starts; start++) {
    await inFreshFolder(context, async (folder) => {
      await using running = await contender.start(context.nodeDeps, folder);
      cpu.push(running.readyCpuMs);
    });
  }
  return { cpuMin: Math.min(...cpu), cpuMedian: median(cpu) };
}

function useFigures(contender: Contender, plan: CostPlan, context: BenchContext): Promise<Figures> {
  return inFreshFolder(context, async (folder) => {
    await using running = await contender.start(context.nodeDeps, folder);
    await sleep(plan.idleMs);
    const idle = await sampleMemory(running.pid, context.isQuick);
    const figures = { idleRss: idle.resident, idlePss: idle.proportional, idleAnonymous: idle.anonymous };
    if (contender.load === undefined) return figures;
    const carried = await carry(contender, running, plan, context);
    const loaded = await sampleMemory(running.pid, context.isQuick);
    const { resident, proportional, anonymous } = loaded;
    return { ...figures, ...carried, loadedRss: resident, loadedPss: proportional, loadedAnonymous: anonymous };
  });
}

async function carry(
  { load }: Contender,
  running: ContenderProcess,
  { messages }: CostPlan,
  { generator }: BenchContext,
): Promise<Figures> {
  if (load === undefined) return {};
  const { port, pid } = running;
  const report = await generator.load({ port, pids: [pid], flow: load, until: { messages } });
  await running.settled?.(messages);
  const rate = (1000 * report.measured) / report.measuredMs;
  return { rate, missing: messages - report.published + report.lost };
}

/** The median of each figure. */
async function sampleMemory(pid: number, isQuick: boolean): Promise<MemoryMib> {
  const taken: MemoryMib[] = [];
  for (let sample = 0; sample < samples; sample++) {
    await sleep(isQuick ? sampleEveryMsQuick : sampleEveryMs);
    taken.push(memoryMib(pid));
  }
  const middle = (key: keyof MemoryMib): number => median(taken.map((memory) => memory[key]));
  return { resident: middle("resident"), proportional: middle("proportional"), anonymous: middle("anonymous") };
}
