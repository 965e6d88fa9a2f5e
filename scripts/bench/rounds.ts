// Runs the benchmarks in rounds, so that what the machine does meanwhile hits all of them alike: every case once, then every
// case again in the opposite order. What is shown is the median of the rounds.
import type { BenchContext, Benchmark, BenchRow, Figures } from "./benchmark.ts";
import { median } from "./percentiles.ts";
import type { Row } from "./table.ts";

export interface BenchResult {
  readonly benchmark: Benchmark;
  readonly rows: readonly (Row & { readonly runs: readonly Figures[] })[];
}

export async function runRounds(
  benchmarks: readonly Benchmark[],
  rounds: number,
  context: BenchContext,
  progress: (text: string) => void,
): Promise<readonly BenchResult[]> {
  const runsByRow = new Map(benchmarks.map(({ name }) => [name, new Map<string, BenchRow[]>()]));
  const steps = benchmarks.flatMap((benchmark) => benchmark.cases.map((benchCase) => ({ benchmark, benchCase })));
  for (let round = 0; round < rounds; round++) {
    for (const { benchmark, benchCase } of round % 2 === 0 ? steps : steps.toReversed()) {
      progress(`round ${round + 1} of ${rounds}: ${benchmark.name}, ${benchCase.name}`);
      for (const row of await benchCase.run(context)) {
        const runs = runsByRow.get(benchmark.name);
        runs?.set(row.name, [...(runs.get(row.name) ?? []), row]);
      }
    }
  }
  return benchmarks.map((benchmark) => ({
    benchmark,
    rows: sortedRows(benchmark, runsByRow.get(benchmark.name) ?? new Map()),
  }));
}

/** In the order of the cases, whatever round came first. */
function sortedRows(benchmark: Benchmark, runsByRow: ReadonlyMap<string, readonly BenchRow[]>): BenchResult["rows"] {
  const order = benchmark.cases.map(({ name }) => name);
  return [...runsByRow]
    .toSorted(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    .map(([name, rows]) => {
      const runs = rows.map(({ figures }) => figures);
      const notes = new Set(rows.flatMap(({ note }) => note ?? []));
      return { name, runs, figures: medianFigures(runs), ...(notes.size === 0 ? {} : { note: [...notes].join("; ") }) };
    });
}

/** Each figure by itself; one that is not in every run is the median of those that have it. */
export function medianFigures(runs: readonly Figures[]): Figures {
  const keys = new Set(runs.flatMap((figures) => Object.keys(figures)));
  return Object.fromEntries([...keys].map((key) => [key, median(runs.flatMap((figures) => figures[key] ?? []))]));
}
