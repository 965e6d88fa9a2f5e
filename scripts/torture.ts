// `npm run torture`: real processes under kill -9, and an oracle outside of them. Exit codes: 0 nothing lost, nothing twice, every
// ledger sums; 1 not so; 2 usage; 130 interrupted.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { parseOptions, wholeNumber } from "./demo/command-line.ts";
import { startOrphanGuard } from "./demo/orphan-guard.ts";
import { callWorkload } from "./torture/call-workload.ts";
import { runTorture } from "./torture/torture-run.ts";
import { reportLines } from "./torture/torture-report.ts";

const seedMax = 999_999_999;
const exitInterrupted = 130;

interface Options {
  readonly seconds: number;
  readonly seed?: number;
  readonly keep?: true;
}

void main();

async function main(): Promise<void> {
  const options = parseArguments(process.argv);
  process.exitCode = typeof options === "number" ? options : await torture(options);
}

function parseArguments(argv: readonly string[]): Options | number {
  const command = new Command("npm run torture --")
    .description("one cloud, two fogs and four devices under kill -9; counts every acknowledged message")
    .option("--seconds <s>", "how long processes are killed, 1 to 86400", wholeNumber(1, 86_400), 60)
    .option("--seed <n>", `repeats the choices of an earlier run, 0 to ${seedMax}`, wholeNumber(0, seedMax))
    .option("--keep", "keep the folder with databases and logs, also after success")
    .exitOverride();
  return parseOptions(() => command.parse(argv).opts<Options>());
}

async function torture({ seconds, seed = Math.floor(Math.random() * seedMax), keep }: Options): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "fogbank-torture-"));
  // Its nodes die with this process, however it ends.
  using guard = startOrphanGuard();
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(exitInterrupted);
      say("interrupted: draining and counting what there is; once more ends at once");
      stop.abort();
    });
  }
  say(`seed ${seed}: repeat with npm run torture -- --seconds ${seconds} --seed ${seed}`);
  let isGood = false;
  try {
    const report = await runTorture({
      folder,
      seed,
      seconds,
      workloads: [callWorkload()],
      guard,
      signal: stop.signal,
      say,
    });
    for (const line of reportLines(report)) say(line);
    isGood = report.faults.length === 0;
  } catch (error) {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  if (isGood && keep !== true) await rm(folder, { recursive: true, force: true });
  else say(`logs and databases are kept in ${folder}; the seed was ${seed}`);
  if (stop.signal.aborted) return exitInterrupted;
  return isGood ? 0 : 1;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
