// `npm run bench:binary`: what the single binary costs (its size, its start, its memory) beside Mosquitto, NATS server and plain
// aedes. Needs `npm run build` before. The method is in docs/benchmarks.md. Exit codes: 0 measured, 1 failure, 2 usage, 130 interrupted.
import { existsSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { version } from "#agent/version.ts";
import { runInBenchFolder, say, sayProgress } from "./bench/bench-run.ts";
import { bareServer } from "./bench/binary/bare-server.ts";
import { costs, type CostPlan } from "./bench/binary/costs.ts";
import { fogbankContenders } from "./bench/binary/fogbank-binary.ts";
import { otherBrokers } from "./bench/binary/other-brokers.ts";
import { binaryTargets, type FileSizes } from "./bench/binary/targets.ts";
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

const root = fileURLToPath(new URL("..", import.meta.url));
const mega = 1_000_000;
const syncs = 1000;
const quickPlan: CostPlan = { starts: 1, idleMs: 500, messages: 20_000 };

interface Options {
  readonly binary: string;
  readonly only?: RegExp;
  readonly starts: number;
  readonly idleSeconds: number;
  readonly messages: number;
  readonly rounds: number;
  readonly quick?: true;
  readonly json?: string;
  readonly markdown?: true;
  readonly dir: string;
}

void main();

async function main(): Promise<void> {
  const options = parseArguments(process.argv);
  if (typeof options === "number") return void (process.exitCode = options);
  await runInBenchFolder(options.dir, (folder) => measure(options, folder));
}

async function measure(options: Options, folder: string): Promise<void> {
  const { quick, only, json, markdown } = options;
  const isQuick = quick === true;
  const binary = resolve(options.binary);
  if (!existsSync(binary)) throw new Error(`${binary} is not there: npm run build makes it`);
  const { starts, messages, idleSeconds } = options;
  const plan = isQuick ? quickPlan : { starts, messages, idleMs: idleSeconds * 1000 };
  const rounds = isQuick ? 1 : options.rounds;
  const conditions = { machine: describeMachine(), disk: measureDiskSync(folder, syncs), rounds, measureMs: 0 };
  const all = [...fogbankContenders(binary), await bareServer(root, folder), ...(await otherBrokers(sayProgress))];
  const contenders = all.filter(({ name }) => only?.test(name) ?? true);
  if (contenders.length === 0) throw new Error("nothing matches --only");
  using guard = startOrphanGuard();
  await using generator = startGenerator();
  const nodeDeps = { guard, pickPort: createPortPicker(), nodeArguments: () => [] };
  const context = { folder, nodeDeps, generator, measureMs: 0, isQuick };
  const results = await runRounds([costs(contenders, plan)], rounds, context, sayProgress);
  const sizes = fileSizes(binary);
  const header = [
    ...renderHeader(conditions).slice(0, 3),
    `medians of ${rounds} rounds; each ${plan.starts} starts on empty folders, memory after ${plan.idleMs / 1000} s and after ${plan.messages} messages: medians of 10 samples`,
    ...contenders.map(({ name, description }) => `${name}: ${description}`),
    `${basename(binary)}: ${sizes.executableMb.toFixed(1)} MB, as .tar.xz ${sizes.archiveMb.toFixed(1)} MB`,
  ];
  say(markdown === true ? ["```", ...header, "```", ""] : [...header, ""]);
  say(renderResults(results, markdown === true ? renderMarkdown : renderTable));
  say(renderTargets(binaryTargets(sizes, results), markdown === true));
  if (json !== undefined) writeFileSync(json, toJson({ ...conditions, results }));
}

function fileSizes(binary: string): FileSizes {
  const megabytes = (file: string): number => (existsSync(file) ? statSync(file).size / mega : Number.NaN);
  return { executableMb: megabytes(binary), archiveMb: megabytes(`${binary}.tar.xz`) };
}

function parseArguments(argv: readonly string[]): Options | number {
  const built = join(root, "dist", `fogbank-${version}-linux-${process.arch}`);
  const command = new Command("npm run bench:binary --")
    .description("measures the single binary and other brokers on this machine; nothing else should run meanwhile")
    .option("--binary <file>", "as npm run build made it", built)
    .option("--only <pattern>", "those whose name matches", pattern)
    .option("--starts <n>", "how often each is started for its processor time, 1 to 1000", wholeNumber(1, 1000), 10)
    .option("--idle-seconds <s>", "how long it has nothing to do, 1 to 3600", wholeNumber(1, 3600), 60)
    .option("--messages <n>", "how many go through it, 1000 to 100000000", wholeNumber(1000, 100_000_000), 1_000_000)
    .option("--rounds <n>", "how often everything is run, 1 to 100; the median is shown", wholeNumber(1, 100), 1)
    .option("--quick", "little of everything, to see that it works")
    .option("--json <file>", "write every single run too")
    .option("--markdown", "tables for a document")
    .option("--dir <folder>", "on the disk to be measured", tmpdir())
    .exitOverride();
  return parseOptions(() => command.parse(argv).opts<Options>());
}
