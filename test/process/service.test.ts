// A node as systemd runs it: what it tells the service manager, by a stand-in for systemd-notify and by the real one.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connectAsync } from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { servicePaths } from "#agent/service/service-installation.ts";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { findVerifier } from "./service/systemd-verifier.ts";

const program = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));
const settings = "level = device; sources: { host: { enabled = no; }; };";
const listenerProgram = fileURLToPath(new URL("service/notify-listener.py", import.meta.url));
const heldSync = fileURLToPath(new URL("service/held-sync.c", import.meta.url));
const pick = createPortPicker();

function runs(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
}

const canListen = runs("python3") && runs("systemd-notify");
if (!canListen) console.log("skipped: the real systemd-notify is only heard where it and python3 are");
const canHold = runs("cc");
if (!canHold) console.log("skipped: a disk can only be held where there is a C compiler that is called cc");

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-service-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function serviceIn(folder: string, environment: Readonly<Record<string, string>>): Promise<NodeUnderTest> {
  const ports = { mqtt: await pick(), http: await pick() };
  const node = nodeUnderTest(folder, "device-1", ports, settings, undefined, environment);
  onTestFinished(async () => void (await node.end()));
  return node;
}

interface StandIn {
  readonly environment: (watchdogMs: number) => Readonly<Record<string, string>>;
  /** Words of each message so far; whether anybody listened on that port of loopback when it came, if it is set. */
  readonly told: () => readonly string[];
  readonly watchPort: (port: number) => void;
}

/** A program that is called systemd-notify and writes down what it is told, into the file that stands in for the socket. */
function standIn(folder: string): StandIn {
  const programs = join(folder, "bin");
  const words = join(folder, "words");
  const watched = join(folder, "port");
  mkdirSync(programs);
  writeFileSync(
    join(programs, "systemd-notify"),
    `#!/bin/sh
if grep -qs ":$(cat ${watched}) 00000000:0000 0A" /proc/net/tcp; then echo "$* (listening)"; else echo "$*"; fi >> "$NOTIFY_SOCKET"
`,
  );
  chmodSync(join(programs, "systemd-notify"), 0o755);
  writeFileSync(words, "");
  writeFileSync(watched, "none");
  return {
    environment: (watchdogMs) => ({
      PATH: `${programs}:${process.env["PATH"] ?? ""}`,
      NOTIFY_SOCKET: words,
      WATCHDOG_USEC: String(watchdogMs * 1000),
    }),
    told: () => readFileSync(words, "utf8").split("\n").slice(0, -1),
    watchPort: (port) => writeFileSync(watched, port.toString(16).toUpperCase().padStart(4, "0")),
  };
}

const livesIn = (told: readonly string[]): number => told.filter((words) => words.startsWith("WATCHDOG=1")).length;

test("it is ready when it listens, lives while it runs, and says that it stops", async () => {
  const folder = temporaryFolder();
  const { environment, told, watchPort } = standIn(folder);
  const node = await serviceIn(folder, environment(400));
  watchPort(node.mqttPort);
  await node.start();
  await eventually(
    async () => livesIn(told()),
    (lives) => lives >= 3,
  );
  expect(await node.end("SIGTERM")).toBe(0);
  const [first, ...later] = told();
  expect(first).toBe(`READY=1 STATUS=device device-1 serves 127.0.0.1:${node.mqttPort} (listening)`);
  expect(new Set(later.slice(0, -1))).toEqual(new Set(["WATCHDOG=1 (listening)"]));
  expect(later.at(-1)).toMatch(/^STOPPING=1 STATUS=stopping/);
});

test.skipIf(!canHold)(
  "with a disk that does not answer it no longer says that it lives, until it answers again",
  async () => {
    const folder = temporaryFolder();
    const library = join(folder, "held-sync.so");
    execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", library, heldSync, "-ldl"]);
    const preloaded = [library, process.env["LD_PRELOAD"] ?? ""].filter((file) => file !== "").join(":");
    const hold = join(folder, "hold");
    const { environment, told } = standIn(folder);
    const node = await serviceIn(folder, { ...environment(400), LD_PRELOAD: preloaded, HELD_SYNC: hold });
    await node.start();
    const lives = async (): Promise<number> => livesIn(told());
    await eventually(lives, (count) => count >= 1);
    const client = await connectAsync({ host: "127.0.0.1", port: node.mqttPort, protocol: "mqtt", reconnectPeriod: 0 });
    onTestFinished(() => client.endAsync(true));
    writeFileSync(hold, "");
    const acknowledged = client.publishAsync("/data/x", "1", { qos: 1 });
    await eventually(async () => existsSync(`${hold}.held`), Boolean);
    const logged = async (): Promise<string> => readFileSync(node.logFile, "utf8");
    await eventually(logged, (log) => log.includes("the store does not answer"));
    // From here on what was told before has been written down. The node's event loop goes on turning.
    const before = livesIn(told());
    for (let answers = 0; answers < 200; answers++) {
      expect((await fetch(`http://127.0.0.1:${node.httpPort}/healthz`)).status).toBe(200);
    }
    expect(livesIn(told())).toBe(before);
    rmSync(hold);
    await acknowledged;
    await eventually(lives, (count) => count > before);
  },
);

test.skipIf(!canListen)("the real systemd-notify brings the same words to a real socket", async () => {
  const folder = temporaryFolder();
  const socket = join(folder, "notify");
  const listener = spawn("python3", [listenerProgram, socket], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void listener.kill());
  const words: string[] = [];
  const lines = createInterface({ input: listener.stdout });
  await once(lines, "line");
  lines.on("line", (line) => void words.push(line));
  const node = await serviceIn(folder, { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "400000" });
  await node.start();
  await eventually(
    async () => livesIn(words),
    (lives) => lives >= 2,
  );
  expect(await node.end("SIGTERM")).toBe(0);
  await eventually(async () => words.some((line) => line.startsWith("STOPPING=1")), Boolean);
  expect(words.find((line) => !line.startsWith("BARRIER"))).toMatch(/^READY=1 STATUS=device device-1 serves /);
  expect(readFileSync(node.logFile, "utf8")).not.toContain("service manager");
});

test("without systemd-notify it runs, and says once that it cannot tell how it does", async () => {
  const folder = temporaryFolder();
  const node = await serviceIn(folder, {
    PATH: "/nowhere",
    NOTIFY_SOCKET: join(folder, "notify"),
    WATCHDOG_USEC: "100000",
  });
  await node.start();
  expect(await node.end("SIGTERM")).toBe(0);
  const said = readFileSync(node.logFile, "utf8").match(/the service manager is not told/g);
  expect(said).toHaveLength(1);
});

test("systemd's own verifier finds nothing wrong with the unit as it is installed, and would find a slip", async (context) => {
  const folder = temporaryFolder();
  const installed = join(folder, "root", servicePaths.unit);
  const binary = join(folder, "binary");
  writeFileSync(binary, "#!/bin/sh\n");
  const args = [program, "install", "--service", "--root", join(folder, "root"), "--binary", binary];
  execFileSync(process.execPath, args);
  // Where the program really is, as there is no machine around the folder.
  const executable = join(folder, "root", servicePaths.executable);
  const unit = readFileSync(installed, "utf8").replace(servicePaths.executable, executable);
  const verified = join(folder, "fogbank.service");
  const verify = await findVerifier(join(folder, "debian")).catch(() => undefined);
  if (verify === undefined) return context.skip("systemd-analyze is not here, and could not be fetched");
  const complaintsAbout = async (text: string): Promise<string> => {
    writeFileSync(verified, text);
    return verify(verified);
  };
  expect(await complaintsAbout(unit)).toBe("");
  expect(await complaintsAbout(unit.replace("ProtectHome=", "ProtectHomes="))).toContain("ProtectHomes");
  expect(await complaintsAbout(unit.replace("WatchdogSec=120", "WatchdogSec=soon"))).toContain("soon");
  expect(await complaintsAbout(unit.replace("@system-service", "@service"))).toContain("@service");
  expect(await complaintsAbout(unit.replace(executable, "/nowhere"))).toContain("/nowhere");
});
