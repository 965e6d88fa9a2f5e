// `npm run bench`: what a node and a tree of three levels do per second and what they cost, on this machine. The method and a
// table are in docs/benchmarks.md. Exit codes: 0 measured, 1 failure, 2 usage, 130 interrupted.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { addedLatency } from "./bench/added-latency.ts";
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
import { createPortPicker } from "./demo/free-ports.ts";
import { startOrphanGuard } from "./demo/orphan-guard.ts";

/** In the order of the tables. */
const benchmarks: readonly Benchmark[] = [durableAppends, treeRate, addedLatency, catchUp, callRoundTrip, footprint];

const names = benchmarks.map(({ name }) => name);
const syncs = 1000;
const exitInterrupted = 130;

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
  const folder = await mkdtemp(join(options.dir, "fogbank-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  // Nodes and generator end when the pipes from here close.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(exitInterrupted));
  try {
    await measure(options, folder);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  }
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
    (text) => process.stderr.write(`${text}\n`),
  );
  say(renderResults(results));
  if (json !== undefined) writeFileSync(json, toJson({ ...conditions, results }));
  if (profileFolder !== undefined) say(summarizeProfiles(profileFolder));
}

function parseArguments(argv: readonly string[]): Options | number {
  const command = new Command("npm run bench --")
    .description("measures a node and a tree of three levels on this machine; nothing else should run meanwhile")
    .option("--only <name>", `one of ${names.join(", ")}; may be repeated`, addName)
    .option("--seconds <s>", "how long each load is measured, 1 to 600", wholeNumber(600), 5)
    .option("--rounds <n>", "how often everything is run, 1 to 100; the median is shown", wholeNumber(100), 3)
    .option("--quick", "one short round with a small backlog, to see that it works")
    .option("--json <file>", "write every single run too")
    .option("--dir <folder>", "on the disk to be measured", tmpdir())
    .option("--profile <folder>", "profile the device's threads into this folder and show their self times")
    .exitOverride();
  try {
    return command.parse(argv).opts<Options>();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

function addName(name: string, given: readonly string[] | undefined): readonly string[] {
  if (names.includes(name)) return [...(given ?? []), name];
  throw new InvalidArgumentError(`Give one of ${names.join(", ")}.`);
}

function wholeNumber(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,4}$/.test(text) && value >= 1 && value <= max) return value;
    throw new InvalidArgumentError(`Give a whole number from 1 to ${max}.`);
  };
}

function say(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}
