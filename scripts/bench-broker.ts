// `npm run bench:broker`: Fogbank as an MQTT broker beside Mosquitto and aedes, on this machine. The method is in
// docs/benchmarks.md. Exit codes: 0 measured, 1 failure, 2 usage, 130 interrupted.
import { writeFileSync } from "node:fs";
import { benchCommand, extentOf, runBenchCommand, type BenchOptions } from "./bench/bench-options.ts";
import { say, sayProgress } from "./bench/bench-run.ts";
import { aedes } from "./bench/broker/aedes.ts";
import { toBenchmark } from "./bench/broker/broker-case.ts";
import { brokerNames, type BrokerKind, type BrokerName } from "./bench/broker/broker-kind.ts";
import { alignNames, compare } from "./bench/broker/comparison.ts";
import { fogbank } from "./bench/broker/fogbank.ts";
import { groups } from "./bench/broker/groups.ts";
import { mosquitto } from "./bench/broker/mosquitto.ts";
import { startGenerator } from "./bench/generator-process.ts";
import { renderHeader, renderResults, toJson } from "./bench/report.ts";
import { runRounds } from "./bench/rounds.ts";
import { renderMarkdown, renderTable } from "./bench/table.ts";
import { listOf, pattern } from "./demo/command-line.ts";
import { createPortPicker } from "./demo/free-ports.ts";
import { startOrphanGuard } from "./demo/orphan-guard.ts";

const kinds: readonly BrokerKind[] = [fogbank, mosquitto, aedes];

const method = [
  "closed loop: 50 × 20 is 50 publishers with 20 unacknowledged messages each, as long as at most twice as many are not received;",
  "at QoS 0 as many as are not received. Subscribers acknowledge at once; their window is the one that the case names (MQTT 5",
  "Receive Maximum, and Mosquitto's own setting), else the broker's own: Mosquitto has none then",
  "msg/s is what subscribers receive, or what is acknowledged where there are none; latency is of the same",
];

interface Options extends BenchOptions {
  readonly only?: RegExp;
  readonly brokers: readonly BrokerName[];
  readonly acl: boolean;
  readonly markdown?: true;
}

const command = benchCommand("bench:broker", {
  measures: "MQTT brokers beside each other",
  howLong: "each load is",
  seconds: 1,
  howOften: "everything is run",
  quick: "one short round, to see that it works",
})
  .option(
    "--only <pattern>",
    `cases whose group (${groups.map(({ name }) => name).join(", ")}) or name matches`,
    pattern,
  )
  .option("--brokers <names>", "some of them, with commas", listOf(brokerNames), brokerNames)
  .option("--no-acl", "Fogbank without users and access rules")
  .option("--markdown", "tables for a document");

void runBenchCommand(() => command.parse(process.argv).opts<Options>(), measure);

async function measure({ json, markdown, ...options }: Options, folder: string): Promise<void> {
  const { isQuick, measureMs, rounds, conditions } = extentOf(options, folder);
  const brokers = presentBrokers(options.brokers);
  const benchmarks = chosenBenchmarks(brokers, options);
  using guard = startOrphanGuard();
  await using generator = startGenerator();
  const nodeDeps = { guard, pickPort: createPortPicker(), nodeArguments: () => [] };
  const context = { folder, nodeDeps, generator, measureMs, isQuick };
  const results = compare(await runRounds(benchmarks, rounds, context, sayProgress));
  const header = [...renderHeader(conditions), ...method, ...brokers.map((kind) => kind.describe() ?? "")];
  say(markdown === true ? ["```", ...header, "```", ""] : [...header, ""]);
  say(
    renderResults(markdown === true ? results : alignNames(results), markdown === true ? renderMarkdown : renderTable),
  );
  if (json !== undefined) writeFileSync(json, toJson({ ...conditions, results }));
}

function presentBrokers(names: readonly BrokerName[]): readonly BrokerKind[] {
  return kinds.filter((kind) => {
    if (!names.includes(kind.name)) return false;
    if (kind.describe() !== undefined) return true;
    sayProgress(`${kind.name} is not installed: going on without it`);
    return false;
  });
}

function chosenBenchmarks(brokers: readonly BrokerKind[], { only, acl }: Pick<Options, "only" | "acl">) {
  const chosen = groups
    .map((group) => {
      const isChosen = ({ name }: { readonly name: string }): boolean => only?.test(`${group.name} ${name}`) ?? true;
      return toBenchmark({ ...group, cases: group.cases.filter(isChosen) }, brokers, acl);
    })
    .filter(({ cases }) => cases.length > 0);
  if (chosen.length === 0) throw new Error("no case of these brokers matches --only");
  return chosen;
}
