// `npm run build:check`: runs what `npm run build` has made, where nothing else is: the x64 binary in an empty root, the arm64 binary on
// emulated Cortex-A53 and Cortex-A72. The last line says how many checks passed. Exit codes: 0 all passed, 1 some did not, 2 usage.
import { execFile } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Command } from "commander";
import { version } from "#agent/version.ts";
import { makeEmptyRoot } from "./build-check/empty-root.ts";
import { checkOneHop, mosquittoPublisher, type OneHopPlan } from "./build-check/one-hop.ts";
import { targetOf, type Architecture } from "./build/target.ts";
import { createToolbox, type Tool, type Toolbox } from "./build/toolbox.ts";
import { parseOptions } from "./demo/command-line.ts";
import { startOrphanGuard } from "./demo/orphan-guard.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const mosquittoPub: Tool = { names: ["mosquitto_pub"], debianPackage: "mosquitto-clients" };
const emulatedProcessors: Readonly<Record<Architecture, readonly string[]>> = {
  x64: ["max"],
  arm64: ["cortex-a53", "cortex-a72"],
  armv7: ["cortex-a7"],
};

/** An environment with the path alone, and with a variable for which Node itself would not start. */
const nothingOfOurs = ["env", "-i", `PATH=${process.env["PATH"] ?? ""}`, "NODE_OPTIONS=--require=/nowhere.cjs"];

interface Options {
  readonly out: string;
  readonly install: boolean;
}

/** A way to run a binary, in a fresh folder for its data. */
interface Check {
  readonly name: string;
  command(folder: string): Promise<readonly string[]>;
}

void main();

async function main(): Promise<void> {
  const options = parseArguments(process.argv);
  if (typeof options === "number") return void (process.exitCode = options);
  const toolbox = createToolbox({ tell, mayInstall: options.install });
  const { checks, missing } = await plannedChecks(resolve(root, options.out), toolbox);
  const publisher = await toolbox.find(mosquittoPub);
  if (publisher === undefined) missing.push("mosquitto_pub");
  let passed = 0;
  using guard = startOrphanGuard();
  if (publisher !== undefined) {
    for (const check of checks) passed += Number(await holds(check, guard, mosquittoPublisher(publisher)));
  }
  const failed = checks.length - passed + missing.length;
  for (const what of missing) tell(`FAILED: ${what} is missing`);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

async function plannedChecks(
  folder: string,
  toolbox: Toolbox,
): Promise<{ readonly checks: readonly Check[]; readonly missing: string[] }> {
  const checks: Check[] = [];
  const missing: string[] = [];
  for (const arch of ["x64", "arm64", "armv7"] as const) {
    const target = targetOf(arch, process.arch);
    const file = join(folder, `fogbank-${version}-linux-${arch}`);
    if (!existsSync(file)) {
      if (arch === "armv7") tell("armv7: not built, so not checked");
      else missing.push(`${file} (npm run build)`);
      continue;
    }
    if (target.isNative) {
      const command = async (data: string) => (await makeEmptyRoot(`${data}.root`, file, data)).command;
      checks.push({ name: `${arch}, in an empty root`, command });
      continue;
    }
    const { qemu, library, libraryRoot } = target.emulator;
    const [emulator, found] = [await toolbox.find(qemu), await toolbox.find(library)];
    if (emulator === undefined || found === undefined) {
      missing.push(`qemu for ${arch}, or its libraries`);
      continue;
    }
    for (const processor of emulatedProcessors[arch]) {
      const command = [emulator, "-L", libraryRoot, "-cpu", processor, file];
      checks.push({ name: `${arch}, on an emulated ${processor}`, command: async () => command });
    }
  }
  return { checks, missing };
}

async function holds(check: Check, guard: OneHopPlan["guard"], publish: OneHopPlan["publish"]): Promise<boolean> {
  const parent = await mkdtemp(join(tmpdir(), "fogbank-build-check-"));
  const folder = join(parent, "data");
  try {
    const command = [...nothingOfOurs, ...(await check.command(folder))];
    const startMs = performance.now();
    const [program = "", ...args] = command;
    const { stdout } = await run(program, [...args, "--version"]);
    if (stdout !== `${version}\n`) throw new Error(`its version is ${stdout}`);
    const { messages, strayLines } = await checkOneHop({ folder, command, guard, publish });
    if (strayLines.length > 0) throw new Error(`it wrote ${strayLines.join("\n")}`);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    tell(`passed: ${check.name}: ${messages} messages over one hop and two kill -9, each once (${seconds} s)`);
    return true;
  } catch (error) {
    tell(`FAILED: ${check.name}: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  } finally {
    rmSync(parent, { recursive: true, force: true, maxRetries: 5 });
  }
}

function tell(text: string): void {
  process.stderr.write(`build:check: ${text}\n`);
}

function parseArguments(argv: readonly string[]): Options | number {
  const command = new Command("npm run build:check --")
    .description("runs what npm run build has made: in an empty root, and on emulated processors")
    .option("--out <folder>", "where the binaries are", "dist")
    .option("--no-install", "name missing programs instead of installing them (Debian, as root)")
    .exitOverride();
  return parseOptions(() => command.parse(argv).opts<Options>());
}
