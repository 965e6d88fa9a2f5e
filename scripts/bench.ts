// `npm run bench`: what a node and a tree of three levels do per second and what they cost, on this machine. The method and a
// table are in docs/benchmarks.md. Exit codes: 0 measured, 1 failure, 2 usage, 130 interrupted.
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { Command } from "commander";
import { addedLatency } from "./bench/added-latency.ts";
import { runInBenchFolder, say, sayProgress } from "./bench/bench-run.ts";
import type { Benchmark } from "./bench/benchmark.ts";
import { callRoundTrip } from "./bench/call-round-trip.ts";
import { catchUp } from "./bench/catch-up.ts";
import { summarizeProfiles } from "./bench/cpu-profile.ts";
import { measureDiskSync } from "./bench/disk-sync.ts";
import { durableAppends } from "./bench/durable-appends.ts";
import { footprint } from "./bench/footprint.ts";
import { startGenerator } from "./bench/generator-process.ts";
import { describeMachine } from "./bench/machine.ts";
import { renderHeader, renderResults, toJson } from "./bench/report.ts";
import { runRounds } from "./bench/rounds.ts";
import { treeRate } from "./bench/tree-rate.ts";
import { oneOf, parseOptions, wholeNumber } from "./demo/command-line.ts";
import { createPortPicker } from "./demo/free-ports.ts";
import { startOrphanGuard } from "./demo/orphan-guard.ts";

/** In the order of the tables. */
const benchmarks: readonly Benchmark[] = [durableAppends, treeRate, addedLatency, catchUp, callRoundTrip, footprint];

const names = benchmarks.map(({ name }) => name);
const syncs = 1000;

interface Options {
  readonly only?: readonly string[];
  readonly seconds: number;
  readonly rounds: number;
  readonly quick?: true;
  readonly json?: string;
  readonly dir: string;
  readonly profile?: string;
}

void main();

async function main(): Promise<void> {
  const options = parseArguments(process.argv);
  if (typeof options === "number") return void (process.exitCode = options);
  await runInBenchFolder(options.dir, (folder) => measure(options, folder));
}

async function measure({ only, seconds, quick, json, profile, ...options }: Options, folder: string): Promise<void> {
  const isQuick = quick === true;
  const [measureMs, rounds] = isQuick ? [1000, 1] : [seconds * 1000, options.rounds];
  const conditions = { machine: describeMachine(), disk: measureDiskSync(folder, syncs), rounds, measureMs };
  say([...renderHeader(conditions), ""]);
  const profileFolder = profile === undefined ? undefined : resolve(profile);
  if (profileFolder !== undefined) mkdirSync(profileFolder, { recursive: true });
  const nodeArguments = (name: string): readonly string[] =>
    profileFolder === undefined || name !== "bench-device"
      ? []
      : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`, "--cpu-prof-interval=500"];
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
  if (profileFolder !== undefined) say(summarizeProfiles(profileFolder));
}

function parseArguments(argv: readonly string[]): Options | number {
  const command = new Command("npm run bench --")
    .description("measures a node and a tree of three levels on this machine; nothing else should run meanwhile")
    .option("--only <name>", `one of ${names.join(", ")}; may be repeated`, oneOf(names))
    .option("--seconds <s>", "how long each load is measured, 1 to 600", wholeNumber(1, 600), 5)
    .option("--rounds <n>", "how often everything is run, 1 to 100; the median is shown", wholeNumber(1, 100), 3)
    .option("--quick", "one short round with a small backlog, to see that it works")
    .option("--json <file>", "write every single run too")
    .option("--dir <folder>", "on the disk to be measured", tmpdir())
    .option("--profile <folder>", "profile the device's threads into this folder and show their self times")
    .exitOverride();
  return parseOptions(() => command.parse(argv).opts<Options>());
}
