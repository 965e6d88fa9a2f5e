// A node of a benchmark: a process on a data directory of its own.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Level } from "#shared/ids.ts";
import type { OrphanGuard } from "../demo/orphan-guard.ts";
import { startMeasuredProcess, type MeasuredProcess, type ProcessStart } from "./measured-process.ts";

export interface BenchNodeDeps {
  readonly guard: OrphanGuard;
  pickPort(): Promise<number>;
  /** Arguments of Node for the process of this node, for a profile. */
  nodeArguments(name: string): readonly string[];
}

export interface BenchNode extends AsyncDisposable {
  readonly name: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  /** Starts it, again too: on the same ports and the same data. */
  start(): Promise<ProcessStart>;
  /** SIGTERM; a node stops gently. Resolves when it has ended. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export interface BenchNodePlan {
  readonly folder: string;
  /** `bench-` and its level when absent. */
  readonly name?: string;
  readonly level: Level;
  readonly uplinkPort: number | undefined;
  /** Whether it measures this machine, as a device does by default. */
  readonly measuresHost: boolean;
  /** More lines of its configuration. */
  readonly settings?: readonly string[];
  /** Beside the variables of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Instead of this checkout: another executable of the program. */
  readonly executable?: string;
}

/** Of every node of a benchmark. */
export const program = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));

/** It does not run yet. */
export async function createBenchNode(deps: BenchNodeDeps, plan: BenchNodePlan): Promise<BenchNode> {
  const name = plan.name ?? `bench-${plan.level}`;
  const [mqttPort, httpPort] = [await deps.pickPort(), await deps.pickPort()];
  const configFile = join(plan.folder, `${name}.conf`);
  const logFile = join(plan.folder, `${name}.log`);
  await writeFile(configFile, configText(name, plan, mqttPort, httpPort));
  let running: MeasuredProcess | undefined;

  async function start(): Promise<ProcessStart> {
    const { executable } = plan;
    const fromSources = executable === undefined ? [...deps.nodeArguments(name), program] : [];
    running = await startMeasuredProcess(deps.guard, {
      name,
      command: executable ?? process.execPath,
      args: [...fromSources, "run", "--config", configFile],
      env: { ...process.env, ...plan.env },
      logFile,
      ready: "line",
    });
    return running.start;
  }

  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => running?.end(signal);
  const stop = (): Promise<void> => end("SIGTERM");
  return { name, mqttPort, httpPort, start, stop, kill: () => end("SIGKILL"), [Symbol.asyncDispose]: stop };
}

function configText(name: string, plan: BenchNodePlan, mqttPort: number, httpPort: number): string {
  const lines = [
    `name = "${name}";`,
    `level = "${plan.level}";`,
    `data-dir = ${JSON.stringify(join(plan.folder, name))};`,
    `listen: { mqtt = "127.0.0.1:${mqttPort}"; http = "127.0.0.1:${httpPort}"; };`,
    ...(plan.uplinkPort === undefined ? [] : [`uplink: { url = "mqtt://127.0.0.1:${plan.uplinkPort}"; };`]),
    `sources: { host: { enabled = ${plan.measuresHost}; }; };`,
    ...(plan.settings ?? []),
  ];
  return `${lines.join("\n")}\n`;
}
