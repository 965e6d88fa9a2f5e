// What all benchmark programs have in common on the command line, and what follows from it.
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { Command } from "commander";
import { parseOptions, wholeNumber } from "../demo/command-line.ts";
import { runInBenchFolder } from "./bench-run.ts";
import type { Benchmark } from "./benchmark.ts";
import { summarizeProfiles } from "./cpu-profile.ts";
import { measureDiskSync } from "./disk-sync.ts";
import { describeMachine } from "./machine.ts";

export interface BenchOptions {
  readonly seconds: number;
  readonly rounds: number;
  readonly quick?: true;
  readonly json?: string;
  readonly dir: string;
}

interface BenchWords {
  /** What it measures. */
  readonly measures: string;
  /** As in "how long each load is", and unless said otherwise for so many seconds. */
  readonly howLong: string;
  readonly seconds: number;
  /** As in "how often everything is run". */
  readonly howOften: string;
  readonly quick: string;
}

/** A command with the options that all have; `script` is its name in package.json. */
export function benchCommand(script: string, { measures, howLong, seconds, howOften, quick }: BenchWords): Command {
  return new Command(`npm run ${script} --`)
    .description(`measures ${measures} on this machine; nothing else should run meanwhile`)
    .option("--seconds <s>", `how long ${howLong} measured, 1 to 600`, wholeNumber(1, 600), seconds)
    .option("--rounds <n>", `how often ${howOften}, 1 to 100; the median is shown`, wholeNumber(1, 100), 3)
    .option("--quick", quick)
    .option("--json <file>", "write every single run too")
    .option("--dir <folder>", "on the disk to be measured", tmpdir())
    .exitOverride();
}

/** Parses the arguments and measures in a fresh folder; sets the exit code. */
export async function runBenchCommand<Options extends BenchOptions>(
  parse: () => Options,
  measure: (options: Options, folder: string) => Promise<void>,
): Promise<void> {
  const options = parseOptions(parse);
  if (typeof options === "number") process.exitCode = options;
  else await runInBenchFolder(options.dir, (folder) => measure(options, folder));
}

const syncs = 1000;

/** How much is measured, and the conditions, as the report tells them. */
export function extentOf({ quick, seconds, rounds: asked }: BenchOptions, folder: string) {
  const isQuick = quick === true;
  const [measureMs, rounds] = isQuick ? [1000, 1] : [seconds * 1000, asked];
  const conditions = { machine: describeMachine(), disk: measureDiskSync(folder, syncs), rounds, measureMs };
  return { isQuick, measureMs, rounds, conditions };
}

/** The cases whose benchmark or name matches. */
export function chosenCases(benchmarks: readonly Benchmark[], only: RegExp | undefined): readonly Benchmark[] {
  return benchmarks
    .map((benchmark) => ({
      ...benchmark,
      cases: benchmark.cases.filter(({ name }) => only?.test(`${benchmark.name} ${name}`) ?? true),
    }))
    .filter(({ cases }) => cases.length > 0);
}

/** What `--profile <folder>` asks for: arguments for the nodes that are profiled, and afterwards what it has shown. */
export function profilesIn(folder: string | undefined) {
  if (folder === undefined) return { nodeArguments: [], summary: (): readonly string[] => [] };
  const into = resolve(folder);
  mkdirSync(into, { recursive: true });
  const nodeArguments = ["--cpu-prof", `--cpu-prof-dir=${into}`, "--cpu-prof-interval=500"];
  return { nodeArguments, summary: () => summarizeProfiles(into) };
}
