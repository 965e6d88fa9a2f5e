// The figures for people and for machines.
import type { DiskSync } from "./disk-sync.ts";
import type { Machine } from "./machine.ts";
import type { BenchResult } from "./rounds.ts";
import { renderTable } from "./table.ts";

export interface BenchRun {
  readonly machine: Machine;
  readonly disk: DiskSync;
  readonly rounds: number;
  readonly measureMs: number;
  readonly results: readonly BenchResult[];
}

/** What stands above every table: figures mean nothing without it. */
export function renderHeader({ machine, disk, rounds, measureMs }: Omit<BenchRun, "results">): readonly string[] {
  const { cpu, cores, memoryGib, platform, node, date, load } = machine;
  const sync = `p50 ${disk.p50Ms.toFixed(2)} ms, p99 ${disk.p99Ms.toFixed(2)} ms (${disk.appends} appends)`;
  return [
    `${cpu}, ${cores} cores, ${memoryGib.toFixed(0)} GiB, ${platform}, Node ${node}`,
    `${date} UTC, load average before the run ${load.toFixed(2)}`,
    `fdatasync after a 4 KiB append in this folder: ${sync}${disk.isMemory ? ", in memory: no disk is measured" : ""}`,
    `medians of ${rounds} rounds, ${measureMs / 1000} s each; CPU in percent of one core`,
  ];
}

export function renderResults(results: readonly BenchResult[], render = renderTable): readonly string[] {
  return results.flatMap(({ benchmark, rows }) => [...render(benchmark.title, benchmark.columns, rows), ""]);
}

/** With every single run. */
export function toJson({ machine, disk, rounds, measureMs, results }: BenchRun): string {
  const benchmarks = results.map(({ benchmark, rows }) => ({
    name: benchmark.name,
    title: benchmark.title,
    rows: rows.map(({ name, figures, runs, note }) => ({ name, median: figures, runs, note })),
  }));
  return `${JSON.stringify({ machine, disk, rounds, measureMs, benchmarks }, undefined, 2)}\n`;
}
