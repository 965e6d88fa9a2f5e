// A node of a benchmark: a process on a data directory of its own.
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Level } from "#shared/ids.ts";
import type { OrphanGuard } from "../demo/orphan-guard.ts";
import { cpuMs, monotonicMs } from "./process-usage.ts";

export interface BenchNodeDeps {
  readonly guard: OrphanGuard;
  pickPort(): Promise<number>;
  /** Arguments of Node for the process of this node, for a profile. */
  nodeArguments(name: string): readonly string[];
}

/** What a start cost, until the node said READY. */
export interface NodeStart {
  readonly pid: number;
  readonly readyAtMs: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

export interface BenchNode extends AsyncDisposable {
  readonly name: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  /** Starts it, again too: on the same ports and the same data. */
  start(): Promise<NodeStart>;
  /** SIGTERM; a node stops gently. Resolves when it has ended. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export interface BenchNodePlan {
  readonly folder: string;
  readonly level: Level;
  readonly uplinkPort: number | undefined;
  /** Whether it measures this machine, as a device does by default. */
  readonly measuresHost: boolean;
}

const program = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));
const logCharsShown = 2000;

/** Named `bench-` and its level. It does not run yet. */
export async function createBenchNode(deps: BenchNodeDeps, plan: BenchNodePlan): Promise<BenchNode> {
  const name = `bench-${plan.level}`;
  const [mqttPort, httpPort] = [await deps.pickPort(), await deps.pickPort()];
  const configFile = join(plan.folder, `${name}.conf`);
  const logFile = join(plan.folder, `${name}.log`);
  await writeFile(configFile, configText(name, plan, mqttPort, httpPort));
  let running: ChildProcess | undefined;

  async function start(): Promise<NodeStart> {
    const startMs = monotonicMs();
    const log = openSync(logFile, "a");
    const args = [...deps.nodeArguments(name), program, "run", "--config", configFile];
    // A group of its own: Ctrl-C in the terminal is for the benchmark, which ends the nodes.
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", log], detached: true });
    closeSync(log);
    running = child;
    const { pid, stdout } = child;
    if (pid === undefined || stdout === null) throw new Error(`${name} could not be started`);
    deps.guard.watch(pid);
    child.once("exit", () => deps.guard.forget(pid));
    const ready = new Promise<"ready">((resolve) => {
      createInterface({ input: stdout }).on("line", (line) => {
        if (line.startsWith("READY ")) resolve("ready");
      });
    });
    const outcome = await Promise.race([ready, once(child, "exit")]);
    const readyAtMs = monotonicMs();
    if (outcome === "ready") return { pid, readyAtMs, wallMs: readyAtMs - startMs, cpuMs: cpuMs(pid) };
    const text = await readFile(logFile, "utf8");
    throw new Error(`${name} did not start; its log ends with:\n${text.slice(-logCharsShown)}`);
  }

  async function end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, "exit");
    running.kill(signal);
    await exited;
  }

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
  ];
  return `${lines.join("\n")}\n`;
}
