// One run of an executable as a child process: arguments on stdin, the result on stdout, without a shell. It and what it has started
// form a process group, which ends with it.
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { toJsonValue, toPlainValue, type PlainValue } from "#shared/machine/plain-value.ts";
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Outcome, Run } from "./run.ts";
import { timeLeft } from "./time-left.ts";

export interface ChildRunConfig {
  readonly path: string;
  /** Working directory. */
  readonly directory: string;
  /** Name of this node. */
  readonly node: string;
  /** Searched for interpreters. */
  readonly searchPath: string;
  readonly maxMs: number;
}

/**
 * Resolves when the process has ended, how ever it did: never rejects. Ended early, by SIGTERM and then SIGKILL, when `signal` aborts,
 * when it takes longer than `maxMs` and when it writes more than a result may have.
 */
export async function runChild(clock: Clock, config: ChildRunConfig, run: Run, signal: AbortSignal): Promise<Outcome> {
  if (signal.aborted) return failed("it was stopped before it began");
  const child = start(clock, config, run);
  if (child instanceof Error) return failed(`it cannot be started: ${child.message}`);
  const ended = new AbortController();
  const stop = new AbortController();
  const output = readOutput(child, () => stop.abort(`more than ${limits.callResultBytes} bytes of output`));
  child.stdin.on("error", () => {}); // whoever does not read its arguments need not
  child.stdin.end(`${JSON.stringify(toJsonValue(run.args))}\n`);
  const stopping = stopWhenTold(clock, child, AbortSignal.any([stop.signal, signal]), ended.signal);
  clock.sleep(config.maxMs, ended.signal).then(
    () => stop.abort(`it ran for more than ${config.maxMs / 1000} s`),
    () => undefined,
  );
  const exit = await exitOf(clock, child);
  ended.abort();
  await stopping;
  if (stop.signal.aborted) return failed(String(stop.signal.reason));
  return signal.aborted ? failed("it was stopped") : outcomeOf(exit, output);
}

/** What is wrong with the file itself is thrown, what comes later is an event. */
function start(clock: Clock, config: ChildRunConfig, run: Run): ChildProcessWithoutNullStreams | Error {
  try {
    return spawn(config.path, [], {
      cwd: config.directory,
      env: environmentOf(clock, config, run),
      stdio: "pipe",
      shell: false,
      detached: true, // the leader of a process group of its own
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Nothing of the node's own environment: it may hold secrets. */
function environmentOf(
  clock: Clock,
  { node, searchPath }: ChildRunConfig,
  { id, origin, dueMs }: Run,
): NodeJS.ProcessEnv {
  const { ttlMs, deadline } = timeLeft(clock, dueMs);
  return {
    PATH: searchPath,
    FOGBANK_NODE: node,
    FOGBANK_CALL_ID: id,
    FOGBANK_ORIGIN: origin,
    FOGBANK_DEADLINE: deadline,
    FOGBANK_TTL_MS: String(ttlMs),
  };
}

/** What has been written so far. */
interface Output {
  readonly stdout: Uint8Array[];
  readonly stderr: Uint8Array[];
}

function readOutput(child: ChildProcessWithoutNullStreams, onFlood: () => void): Output {
  const output: Output = { stdout: [], stderr: [] };
  let resultBytes = 0;
  let reasonBytes = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    resultBytes += chunk.length;
    if (resultBytes > limits.callResultBytes) onFlood();
    else output.stdout.push(chunk);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    if (reasonBytes < limits.callReasonChars) output.stderr.push(chunk);
    reasonBytes += chunk.length;
  });
  return output;
}

type Exit = { readonly code: number | null; readonly signalName: NodeJS.Signals | null } | { readonly error: Error };

/** Resolves when it has ended and all that it wrote is read. What it leaves in its process group ends with it. */
async function exitOf(clock: Clock, child: ChildProcessWithoutNullStreams): Promise<Exit> {
  const closed = new AbortController();
  child.once("close", () => closed.abort());
  const exit = await new Promise<Exit>((resolve) => {
    child.once("error", (error) => resolve({ error }));
    child.once("exit", (code, signalName) => resolve({ code, signalName }));
  });
  if ("error" in exit) return exit;
  signalGroup(child, "SIGKILL");
  // Somebody outside of its group may hold the pipes: then nothing more of it is waited for.
  await clock.sleep(limits.killAfterMs, closed.signal).catch(() => undefined);
  child.stdout.destroy();
  child.stderr.destroy();
  return exit;
}

/** Resolves when it has ended. */
async function stopWhenTold(
  clock: Clock,
  child: ChildProcessWithoutNullStreams,
  stop: AbortSignal,
  ended: AbortSignal,
): Promise<void> {
  await eitherAborts(stop, ended);
  if (ended.aborted) return;
  signalGroup(child, "SIGTERM");
  await clock.sleep(limits.killAfterMs, ended).catch(() => undefined);
  if (!ended.aborted) signalGroup(child, "SIGKILL");
}

function eitherAborts(...signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals]);
  if (any.aborted) return Promise.resolve();
  return new Promise((resolve) => any.addEventListener("abort", () => resolve(), { once: true }));
}

function signalGroup({ pid }: ChildProcessWithoutNullStreams, name: "SIGTERM" | "SIGKILL"): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // nobody is left
  }
}

function outcomeOf(exit: Exit, { stdout, stderr }: Output): Outcome {
  if ("error" in exit) return failed(`it cannot be started: ${exit.error.message}`);
  const { code, signalName } = exit;
  if (code === 0) return resultOf(Buffer.concat(stdout).toString("utf8"));
  const how = code === null ? `ended by ${signalName}` : `exit code ${code}`;
  const complaint = Buffer.concat(stderr).subarray(0, limits.callReasonChars).toString("utf8").trim();
  return failed(complaint === "" ? how : `${how}: ${complaint}`);
}

/** JSON as what it means, anything else as text, nothing as null. */
function resultOf(text: string): Outcome {
  const trimmed = text.trim();
  if (trimmed === "") return { status: "done", value: null };
  return { status: "done", value: jsonOf(trimmed) ?? text.replace(/\r?\n$/, "") };
}

function jsonOf(text: string): PlainValue | undefined {
  try {
    return toPlainValue(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function failed(reason: string): Outcome {
  return { status: "failed", reason };
}
