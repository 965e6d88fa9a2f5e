// What calls are to reach, beside what they did. Pure.
import { limits } from "#shared/limits.ts";
import { median } from "../percentiles.ts";
import type { BenchResult } from "../rounds.ts";
import { target, type Target } from "../targets-table.ts";
import { byHand, onDisk } from "./round-trip-benchmark.ts";
import { fogCount, wideName } from "./wide-benchmark.ts";

const many = 10_000;
const completeMsMax = 3_000;
const pruned = 20;

/** Those of benchmarks that have run. */
export function judgeCalls(results: readonly BenchResult[]): readonly Target[] {
  const rowsOf = (benchmark: string): BenchResult["rows"] =>
    results.find((result) => result.benchmark.name === benchmark)?.rows ?? [];
  const figure = (benchmark: string, row: string, key: string): number =>
    rowsOf(benchmark).find(({ name }) => name === row)?.figures[key] ?? Number.NaN;
  const all = wideName(many, "all");
  return [
    ...atMost("command and result, p50 ms", figure("command", onDisk, "p50"), 5),
    ...atMost("command and result, p99 ms", figure("command", onDisk, "p99"), 50),
    ...atMost("command and result, p50 over that of two Mosquittos", timesByHand(rowsOf("command")), undefined),
    ...atMost("receipt of 10,000 devices complete, ms", figure("wide", all, "completeMs"), completeMsMax),
    ...atMost(
      "frames on the cloud's links to each fog of 500 devices, over the envelope, a report each 200 ms and the last one",
      figure("wide", all, "cloudFrames") / (fogCount.full * (2 + figure("wide", all, "completeMs") / limits.receiptMs)),
      1,
    ),
    ...atMost(
      "frames to one zone of fifty over those to all",
      figure("wide", wideName(many, "one zone"), "frames") / figure("wide", all, "frames"),
      1 / pruned,
    ),
    ...queued(rowsOf("queued")),
  ];
}

function atMost(name: string, figure: number, max: number | undefined): readonly Target[] {
  if (Number.isNaN(figure)) return [];
  if (max === undefined) return [target(name, "no bound", figure, () => true)];
  return [target(name, `≤ ${max}`, figure, (value) => value <= max)];
}

/** The median over the rounds of one's p50 over the other's in the same round. */
function timesByHand(rows: BenchResult["rows"]): number {
  const runsOf = (row: string) => rows.find(({ name }) => name === row)?.runs ?? [];
  const others = runsOf(byHand);
  return median(
    runsOf(onDisk).flatMap(({ p50 }, round) => (p50 ?? Number.NaN) / (others[round]?.["p50"] ?? Number.NaN)),
  );
}

function queued(rows: BenchResult["rows"]): readonly Target[] {
  return rows.flatMap(({ figures: { unanswered = Number.NaN, ran = Number.NaN, done = Number.NaN } }) => [
    target("queued calls that were not done", "0", unanswered, (value) => value === 0),
    target("runs for each queued call that is done", "1", ran / done, (value) => value === 1),
  ]);
}
