// A real node process for tests: started from a configuration, killed, started again on the same data and ports.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { AccountingReport, DataLine, StatusReport } from "#shared/reports.ts";

export interface NodeUnderTest {
  readonly name: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly logFile: string;
  /** Resolves when it has said READY; rejects with its log when it ends before. */
  start(): Promise<void>;
  /** SIGKILL, or another signal; answers the exit code or the signal's name. */
  end(signal?: "SIGKILL" | "SIGTERM"): Promise<number | string | null>;
  isRunning(): boolean;
  status(): Promise<StatusReport>;
  accounting(origin: string): Promise<readonly AccountingReport[]>;
  /** Everything stored of `origin`, read page by page. */
  data(origin: string): Promise<readonly DataLine[]>;
}

const program = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));

/** `settings` is the rest of its configuration file. */
export function nodeUnderTest(
  folder: string,
  name: string,
  ports: { readonly mqtt: number; readonly http: number },
  settings: string,
): NodeUnderTest {
  const configFile = join(folder, `${name}.conf`);
  const logFile = join(folder, `${name}.log`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    configFile,
    `name = "${name}"; data-dir = "${join(folder, name)}"; listen: { mqtt = "127.0.0.1:${ports.mqtt}"; http = "127.0.0.1:${ports.http}"; };\n${settings}\n`,
  );
  let child: ChildProcess | undefined;
  const api = `http://127.0.0.1:${ports.http}/api/v1`;
  return {
    name,
    mqttPort: ports.mqtt,
    httpPort: ports.http,
    logFile,
    async start() {
      const log = openSync(logFile, "a");
      const started = spawn(process.execPath, [program, "run", "--config", configFile], {
        stdio: ["ignore", "pipe", log],
      });
      closeSync(log);
      child = started;
      const { stdout } = started;
      if (stdout === null) throw new Error(`${name} could not be started`);
      const ready = new Promise<"ready">((resolve) => {
        createInterface({ input: stdout }).on("line", (line) => {
          if (line.startsWith("READY ")) resolve("ready");
        });
      });
      const outcome = await Promise.race([ready, once(started, "exit")]);
      if (outcome !== "ready") throw new Error(`${name} did not start:\n${readFileSync(logFile, "utf8").slice(-2000)}`);
    },
    async end(signal = "SIGKILL") {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
      appendFileSync(logFile, `--- ${signal}\n`);
      const exited = once(child, "exit");
      child.kill(signal);
      const [code, by] = (await exited) as [number | null, string | null];
      return code ?? by;
    },
    isRunning: () => child !== undefined && child.exitCode === null && child.signalCode === null,
    status: async () => (await fetchJson(`${api}/status`)) as StatusReport,
    accounting: async (origin) => (await fetchJson(`${api}/accounting?origin=${origin}`)) as AccountingReport[],
    async data(origin) {
      const lines: DataLine[] = [];
      for (;;) {
        const answer = await fetch(`${api}/data?origin=${origin}&limit=5000&after=${lines.at(-1)?.cursor ?? 0}`);
        const page = (await answer.text()).split("\n").filter((line) => line !== "");
        lines.push(...page.map((line) => JSON.parse(line) as DataLine));
        if (page.length < 5000) return lines;
      }
    },
  };
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
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
