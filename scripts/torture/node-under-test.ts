// A real node process: started from a configuration, killed, started again on the same data and ports, asked over HTTP.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { AccountingReport, DataLine, StatusReport } from "#shared/reports.ts";
import { describeExit } from "../demo/exit-cause.ts";
import type { OrphanGuard } from "../demo/orphan-guard.ts";

export interface NodeUnderTest {
  readonly name: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly logFile: string;
  /**
   * `assignments` as for `--set`. Resolves when it has said READY, or has been ended from here before; rejects with its log when it
   * ends by itself before.
   */
  start(...assignments: readonly string[]): Promise<void>;
  /** SIGKILL, or another signal; answers the exit code or the signal's name. */
  end(signal?: "SIGKILL" | "SIGTERM"): Promise<number | string | null>;
  /** Stops its process in its tracks, connections open, or lets it go on. */
  freeze(frozen: boolean): void;
  isRunning(): boolean;
  /** How it ended when nobody here wanted it to. */
  crash(): string | undefined;
  status(): Promise<StatusReport>;
  accounting(origin?: string): Promise<readonly AccountingReport[]>;
  /** Everything stored of `origin`, read page by page. */
  data(origin: string): Promise<readonly DataLine[]>;
}

const program = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));
const readyMsMax = 60_000;
const answerMsMax = 10_000;
const rowsPerPage = 2_000;

/**
 * `settings` is the rest of its configuration file. With a `guard` it does not outlive this process. `environment` is added to ours.
 * `command` runs the program: from this checkout unless told otherwise.
 */
export function nodeUnderTest(
  folder: string,
  name: string,
  ports: { readonly mqtt: number; readonly http: number },
  settings: string,
  guard?: OrphanGuard,
  environment: Readonly<Record<string, string>> = {},
  command: readonly string[] = [process.execPath, program],
): NodeUnderTest {
  const configFile = join(folder, `${name}.conf`);
  const logFile = join(folder, `${name}.log`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    configFile,
    `name = "${name}"; data-dir = "${join(folder, name)}"; listen: { mqtt = "127.0.0.1:${ports.mqtt}"; http = "127.0.0.1:${ports.http}"; };\n${settings}\n`,
  );
  let child: ChildProcess | undefined;
  let crash: string | undefined;
  const wanted = new WeakSet<ChildProcess>();
  const isRunning = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null;
  const api = `http://127.0.0.1:${ports.http}/api/v1`;
  return {
    name,
    mqttPort: ports.mqtt,
    httpPort: ports.http,
    logFile,
    async start(...assignments) {
      const started = spawnNode([...command, "run", "--config", configFile], logFile, assignments, guard, environment);
      child = started;
      started.once("exit", (code, signal) => {
        if (!wanted.has(started)) crash = describeExit({ code, signal });
      });
      const outcome = await firstWord(started);
      if (outcome === "ready" || wanted.has(started)) return;
      throw new Error(`${name} did not start (${outcome}):\n${readFileSync(logFile, "utf8").slice(-2000)}`);
    },
    async end(signal = "SIGKILL") {
      if (child === undefined || !isRunning()) return child?.exitCode ?? null;
      appendFileSync(logFile, `--- ${signal}\n`);
      wanted.add(child);
      const exited = once(child, "exit");
      child.kill(signal);
      const [code, by] = (await exited) as [number | null, string | null];
      return code ?? by;
    },
    freeze(frozen) {
      child?.kill(frozen ? "SIGSTOP" : "SIGCONT");
    },
    isRunning,
    crash: () => crash,
    status: async () => (await fetchJson(`${api}/status`)) as StatusReport,
    accounting: async (origin) =>
      (await fetchJson(`${api}/accounting${origin === undefined ? "" : `?origin=${origin}`}`)) as AccountingReport[],
    async data(origin) {
      const lines: DataLine[] = [];
      for (;;) {
        const after = lines.at(-1)?.cursor ?? 0;
        const answer = await fetch(`${api}/data?origin=${origin}&limit=${rowsPerPage}&after=${after}`);
        const page = (await answer.text()).split("\n").filter((line) => line !== "");
        lines.push(...page.map((line) => JSON.parse(line) as DataLine));
        if (page.length === 0) return lines;
      }
    },
  };
}

function spawnNode(
  [command = "", ...args]: readonly string[],
  logFile: string,
  assignments: readonly string[],
  guard: OrphanGuard | undefined,
  environment: Readonly<Record<string, string>>,
): ChildProcess {
  const log = openSync(logFile, "a");
  const sets = assignments.flatMap((assignment) => ["--set", assignment]);
  const child = spawn(command, [...args, ...sets], {
    stdio: ["ignore", "pipe", log],
    // A group of its own where somebody else sees to its end: Ctrl-C in the terminal is not for the nodes.
    detached: guard !== undefined,
    // Without settings for other nodes: file and assignments alone say how this one runs.
    env: {
      ...Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("FOGBANK_"))),
      ...environment,
    },
  });
  closeSync(log);
  const { pid } = child;
  if (pid !== undefined) {
    guard?.watch(pid);
    child.once("exit", () => guard?.forget(pid));
  }
  return child;
}

async function firstWord(child: ChildProcess): Promise<string> {
  const { stdout } = child;
  if (stdout === null) return "no output";
  const { promise: late, resolve: tellLate } = Promise.withResolvers<string>();
  const timer = setTimeout(() => tellLate(`not ready after ${readyMsMax / 1000} s`), readyMsMax);
  const ready = new Promise<string>((resolve) => {
    createInterface({ input: stdout }).on("line", (line) => {
      if (line.startsWith("READY ")) resolve("ready");
    });
  });
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(describeExit({ code, signal })));
  });
  try {
    return await Promise.race([ready, exited, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks `question` until `isRight` is content with the answer; rejects after `limitMs` with the last one. */
export async function eventually<T>(
  question: () => Promise<T>,
  isRight: (answer: T) => boolean,
  limitMs: number,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const answer = await question();
      if (isRight(answer)) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not so after ${limitMs} ms: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}

async function fetchJson(url: string): Promise<unknown> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(answerMsMax) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
