// `npm run bench:machine`: calls over three levels, beside the same done by hand, to ten thousand devices, to few of them, and to those
// that are away. The method is in docs/benchmarks.md. Exit codes: 0 measured, 1 failure, 2 usage, 130 interrupted.
import { writeFileSync } from "node:fs";
import {
  benchCommand,
  chosenCases,
  extentOf,
  profilesIn,
  runBenchCommand,
  type BenchOptions,
} from "./bench/bench-options.ts";
import { say, sayProgress } from "./bench/bench-run.ts";
import type { BenchContext } from "./bench/benchmark.ts";
import { findMosquitto, mosquittoVersion } from "./bench/broker/mosquitto.ts";
import { queuedBenchmark } from "./bench/calls/queued-benchmark.ts";
import { roundTripBenchmark } from "./bench/calls/round-trip-benchmark.ts";
import { judgeCalls } from "./bench/calls/targets.ts";
import { wideBenchmark } from "./bench/calls/wide-benchmark.ts";
import { startGenerator } from "./bench/generator-process.ts";
import { renderHeader, renderResults, toJson } from "./bench/report.ts";
import { runRounds } from "./bench/rounds.ts";
import { renderMarkdown, renderTable } from "./bench/table.ts";
import { renderTargets } from "./bench/targets-table.ts";
import { pattern } from "./demo/command-line.ts";
import { createPortPicker } from "./demo/free-ports.ts";
import { startOrphanGuard } from "./demo/orphan-guard.ts";

interface Options extends BenchOptions {
  readonly only?: RegExp;
  readonly markdown?: true;
  readonly profile?: string;
}

const command = benchCommand("bench:machine", {
  measures: "calls through a tree",
  howLong: "commands at a fixed rate are",
  seconds: 10,
  howOften: "commands are compared",
  quick: "one round with little of everything, to see that it works",
})
  .option("--only <pattern>", "cases whose group (command, wide, queued) or name matches", pattern)
  .option("--markdown", "tables for a document")
  .option("--profile <folder>", "profile all nodes' threads into this folder and show their self times");

void runBenchCommand(() => command.parse(process.argv).opts<Options>(), measure);

async function measure(options: Options, folder: string): Promise<void> {
  const { json, markdown, profile } = options;
  const { isQuick, measureMs, rounds, conditions } = extentOf(options, folder);
  const mosquitto = findMosquitto();
  if (mosquitto === undefined) sayProgress("left out: Mosquitto is not installed");
  const compared = chosenCases([roundTripBenchmark(mosquitto)], options.only);
  const alone = chosenCases([wideBenchmark(isQuick), queuedBenchmark(isQuick)], options.only);
  if (compared.length + alone.length === 0) throw new Error("no case matches --only");
  const { nodeArguments, summary } = profilesIn(profile);
  using guard = startOrphanGuard();
  await using generator = startGenerator();
  const nodeDeps = { guard, pickPort: createPortPicker(), nodeArguments: () => nodeArguments };
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
  say(summary());
}
