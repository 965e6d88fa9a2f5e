// `npm run simulate`: histories of a simulated tree, each from a seed, with every invariant checked. Exit codes: 0 all held, 1 one did
// not, which is then made smaller and printed; 2 usage; 130 interrupted.
import { Command } from "commander";
import { faultNames, faultsByDefault, switchedOff, type FaultName } from "../test/simulation/faults.ts";
import { runHistories } from "../test/simulation/histories.ts";
import type { HistoryCounts, HistorySetting } from "../test/simulation/history.ts";
import { shrinkHistory } from "../test/simulation/shrink.ts";
import { failureLines, repeatCommand, summaryLines } from "../test/simulation/simulation-report.ts";
import { listOf, parseOptions, wholeNumber } from "./demo/command-line.ts";

interface Options {
  readonly seeds: number;
  readonly from?: number;
  readonly seed?: number;
  readonly steps: number;
  readonly only?: readonly FaultName[];
  readonly shrink: boolean;
}

const seedMax = 999_999_999;
const progressMs = 5_000;
const exitInterrupted = 130;

process.exitCode = await main(process.argv);

async function main(argv: readonly string[]): Promise<number> {
  const off = Object.entries(switchedOff).map(([name, reason]) => `${name} (${reason})`);
  const command = new Command("npm run simulate --")
    .description("histories of a simulated tree: real nodes and real SQLite in virtual time, every fault from a seed")
    .option("--seeds <n>", "how many histories, 1 to 999999999", wholeNumber(1, seedMax), 100)
    .option("--from <n>", "the first seed; drawn when absent", wholeNumber(0, seedMax))
    .option("--seed <n>", "one history, of this seed", wholeNumber(0, seedMax))
    .option("--steps <n>", "steps of each history, 1 to 100000", wholeNumber(1, 100_000), 300)
    .option("--only <kinds>", `kinds of faults, of ${faultNames.join(",")}`, listOf(faultNames))
    .option("--no-shrink", "print a failure as it is, instead of making it smaller")
    .addHelpText("after", off.length === 0 ? "" : `\nLeft out unless named: ${off.join("; ")}`)
    .exitOverride();
  const options = parseOptions(() => command.parse(argv).opts<Options>());
  return typeof options === "number" ? options : simulate(options);
}

async function simulate({ seeds, from, seed, steps, only, shrink }: Options): Promise<number> {
  const first = seed ?? from ?? Math.floor(Math.random() * (seedMax - seeds));
  const count = seed === undefined ? seeds : 1;
  const faults = only ?? faultsByDefault;
  say(`seeds ${first} to ${first + count - 1}; one of them again: ${repeatCommand(first, steps, faults)}`);
  let isInterrupted = false;
  process.once("SIGINT", () => (isInterrupted = true));
  const startMs = performance.now();
  let saidMs = startMs;
  const counts: HistoryCounts[] = [];
  const summarize = (): void => {
    const seconds = (performance.now() - startMs) / 1000;
    for (const line of summaryLines({ histories: counts.length, steps, seconds }, counts)) say(line);
  };
  for await (const { seed: present, report } of runHistories({ from: first, count, steps, faults })) {
    const setting: HistorySetting = { seed: present, steps, faults };
    counts.push(report.counts);
    if (report.failure !== undefined) {
      say(`seed ${setting.seed} fails after step ${report.failure.step}: ${report.failure.faults.join("; ")}`);
      if (shrink) say("making it smaller");
      for (const line of failureLines(shrink ? await shrinkHistory(setting, report) : { setting, report })) say(line);
      summarize();
      return 1;
    }
    if (isInterrupted) break;
    if (performance.now() - saidMs < progressMs) continue;
    saidMs = performance.now();
    say(`${counts.length} of ${count}, up to seed ${setting.seed}: all held`);
  }
  summarize();
  return isInterrupted ? exitInterrupted : 0;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
