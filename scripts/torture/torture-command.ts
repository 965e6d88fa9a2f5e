// What every torture on the command line has in common: seconds and a seed, a folder that is kept after a failure, an orderly end at
// the first interrupt. Exit codes: 0 all is well, 1 not so, 2 usage, 130 interrupted.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { parseOptions, wholeNumber } from "../demo/command-line.ts";
import { startOrphanGuard, type OrphanGuard } from "../demo/orphan-guard.ts";

export interface TortureSetting {
  /** For databases, configurations and logs; exists. */
  readonly folder: string;
  readonly seed: number;
  readonly seconds: number;
  /** Whether links are to break; always, where the command line cannot say. */
  readonly hasLinkFaults: boolean;
  readonly guard: OrphanGuard;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface TortureCommand {
  /** Of the script, in package.json. */
  readonly script: string;
  readonly description: string;
  /** Whether there are links, which `--no-links` leaves whole. */
  readonly hasLinks?: true;
  /** The report's lines, and whether all is well. */
  readonly run: (setting: TortureSetting) => Promise<{ readonly lines: readonly string[]; readonly isGood: boolean }>;
}

const seedMax = 999_999_999;
const exitInterrupted = 130;

interface Options {
  readonly seconds: number;
  readonly seed?: number;
  readonly keep?: true;
  readonly links?: boolean;
}

/** Answers the exit code. */
export async function runTortureCommand(command: TortureCommand, argv: readonly string[]): Promise<number> {
  const options = parseArguments(command, argv);
  return typeof options === "number" ? options : torture(command, options);
}

function parseArguments({ script, description, hasLinks }: TortureCommand, argv: readonly string[]): Options | number {
  const command = new Command(`npm run ${script} --`)
    .description(description)
    .option("--seconds <s>", "how long faults strike, 1 to 86400", wholeNumber(1, 86_400), 60)
    .option("--seed <n>", `repeats the choices of an earlier run, 0 to ${seedMax}`, wholeNumber(0, seedMax))
    .option("--keep", "keep the folder with databases and logs, also after success")
    .exitOverride();
  if (hasLinks === true) command.option("--no-links", "break no links, kill processes only");
  return parseOptions(() => command.parse(argv).opts<Options>());
}

async function torture(
  { script, run }: TortureCommand,
  { seconds, seed = Math.floor(Math.random() * seedMax), keep, links = true }: Options,
): Promise<number> {
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
  const noLinks = links ? "" : " --no-links";
  say(`seed ${seed}: repeat with npm run ${script} -- --seconds ${seconds} --seed ${seed}${noLinks}`);
  let isGood = false;
  try {
    const report = await run({ folder, seed, seconds, hasLinkFaults: links, guard, signal: stop.signal, say });
    for (const line of report.lines) say(line);
    ({ isGood } = report);
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
