// Results of several brokers beside each other. Pure.
import type { Figures } from "../benchmark.ts";
import { median } from "../percentiles.ts";
import type { BenchResult } from "../rounds.ts";
import { nameSeparator } from "./broker-case.ts";

const reference = "mosquitto";
const generatorCpuMax = 90;
const generatorNote = `generator above ${generatorCpuMax} % of a core: it may be what limits`;

/** Adds to each row `ratio`, its rate over that of Mosquitto in the same round, and a note where the generator was the limit. */
export function compare(results: readonly BenchResult[]): readonly BenchResult[] {
  return results.map(({ benchmark, rows }) => {
    const runsByName = new Map(rows.map(({ name, runs }) => [name, runs]));
    const compared = rows.map((row) => {
      const [load = ""] = row.name.split(nameSeparator);
      const ratio = ratioOf(row.runs, runsByName.get(`${load}${nameSeparator}${reference}`) ?? []);
      const isLimited = (row.figures["generatorCpu"] ?? 0) > generatorCpuMax;
      const notes = [row.note ?? [], isLimited ? generatorNote : []].flat();
      return {
        ...row,
        figures: { ...row.figures, ratio },
        ...(notes.length === 0 ? {} : { note: notes.join("; ") }),
      };
    });
    return { benchmark, rows: compared };
  });
}

/** The names of loads and brokers under each other. */
export function alignNames(results: readonly BenchResult[]): readonly BenchResult[] {
  return results.map(({ benchmark, rows }) => {
    const parts = rows.map(({ name }) => name.split(nameSeparator));
    const width = Math.max(0, ...parts.map(([load = ""]) => load.length));
    const aligned = rows.map((row, i) => ({ ...row, name: (parts[i] ?? []).join(gapOf(parts[i]?.[0], width)) }));
    return { benchmark, rows: aligned };
  });
}

function gapOf(load: string | undefined, width: number): string {
  return " ".repeat(width + 2 - (load?.length ?? 0));
}

/** The median over the rounds; NaN when no round has both. */
function ratioOf(runs: readonly Figures[], references: readonly Figures[]): number {
  const ratios = runs.map((figures, round) => (figures["rate"] ?? NaN) / (references[round]?.["rate"] ?? NaN));
  return median(ratios.filter((ratio) => Number.isFinite(ratio)));
}
