// Every example of docs/commands.md, run as it stands on a tree of real processes: what stands in the fence behind it must come out.
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { eventually, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { findMosquittoTools, type MosquittoTools } from "../fakes/mosquitto-tools.ts";
import { withTree } from "./call-tree.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Example {
  /** Programs that an example leaves running serve those that follow below the same heading. */
  readonly heading: string;
  readonly language: "sh" | "ts";
  readonly text: string;
  /** Lines of its output, in this order; `…` stands for anything. */
  readonly expected: readonly string[];
}

function examplesOf(markdown: string): readonly Example[] {
  const examples: Example[] = [];
  for (const section of markdown.split(/^(?=## )/m)) {
    const heading = section.split("\n", 1)[0] ?? "";
    for (const match of section.matchAll(/^```(sh|ts)\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?/gms)) {
      const [, language = "", text = "", output = ""] = match;
      const expected = output.split("\n").filter((line) => line !== "");
      examples.push({ heading, language: language === "ts" ? "ts" : "sh", text, expected });
    }
  }
  return examples;
}

function isLike(pattern: string, line: string): boolean {
  const parts = pattern.trim().split("…");
  const literal = parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(/ +/g, " +"));
  return new RegExp(`^${literal.join(".*")} *$`).test(line);
}

/** The first of `expected` that `output` does not have in its place. */
function missingLine(expected: readonly string[], output: string): string | undefined {
  const lines = output.split("\n");
  let from = 0;
  for (const pattern of expected) {
    const at = lines.findIndex((line, index) => index >= from && isLike(pattern, line));
    if (at < 0) return pattern;
    from = at + 1;
  }
  return undefined;
}

/** Commands that know the nodes by their names, as they would be found where each node has a machine of its own. */
function installCommands(folder: string, tools: MosquittoTools, nodes: readonly NodeUnderTest[]): void {
  const port = nodes.map(({ name, mqttPort }) => `${name}) port=${mqttPort} ;;`).join(" ");
  const mosquitto = `
n=$#; last=; while [ $n -gt 0 ]; do arg=$1; shift; n=$((n - 1))
  if [ "$last" = -h ]; then case "$arg" in ${port} *) exit 99 ;; esac; set -- "$@" 127.0.0.1 -p "$port"; else set -- "$@" "$arg"; fi
  last=$arg
done`;
  const urls = nodes.map(
    ({ name, mqttPort, httpPort }) =>
      `s#^mqtt://${name}$#mqtt://127.0.0.1:${mqttPort}#;s#^http://${name}:8080$#http://127.0.0.1:${httpPort}#;`,
  );
  // Whoever publishes in an example waits until all that listen in it are heard by their nodes.
  const ready = `while [ "$(ls "$READY" | wc -l)" -lt "$LISTENERS" ]; do sleep 0.05; done`;
  const commands = {
    mosquitto_sub: `${mosquitto}
stdbuf -oL "${tools.sub}" -d "$@" | while IFS= read -r line; do
  case "$line" in "Subscribed ("*) : > "$READY/$$" ;; "Client "*) ;; *) printf '%s\\n' "$line" ;; esac
done`,
    mosquitto_pub: `${ready}${mosquitto}\nexec "${tools.pub}" "$@"`,
    mosquitto_rr: `${mosquitto}\nexec "${join(dirname(tools.pub), "mosquitto_rr")}" "$@"`,
    fogbank: `${ready}
n=$#; while [ $n -gt 0 ]; do arg=$1; shift; n=$((n - 1)); set -- "$@" "$(printf %s "$arg" | sed '${urls.join("")}')"; done
exec "${process.execPath}" "${root}agent/main.ts" "$@"`,
  };
  mkdirSync(folder);
  for (const [name, script] of Object.entries(commands)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
}

interface Running {
  readonly child: ChildProcess;
  output: string;
}

class Runner {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #nodes: readonly NodeUnderTest[];
  readonly #running: Running[] = [];
  #count = 0;

  constructor(folder: string, tools: MosquittoTools, nodes: readonly NodeUnderTest[]) {
    this.#folder = folder;
    this.#nodes = nodes;
    const commands = join(folder, "commands");
    installCommands(commands, tools, nodes);
    this.#env = { ...process.env, ...tools.env, PATH: `${commands}:${process.env["PATH"] ?? ""}` };
  }

  /** Until all that is expected has come out. Answers what is wrong, if anything is. */
  async run(example: Example): Promise<unknown> {
    const running: Running = { child: this.#spawn(example), output: "" };
    this.#running.push(running);
    const { child } = running;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (running.output += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (running.output += text));
    // What goes on in the background is left to itself; a script without that must end, and well.
    const { text, expected, language } = example;
    const missing = (): string | undefined => missingLine(expected, running.output);
    const goesOn = language === "ts" || / &$/m.test(text);
    if (goesOn) {
      const isThere = async (): Promise<boolean> => missing() === undefined;
      await eventually(isThere, (yes) => yes).catch(() => undefined);
    } else await once(child, "close");
    if (missing() === undefined && (goesOn || child.exitCode === 0)) return undefined;
    return { text, missing: missing(), output: running.output, code: child.exitCode };
  }

  /** Ends what the examples have left running. */
  async endAll(): Promise<void> {
    for (const { child } of this.#running.splice(0)) {
      const closed = child.stdout?.closed === true ? undefined : once(child, "close");
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // Nothing of it is left.
      }
      await closed;
    }
  }

  #spawn({ language, text }: Example): ChildProcess {
    const number = ++this.#count;
    const ready = join(this.#folder, `ready-${number}`);
    mkdirSync(ready);
    const listeners = String(text.split("mosquitto_sub ").length - 1);
    const env = { ...this.#env, READY: ready, LISTENERS: listeners };
    const options: SpawnOptions = { cwd: this.#folder, env, detached: true, stdio: ["ignore", "pipe", "pipe"] };
    if (language === "sh") return spawn("sh", ["-eu", "-c", text], options);
    const file = join(this.#folder, `example-${number}.ts`);
    let program = text.replace('"fogbank/client"', `"${root}client/client.ts"`);
    for (const { name, mqttPort } of this.#nodes)
      program = program.replace(`"mqtt://${name}"`, `"mqtt://127.0.0.1:${mqttPort}"`);
    writeFileSync(file, program);
    return spawn(process.execPath, [file], options);
  }
}

const examples = examplesOf(readFileSync(join(root, "docs/commands.md"), "utf8"));

test("each example of docs/commands.md tells what comes out", () => {
  expect(examples.length).toBeGreaterThan(12);
  expect(examples.filter(({ expected }) => expected.length === 0)).toEqual([]);
  expect(missingLine(["a … c", "d"], "x\na  b  c\nd")).toBeUndefined();
  expect(missingLine(["a", "d"], "d\na\n")).toBe("d");
});

test("every example of docs/commands.md does what it says [J7] [J10] [J11] [J15]", async (context) => {
  const tools = await findMosquittoTools();
  if ("missing" in tools) return context.skip(tools.missing);
  const folder = mkdtempSync(join(tmpdir(), "fogbank-commands-"));
  const functions = join(folder, "functions");
  mkdirSync(functions, { mode: 0o755 });
  const work = async (runner: Runner): Promise<void> => {
    let heading = "";
    const wrong: unknown[] = [];
    for (const example of examples) {
      if (example.heading !== heading) await runner.endAll();
      heading = example.heading;
      const complaint = await runner.run(example);
      if (complaint !== undefined) wrong.push(complaint);
    }
    expect(wrong).toEqual([]);
  };
  try {
    await withTree(
      async ({ cloud, fog, devices }) => {
        const runner = new Runner(folder, tools, [cloud, fog, ...devices]);
        await work(runner).finally(() => runner.endAll());
      },
      { "device-1": `functions-dir = "${functions}";` },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
