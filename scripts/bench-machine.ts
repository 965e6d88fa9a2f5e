// `npm run bench:machine`: calls over three levels, beside the same done by hand, to ten thousand devices, to few of them, and to those
// that are away. The method is in docs/benchmarks.md. Exit codes: 0 measured, 1 failure, 2 usage, 130 interrupted.
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { Command } from "commander";
import { runInBenchFolder, say, sayProgress } from "./bench/bench-run.ts";
import type { BenchContext, Benchmark } from "./bench/benchmark.ts";
import { findMosquitto, mosquittoVersion } from "./bench/broker/mosquitto.ts";
import { queuedBenchmark } from "./bench/calls/queued-benchmark.ts";
import { roundTripBenchmark } from "./bench/calls/round-trip-benchmark.ts";
import { judgeCalls } from "./bench/calls/targets.ts";
import { wideBenchmark } from "./bench/calls/wide-benchmark.ts";
import { summarizeProfiles } from "./bench/cpu-profile.ts";
import { measureDiskSync } from "./bench/disk-sync.ts";
import { startGenerator } from "./bench/generator-process.ts";
import { describeMachine } from "./bench/machine.ts";
import { renderHeader, renderResults, toJson } from "./bench/report.ts";
import { runRounds } from "./bench/rounds.ts";
import { renderMarkdown, renderTable } from "./bench/table.ts";
import { renderTargets } from "./bench/targets-table.ts";
import { parseOptions, pattern, wholeNumber } from "./demo/command-line.ts";
import { createPortPicker } from "./demo/free-ports.ts";
import { startOrphanGuard } from "./demo/orphan-guard.ts";

const syncs = 1000;

interface Options {
  readonly only?: RegExp;
  readonly seconds: number;
  readonly rounds: number;
  readonly quick?: true;
  readonly json?: string;
  readonly markdown?: true;
  readonly dir: string;
  readonly profile?: string;
}

void main();

async function main(): Promise<void> {
  const options = parseArguments(process.argv);
  if (typeof options === "number") return void (process.exitCode = options);
  await runInBenchFolder(options.dir, (folder) => measure(options, folder));
}

async function measure(options: Options, folder: string): Promise<void> {
  const { quick, seconds, json, markdown, profile } = options;
  const isQuick = quick === true;
  const [measureMs, rounds] = isQuick ? [1000, 1] : [seconds * 1000, options.rounds];
  const conditions = { machine: describeMachine(), disk: measureDiskSync(folder, syncs), rounds, measureMs };
  const mosquitto = findMosquitto();
  if (mosquitto === undefined) sayProgress("left out: Mosquitto is not installed");
  const compared = chosen([roundTripBenchmark(mosquitto)], options.only);
  const alone = chosen([wideBenchmark(isQuick), queuedBenchmark(isQuick)], options.only);
  if (compared.length + alone.length === 0) throw new Error("no case matches --only");
  const profileFolder = profile === undefined ? undefined : resolve(profile);
  if (profileFolder !== undefined) mkdirSync(profileFolder, { recursive: true });
  using guard = startOrphanGuard();
  await using generator = startGenerator();
  const nodeDeps = { guard, pickPort: createPortPicker(), nodeArguments: () => profileArguments(profileFolder) };
  const context: BenchContext = { folder, nodeDeps, generator, measureMs, isQuick };
  const results = [
    ...(await runRounds(compared, rounds, context, sayProgress)),
    ...(await runRounds(alone, 1, context, sayProgress)),
  ];
  const header = [
    ...renderHeader(conditions),
    ...(mosquitto === undefined
      ? []
      : [`Mosquitto ${mosquittoVersion(mosquitto)}, QoS 1, set_tcp_nodelay, persistence on`]),
    "to many devices: medians of five calls, after one that does not count; this, and what is queued, ran once",
  ];
  const isMarkdown = markdown === true;
  say(isMarkdown ? ["```", ...header, "```", ""] : [...header, ""]);
  say(renderResults(results, isMarkdown ? renderMarkdown : renderTable));
  say(renderTargets(judgeCalls(results), isMarkdown));
  if (json !== undefined) writeFileSync(json, toJson({ ...conditions, results }));
  if (profileFolder !== undefined) say(summarizeProfiles(profileFolder));
}

/** The cases whose benchmark or name matches. */
function chosen(benchmarks: readonly Benchmark[], only: RegExp | undefined): readonly Benchmark[] {
  return benchmarks
    .map((benchmark) => ({
      ...benchmark,
      cases: benchmark.cases.filter(({ name }) => only?.test(`${benchmark.name} ${name}`) ?? true),
    }))
    .filter(({ cases }) => cases.length > 0);
}

function profileArguments(folder: string | undefined): readonly string[] {
  return folder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${folder}`, "--cpu-prof-interval=500"];
}

function parseArguments(argv: readonly string[]): Options | number {
  const command = new Command("npm run bench:machine --")
    .description("measures calls through a tree on this machine; nothing else should run meanwhile")
    .option("--only <pattern>", "cases whose group (command, wide, queued) or name matches", pattern)
    .option("--seconds <s>", "how long commands at a fixed rate are measured, 1 to 600", wholeNumber(1, 600), 10)
    .option("--rounds <n>", "how often commands are compared, 1 to 100; the median is shown", wholeNumber(1, 100), 3)
    .option("--quick", "one round with little of everything, to see that it works")
    .option("--json <file>", "write every single run too")
    .option("--markdown", "tables for a document")
    .option("--dir <folder>", "on the disk to be measured", tmpdir())
    .option("--profile <folder>", "profile all nodes' threads into this folder and show their self times")
    .exitOverride();
  return parseOptions(() => command.parse(argv).opts<Options>());
}
