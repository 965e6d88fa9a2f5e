// What the figures are to reach, beside what they are. Pure.
import type { Figures } from "../benchmark.ts";
import { nameSeparator } from "../broker/broker-case.ts";
import { median } from "../percentiles.ts";
import type { BenchResult } from "../rounds.ts";
import { target, type Target } from "../targets-table.ts";
import { newestFirst } from "./fogbank-chain.ts";
import { scenarios } from "./forward-benchmark.ts";

/** One run of a row each; of a run that failed there are no figures. */
type Runs = readonly Figures[];

const oneHop = "Fogbank, one hop";
const twoHops = ["two hops, middle dead", "two hops, top dead"];

/** In the order of the tables; without those of benchmarks that did not run. */
export function judge(results: readonly BenchResult[]): readonly Target[] {
  const rowsOf = (benchmark: string): BenchResult["rows"] =>
    results.find((result) => result.benchmark.name === benchmark)?.rows ?? [];
  const forward = (system: string): Runs => runsOf(rowsOf("forward"), `${scenarios.dead}${nameSeparator}${system}`);
  const ours = rowsOf("forward").filter(({ name }) => name.includes(`${nameSeparator}Fogbank`));
  const never = (name: string, key: string, rows = ours): readonly Target[] => {
    const runs = rows.flatMap((row) => row.runs);
    return runs.length === 0 ? [] : [target(`${name}, in any run`, "0", worst(runs, key), (figure) => figure === 0)];
  };
  const inOrder = ours.filter(({ name }) => !name.includes(newestFirst));
  const atMost = (name: string, runs: Runs, key: string, max: number): readonly Target[] =>
    runs.length === 0 ? [] : [target(name, `≤ ${max}`, middle(runs, key), (figure) => figure <= max)];
  const atLeast = (name: string, runs: Runs, key: string, min: number): readonly Target[] =>
    runs.length === 0 ? [] : [target(name, `≥ ${min}`, middle(runs, key), (figure) => figure >= min)];
  const share = (name: string, runs: Runs, min: number): readonly Target[] =>
    runs.length === 0 ? [] : [target(name, `≥ ${min} × NATS`, ratio(runs, forward("NATS")), (figure) => figure >= min)];
  const full = runsOf(rowsOf("backlog"), "started with it");
  return [
    ...never("lost", "lost"),
    ...never("there twice", "duplicates"),
    ...never("out of order", "overtaken", inOrder),
    ...atLeast("published while offline, one hop, msg/s", forward(oneHop), "publishRate", 150_000),
    ...atMost("first message after the parent is back, one hop, ms", forward(oneHop), "firstMs", 1_000),
    ...share("catch-up, one hop, first→last", forward(oneHop), 1),
    ...twoHops.flatMap((hops) => share(`catch-up, ${hops}, first→last`, forward(`Fogbank, ${hops}`), 0.5)),
    ...atMost("P0 during a drain, readable, p99 ms", rowsOf("live").at(0)?.runs ?? [], "p99", 1_000),
    ...atMost("RSS with a backlog, more than idle, MiB", full, "moreMib", 20),
    ...atMost("READY with a backlog, ms", full, "wallMs", 2_000),
    ...["100 in flight", "50 × 20"].flatMap((load) =>
      atMost(`bytes written per payload byte, ${load}`, runsOf(rowsOf("disk"), load), "perByte", 3),
    ),
    ...atMost("event-loop delay with slow syncs, p99 ms", runsOf(rowsOf("loop"), "syncs + 20 ms"), "delayP99", 10),
  ];
}

function runsOf(rows: BenchResult["rows"], name: string): Runs {
  return rows.find((row) => row.name === name)?.runs ?? [];
}

/** Of all runs: NaN when one has no figure. */
function worst(runs: Runs, key: string): number {
  return Math.max(...runs.map((figures) => figures[key] ?? Number.NaN));
}

/** The median of the runs that have the figure. */
function middle(runs: Runs, key: string): number {
  return median(runs.flatMap((figures) => figures[key] ?? []));
}

/** The median over the rounds of one's rate over the other's in the same round. */
function ratio(runs: Runs, others: Runs): number {
  const ratios = runs.map((figures, round) => (figures["rate"] ?? NaN) / (others[round]?.["rate"] ?? NaN));
  return median(ratios.filter((value) => Number.isFinite(value)));
}
