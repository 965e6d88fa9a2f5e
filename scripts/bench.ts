// `npm run bench`: what a node and a tree of three levels do per second and what they cost, on this machine. The method and a
// table are in docs/benchmarks.md. Exit codes: 0 measured, 1 failure, 2 usage, 130 interrupted.
import { writeFileSync } from "node:fs";
import { addedLatency } from "./bench/added-latency.ts";
import { benchCommand, extentOf, profilesIn, runBenchCommand, type BenchOptions } from "./bench/bench-options.ts";
import { say, sayProgress } from "./bench/bench-run.ts";
import type { Benchmark } from "./bench/benchmark.ts";
import { callRoundTrip } from "./bench/call-round-trip.ts";
import { catchUp } from "./bench/catch-up.ts";
import { durableAppends } from "./bench/durable-appends.ts";
import { footprint } from "./bench/footprint.ts";
import { startGenerator } from "./bench/generator-process.ts";
import { renderHeader, renderResults, toJson } from "./bench/report.ts";
import { runRounds } from "./bench/rounds.ts";
import { treeRate } from "./bench/tree-rate.ts";
import { oneOf } from "./demo/command-line.ts";
import { createPortPicker } from "./demo/free-ports.ts";
import { startOrphanGuard } from "./demo/orphan-guard.ts";

/** In the order of the tables. */
const benchmarks: readonly Benchmark[] = [durableAppends, treeRate, addedLatency, catchUp, callRoundTrip, footprint];

const names = benchmarks.map(({ name }) => name);

interface Options extends BenchOptions {
  readonly only?: readonly string[];
  readonly profile?: string;
}

const command = benchCommand("bench", {
  measures: "a node and a tree of three levels",
  howLong: "each load is",
  seconds: 5,
  howOften: "everything is run",
  quick: "one short round with a small backlog, to see that it works",
})
  .option("--only <name>", `one of ${names.join(", ")}; may be repeated`, oneOf(names))
  .option("--profile <folder>", "profile the device's threads into this folder and show their self times");

void runBenchCommand(() => command.parse(process.argv).opts<Options>(), measure);

async function measure({ only, json, profile, ...options }: Options, folder: string): Promise<void> {
  const { isQuick, measureMs, rounds, conditions } = extentOf(options, folder);
  say([...renderHeader(conditions), ""]);
  const { nodeArguments: profiled, summary } = profilesIn(profile);
  const nodeArguments = (name: string): readonly string[] => (name === "bench-device" ? profiled : []);
  using guard = startOrphanGuard();
  await using generator = startGenerator();
  const nodeDeps = { guard, pickPort: createPortPicker(), nodeArguments };
  const results = await runRounds(
    benchmarks.filter(({ name }) => only === undefined || only.includes(name)),
    rounds,
    { folder, nodeDeps, generator, measureMs, isQuick },
    sayProgress,
  );
  say(renderResults(results));
  if (json !== undefined) writeFileSync(json, toJson({ ...conditions, results }));
  say(summary());
}
