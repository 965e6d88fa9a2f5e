// One node of the demo as a process that can be killed and started again, with the same files and the same ports.
//
//   waiting --start--> starting --READY--> up --stop, kill, or by itself--> down --start--> starting
//                          +--ends, or silent for too long--> down
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describeExit, isEndedByHand, type Exit } from "./exit-cause.ts";
import { configText, type NodePlan, type NodePorts } from "./node-plan.ts";
import type { OrphanGuard } from "./orphan-guard.ts";

export type NodeState =
  | { readonly at: "waiting" }
  | { readonly at: "starting"; readonly sinceMs: number }
  | { readonly at: "up"; readonly sinceMs: number; readonly pid: number }
  | { readonly at: "down"; readonly sinceMs: number; readonly how: string };

export interface NodeProcess {
  readonly plan: NodePlan;
  /** Known from the first start on, and the same ever after. */
  ports(): NodePorts | undefined;
  state(): NodeState;
  /** Whether it was ever killed: what it last did may then be missing in what it wrote down. */
  wasKilled(): boolean;
  /** Resolves when the node accepts clients. Rejects with a NodeFailure. */
  start(uplinkPort: number | undefined): Promise<void>;
  /** Asks it to stop (SIGTERM) and resolves when it has ended; it is killed if that takes too long. */
  stop(): Promise<Exit | undefined>;
  /** SIGKILL, at once; resolves when it has ended. */
  kill(): Promise<Exit | undefined>;
}

/** A node that did not start, or ended by itself. Its message ends with the last lines of its log. */
export class NodeFailure extends Error {
  constructor(name: string, what: string, logFile: string, lastLines: readonly string[]) {
    const lines = lastLines.length === 0 ? ["  (empty)"] : lastLines.map((line) => `  ${line}`);
    super([`${name} ${what}`, `the last lines of ${logFile}:`, ...lines].join("\n"));
    this.name = "NodeFailure";
  }
}

export interface NodeProcessDeps {
  readonly guard: OrphanGuard;
  /** Once it aborts nothing is started any more. */
  readonly closing: AbortSignal;
  pickPort(): Promise<number>;
  /** The node ended and nobody here had asked for it: by somebody's hand (`failure` undefined), or by itself. */
  onEnded(node: NodeProcess, failure: NodeFailure | undefined): void;
}

const readyMsMax = 60_000;
const stopMsMax = 12_000;
const logLinesShown = 12;
const program = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));

interface Running {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  /** The end is wanted: it is no failure. */
  isEnding: boolean;
}

export function createNodeProcess(plan: NodePlan, deps: NodeProcessDeps): NodeProcess {
  let ports: NodePorts | undefined;
  let state: NodeState = { at: "waiting" };
  let running: Running | undefined;
  let wasKilled = false;

  const node: NodeProcess = {
    plan,
    ports: () => ports,
    state: () => state,
    wasKilled: () => wasKilled,
    async start(uplinkPort) {
      state = { at: "starting", sinceMs: Date.now() };
      ports ??= { mqtt: await deps.pickPort(), http: await deps.pickPort() };
      await mkdir(dirname(plan.configFile), { recursive: true });
      await writeFile(plan.configFile, configText(plan, ports, uplinkPort));
      deps.closing.throwIfAborted();
      const started = spawnNode(plan, deps.guard);
      running = started;
      void started.exited.then((exit) => ended(started, exit));
      await readyOf(plan, started);
      state = { at: "up", sinceMs: Date.now(), pid: started.child.pid ?? 0 };
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
  return node;

  async function end(signal: "SIGTERM" | "SIGKILL"): Promise<Exit | undefined> {
    if (running === undefined) return undefined;
    const { child, exited } = running;
    running.isEnding = true;
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
    const exit = await exited;
    clearTimeout(late);
    return exit;
  }

  function ended({ isEnding }: Running, exit: Exit): void {
    const wasUp = state.at === "up";
    running = undefined;
    wasKilled ||= exit.signal === "SIGKILL";
    state = { at: "down", sinceMs: Date.now(), how: describeExit(exit) };
    if (isEnding || !wasUp) return;
    if (isEndedByHand(exit)) deps.onEnded(node, undefined);
    else void failureOf(plan, `ended by itself: ${describeExit(exit)}`).then((failure) => deps.onEnded(node, failure));
  }
}

function spawnNode(plan: NodePlan, guard: OrphanGuard): Running {
  const log = openSync(plan.logFile, "a");
  const child = spawn(process.execPath, [program, "run", "--config", plan.configFile], {
    stdio: ["ignore", "pipe", log],
    env: nodeEnvironment(process.env),
    // A group of its own: Ctrl-C in the terminal is for the demo, which stops the nodes in the right order.
    detached: true,
  });
  closeSync(log);
  const { pid } = child;
  if (pid !== undefined) guard.watch(pid);
  const exited = new Promise<Exit>((resolve) => {
    child.once("error", () => resolve({ code: null, signal: null }));
    child.once("exit", (code, signal) => {
      if (pid !== undefined) guard.forget(pid);
      resolve({ code, signal });
    });
  });
  return { child, exited, isEnding: false };
}

/** Without the settings of other nodes: the file alone says how this one runs. */
function nodeEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("FOGBANK_")));
}

async function readyOf(plan: NodePlan, { child, exited }: Running): Promise<void> {
  const { promise: late, resolve: tellLate } = Promise.withResolvers<"late">();
  const timer = setTimeout(() => tellLate("late"), readyMsMax);
  try {
    const outcome = await Promise.race([readyLine(child), exited, late]);
    if (outcome === "ready") return;
    const what =
      outcome === "late" ? `was not ready after ${readyMsMax / 1000} s` : `did not start: ${describeExit(outcome)}`;
    throw await failureOf(plan, what);
  } finally {
    clearTimeout(timer);
  }
}

/** Reads on after it, so that the pipe never fills. */
async function readyLine({ stdout }: ChildProcess): Promise<"ready"> {
  return new Promise((resolve) => {
    if (stdout === null) return;
    createInterface({ input: stdout }).on("line", (line) => {
      if (line.startsWith("READY ")) resolve("ready");
    });
  });
}

async function failureOf({ name, logFile }: NodePlan, what: string): Promise<NodeFailure> {
  const log = await readFile(logFile, "utf8").catch(() => "");
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  return new NodeFailure(name, what, logFile, lines.slice(-logLinesShown));
}
