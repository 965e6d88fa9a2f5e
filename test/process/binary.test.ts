// The single binary as a file alone: built from this checkout, in an empty folder, without an environment.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connectAsync } from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { version } from "#agent/version.ts";
import { buildBinary } from "../../scripts/build/build-binary.ts";
import { bundleProgram } from "../../scripts/build/bundle.ts";
import { targetOf } from "../../scripts/build/target.ts";
import { createToolbox } from "../../scripts/build/toolbox.ts";
import { checkOneHop } from "../../scripts/build-check/one-hop.ts";
import { startOrphanGuard } from "../../scripts/demo/orphan-guard.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const target = targetOf(process.arch === "arm64" ? "arm64" : "x64", process.arch);
const run = promisify(execFile);
let folder: string;
/** Runs the binary in a folder where there is nothing but it. NODE_OPTIONS as it is here would keep Node itself from starting. */
let command: readonly string[];
let hasCodeCache: boolean;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fogbank-binary-"));
  const told: string[] = [];
  const tell = (text: string): void => void told.push(text);
  const binary = await buildBinary({
    root,
    target,
    version,
    folder,
    tell,
    env: {},
    bundle: await bundleProgram(root),
    toolbox: createToolbox({ tell, mayInstall: false }),
    usesCodeCache: true,
    makesArchive: false,
    modifiedAtSeconds: 0,
  });
  const alone = join(folder, "alone");
  mkdirSync(alone);
  copyFileSync(binary.executable, join(alone, "fogbank"));
  hasCodeCache = binary.hasCodeCache;
  command = ["env", "-i", "-C", alone, "NODE_OPTIONS=--require=/nowhere.cjs", "./fogbank"];
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function fogbank(...args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const [program = "", ...before] = command;
  return run(program, [...before, ...args]);
}

test("the binary tells its version and its licences, and nothing else", async () => {
  expect(await fogbank("--version")).toEqual({ stdout: `${version}\n`, stderr: "" });
  const { stdout, stderr } = await fogbank("notices");
  expect(stderr).toBe("");
  expect(stdout).toContain(readFileSync(join(root, "LICENSE"), "utf8").trim());
  for (const name of ["commander ", "mqtt ", "pino ", "valibot ", "ws ", "Node.js 24."])
    expect(stdout).toContain(`\n${name}`);
});

test("the binary installs itself and the unit", async () => {
  const machine = join(folder, "machine");
  const { stderr } = await fogbank("install", "--service", "--root", machine);
  expect(stderr).toBe("");
  const [program = ""] = command.slice(-1);
  const installed = join(machine, "usr/local/bin/fogbank");
  expect(readFileSync(installed).equals(readFileSync(join(folder, "alone", program)))).toBe(true);
  expect((await run(installed, ["--version"])).stdout).toBe(`${version}\n`);
  expect(readFileSync(join(machine, "etc/systemd/system/fogbank.service"), "utf8")).toBe(
    readFileSync(join(root, "deploy/systemd/fogbank.service"), "utf8"),
  );
});

test("messages cross one hop between two binaries and survive kill -9 of both", { timeout: 120_000 }, async () => {
  expect(hasCodeCache).toBe(true);
  using guard = startOrphanGuard();
  const publish = async (port: number, topic: string, lines: readonly string[]): Promise<void> => {
    const client = await connectAsync({ host: "127.0.0.1", port, protocol: "mqtt", reconnectPeriod: 0 });
    await Promise.all(lines.map((line) => client.publishAsync(topic, line, { qos: 1 })));
    await client.endAsync();
  };
  const report = await checkOneHop({ folder: join(folder, "nodes"), command, guard, publish });
  // A code cache that V8 refuses is a line on stderr, as is a deprecation.
  expect(report).toEqual({ messages: 400, strayLines: [] });
});

test("the binary examines its machine with what it loads for that alone", async () => {
  const free = ["listen.mqtt=127.0.0.1:0", "listen.http=127.0.0.1:0", `data-dir=${join(folder, "doctor")}`];
  const { stdout, stderr } = await fogbank("doctor", "--json", ...free.flatMap((one) => ["--set", one]));
  expect(stderr).toBe("");
  const checks = (JSON.parse(stdout) as readonly { readonly check: string }[]).map(({ check }) => check);
  expect(checks).toEqual(expect.arrayContaining(["open-files", "listen", "data-dir", "sync", "clock"]));
});

test("a signal opens no debugger in the binary", async () => {
  const [program = "", ...before] = command;
  const settings = ["listen.mqtt=127.0.0.1:0", "listen.http=127.0.0.1:0", `data-dir=${join(folder, "signalled")}`];
  const args = [...before, "run", ...settings.flatMap((one) => ["--set", one])];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close");
  let stderr = "";
  child.stderr.on("data", (bytes) => (stderr += String(bytes)));
  const [ready] = (await once(child.stdout, "data")) as [Buffer];
  const { http } = JSON.parse(ready.toString().replace("READY ", "")) as { readonly http: readonly [string] };
  child.kill("SIGUSR1");
  expect((await fetch(`http://${http[0]}/healthz`)).status).toBe(200);
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
  for (const line of stderr.trim().split("\n")) expect(() => JSON.parse(line) as unknown).not.toThrow();
});

test("a configuration that cannot be used ends the binary as it does the program", async () => {
  const [program = "", ...before] = command;
  const child = spawn(program, [...before, "run", "--set", "levl=fog"], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (bytes) => (stderr += String(bytes)));
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('did you mean "level"?') });
});
