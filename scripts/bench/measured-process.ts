// A process that is measured: it logs into a file, is ended by its id, and does not outlive the benchmark.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { OrphanGuard } from "../demo/orphan-guard.ts";
import { cpuMs, monotonicMs } from "./process-usage.ts";

export interface ProcessPlan {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** How it tells that it is ready: a line that begins with READY, or that it listens on this port. */
  readonly ready: "line" | number;
}

/** What a start cost, until the process was ready. */
export interface ProcessStart {
  readonly pid: number;
  readonly readyAtMs: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

export interface MeasuredProcess {
  readonly start: ProcessStart;
  /** Resolves when it has ended. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

const logCharsShown = 2000;
const readyMsMax = 60_000;
const stopMsMax = 15_000;
const dialEveryMs = 10;

/** Resolves when it is ready; rejects with the end of its log when it is not. */
export async function startMeasuredProcess(guard: OrphanGuard, plan: ProcessPlan): Promise<MeasuredProcess> {
  const startMs = monotonicMs();
  const log = openSync(plan.logFile, "a");
  // A group of its own: Ctrl-C in the terminal is for the benchmark, which ends its processes.
  const child = spawn(plan.command, plan.args, {
    stdio: ["ignore", "pipe", log],
    detached: true,
    ...(plan.env === undefined ? {} : { env: plan.env }),
  });
  closeSync(log);
  const exited = once(child, "exit").catch(() => undefined);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${plan.name} could not be started: ${plan.command}`);
  guard.watch(pid);
  child.once("exit", () => guard.forget(pid));
  const tooLate = new AbortController();
  const outcome = await Promise.race([
    plan.ready === "line" ? readyLine(child) : listening(plan.ready, tooLate.signal),
    exited.then(() => "ended" as const),
    sleep(readyMsMax, "silent" as const, { ref: false }),
  ]);
  tooLate.abort();
  const end = (signal: "SIGTERM" | "SIGKILL"): Promise<void> => endProcess(child, exited, signal);
  if (outcome !== "ready") {
    await end("SIGKILL");
    const text = await readFile(plan.logFile, "utf8");
    throw new Error(`${plan.name} did not start; its log ends with:\n${text.slice(-logCharsShown)}`);
  }
  const readyAtMs = monotonicMs();
  return { start: { pid, readyAtMs, wallMs: readyAtMs - startMs, cpuMs: cpuMs(pid) }, end };
}

function readyLine({ stdout }: ChildProcess): Promise<"ready"> {
  return new Promise((resolve) => {
    if (stdout === null) return;
    createInterface({ input: stdout }).on("line", (line) => {
      if (line.startsWith("READY")) resolve("ready");
    });
  });
}

async function listening(port: number, signal: AbortSignal): Promise<"ready"> {
  while (!signal.aborted) {
    const socket = connect({ host: "127.0.0.1", port });
    const answer = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "close").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (answer) break;
    await sleep(dialEveryMs);
  }
  return "ready";
}

async function endProcess(child: ChildProcess, exited: Promise<unknown>, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  const late = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
  await exited;
  clearTimeout(late);
}
