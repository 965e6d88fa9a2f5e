// `npm run bench:journal`: store and forward beside Mosquitto's bridge and a NATS leaf node, and what a backlog costs a device. The
// method is in docs/benchmarks.md. Exit codes: 0 measured, 1 failure, 2 usage, 130 interrupted.
import { writeFileSync } from "node:fs";
import type { BenchContext } from "./bench/benchmark.ts";
import {
  benchCommand,
  chosenCases,
  extentOf,
  profilesIn,
  runBenchCommand,
  type BenchOptions,
} from "./bench/bench-options.ts";
import { say, sayProgress } from "./bench/bench-run.ts";
import { alignNames } from "./bench/broker/comparison.ts";
import { startGenerator } from "./bench/generator-process.ts";
import { backlogBenchmark } from "./bench/journal/backlog-benchmark.ts";
import { diskBenchmark } from "./bench/journal/disk-benchmark.ts";
import { fogbankChains } from "./bench/journal/fogbank-chain.ts";
import { forwardBenchmark, offlinePublishBenchmark } from "./bench/journal/forward-benchmark.ts";
import type { ForwardSystem, MissingSystem } from "./bench/journal/forward-system.ts";
import { liveBenchmark } from "./bench/journal/live-benchmark.ts";
import { loopBenchmark } from "./bench/journal/loop-benchmark.ts";
import { findMosquittoBridges } from "./bench/journal/mosquitto-bridge.ts";
import { findNats } from "./bench/journal/nats-leaf.ts";
import { judge } from "./bench/journal/targets.ts";
import { renderHeader, renderResults, toJson } from "./bench/report.ts";
import { runRounds } from "./bench/rounds.ts";
import { renderMarkdown, renderTable } from "./bench/table.ts";
import { renderTargets } from "./bench/targets-table.ts";
import { listOf, pattern } from "./demo/command-line.ts";
import { createPortPicker } from "./demo/free-ports.ts";
import { startOrphanGuard } from "./demo/orphan-guard.ts";

/** In the order of the tables. */
const systemNames = ["mosquitto", "nats", "fogbank"] as const;
/** Of the publish rate with one publisher: it is the same with a hop more or a longer queue. */
const offlineSystems = ["Mosquitto, as shipped", "Mosquitto, unlimited", "NATS", "Fogbank, one hop"];

const method = [
  "closed loop: 50 × 20 is 50 publishers with 20 unacknowledged messages each; QoS 1, NATS by the acknowledgements of its stream",
  "times begin when the parent is ready again; looked at every 10 ms. Fogbank: readable at /api/v1/data, beside it the journal's commit",
  "Mosquitto: at a subscriber with a session; NATS: in the hub's stream. first→last leaves out what the first look found",
];

interface Options extends BenchOptions {
  readonly only?: RegExp;
  readonly systems: readonly (typeof systemNames)[number][];
  readonly full?: true;
  readonly markdown?: true;
  readonly profile?: string;
}

const command = benchCommand("bench:journal", {
  measures: "store and forward beside other systems",
  howLong: "a load at a fixed rate is",
  seconds: 10,
  howOften: "the systems are compared",
  quick: "one round with little of everything, to see that it works",
})
  .option(
    "--only <pattern>",
    "cases whose group (forward, offline, live, backlog, disk, loop) or name matches",
    pattern,
  )
  .option("--systems <names>", "some of them, with commas", listOf(systemNames), systemNames)
  .option("--full", "drain a backlog of a whole day at 100 messages a second: 8.64 million")
  .option("--markdown", "tables for a document")
  .option("--profile <folder>", "profile all nodes' threads into this folder and show their self times");

void runBenchCommand(() => command.parse(process.argv).opts<Options>(), measure);

async function measure(options: Options, folder: string): Promise<void> {
  const { json, markdown, profile } = options;
  const { isQuick, measureMs, rounds, conditions } = extentOf(options, folder);
  const systems = await presentSystems(options.systems);
  const compared = chosenCases(
    [forwardBenchmark(systems), offlinePublishBenchmark(systems.filter(isOffline))],
    options.only,
  );
  const alone = chosenCases(
    [liveBenchmark, backlogBenchmark(options.full === true), diskBenchmark, loopBenchmark],
    options.only,
  );
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
    ...method,
    "cases of one system only run once",
    ...systems.map(({ description }) => description),
  ];
  const isMarkdown = markdown === true;
  say(isMarkdown ? ["```", ...header, "```", ""] : [...header, ""]);
  say(renderResults(isMarkdown ? results : alignNames(results), isMarkdown ? renderMarkdown : renderTable));
  say(renderTargets(judge(results), isMarkdown));
  if (json !== undefined) writeFileSync(json, toJson({ ...conditions, results }));
  say(summary());
}

/** Those that this machine has, or can fetch; of the others a line says why not. */
async function presentSystems(names: Options["systems"]): Promise<readonly ForwardSystem[]> {
  const find = { mosquitto: findMosquittoBridges, nats: findNats, fogbank: () => fogbankChains };
  const present: ForwardSystem[] = [];
  for (const name of systemNames) {
    const found: readonly ForwardSystem[] | MissingSystem = names.includes(name) ? await find[name]() : [];
    if ("missing" in found) sayProgress(`left out: ${found.missing}`);
    else present.push(...found);
  }
  return present;
}

function isOffline({ name }: ForwardSystem): boolean {
  return offlineSystems.includes(name);
}
