// The program as a person or a supervisor meets it: start, messages through the tree, signals, exit codes, errors.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, closeSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectAsync, type MqttClient } from "mqtt";
import { expect, test } from "vitest";
import type { StatusReport } from "#shared/reports.ts";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";

const program = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-program-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the program to its end. */
async function fogbank(
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (bytes) => (stdout += String(bytes)));
  child.stderr.on("data", (bytes) => (stderr += String(bytes)));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

async function client(port: number): Promise<MqttClient> {
  const opened = await connectAsync({
    host: "127.0.0.1",
    port,
    protocol: "mqtt",
    protocolVersion: 4,
    reconnectPeriod: 0,
  });
  return opened.on("error", () => undefined);
}

async function inbox(
  port: number,
  filter: string,
): Promise<{ readonly lines: readonly string[]; readonly client: MqttClient }> {
  const subscriber = await client(port);
  const lines: string[] = [];
  subscriber.on("message", (topic, payload) => lines.push(`${topic} ${payload.toString()}`));
  await subscriber.subscribeAsync(filter, { qos: 1 });
  return { lines, client: subscriber };
}

/** The first line that arrives. */
async function firstOf(lines: readonly string[]): Promise<string | undefined> {
  const arrived = await eventually(
    async () => lines,
    ({ length }) => length > 0,
  );
  return arrived[0];
}

function statusWhen(node: NodeUnderTest, isRight: (status: StatusReport) => boolean): Promise<StatusReport> {
  return eventually(() => node.status(), isRight);
}

test("[J16.16] [T2] a device's message is read at the cloud and heard at fog and cloud; a level message is not", () =>
  inFolder(async (folder) => {
    const pick = createPortPicker();
    const ports = async () => ({ mqtt: await pick(), http: await pick() });
    const cloud = nodeUnderTest(folder, "cloud-1", await ports(), "level = cloud;");
    const fog = nodeUnderTest(
      folder,
      "fog-1",
      await ports(),
      `level = fog; uplink: { url = "mqtt://127.0.0.1:${cloud.mqttPort}"; };`,
    );
    const device = nodeUnderTest(
      folder,
      "device-1",
      await ports(),
      `level = device; uplink: { url = "mqtt://127.0.0.1:${fog.mqttPort}"; };`,
    );
    const nodes = [cloud, fog, device];
    try {
      for (const node of nodes) await node.start();
      const heard = [await inbox(fog.mqttPort, "/from/+/data/x/#"), await inbox(cloud.mqttPort, "/from/+/data/x/#")];
      const strayed = [await inbox(fog.mqttPort, "/level/x"), await inbox(cloud.mqttPort, "#")];
      const sensor = await client(device.mqttPort);
      await sensor.publishAsync("/level/x", "marker", { qos: 1 });
      await sensor.publishAsync("/data/x", "42", { qos: 1 });
      await sensor.publishAsync("/data/x/y", Buffer.of(0xff, 0x00), { qos: 1 });
      const api = `http://127.0.0.1:${cloud.httpPort}/api/v1/data`;
      const rows = await eventually(
        async () => (await (await fetch(`${api}?origin=device-1&stream=data&path=x/%23`)).text()).trim().split("\n"),
        (lines) => lines.length === 2,
      );
      expect(rows.map((row) => JSON.parse(row) as object)).toMatchObject([
        { origin: "device-1", stream: "data", topic: "/data/x", payload: "42" },
        { origin: "device-1", stream: "data", topic: "/data/x/y", payloadBase64: "/wA=" },
      ]);
      for (const { lines } of heard) expect(await firstOf(lines)).toBe("/from/device-1/data/x 42");
      expect(strayed.flatMap(({ lines }) => lines).filter((line) => line.includes("marker"))).toEqual([]);
      // The fog tells of its device within a second, and of its own link with a heartbeat.
      const status = await statusWhen(cloud, ({ below }) => below.length === 2);
      expect(status.below.map(({ node, parent, state }) => ({ node, parent, state }))).toEqual([
        { node: "fog-1", parent: "cloud-1", state: "online" },
        { node: "device-1", parent: "fog-1", state: "online" },
      ]);
      const { uplink } = await statusWhen(device, (answer) => answer.uplink.path.length === 2);
      expect(uplink).toMatchObject({
        state: "up",
        path: [
          { node: "fog-1", uplink: "up" },
          { node: "cloud-1", uplink: "root" },
        ],
      });
      for (const open of [
        sensor,
        ...heard.map(({ client: reader }) => reader),
        ...strayed.map(({ client: reader }) => reader),
      ])
        open.end(true);
      for (const node of nodes.toReversed())
        expect({ node: node.name, exit: await node.end("SIGTERM") }).toEqual({ node: node.name, exit: 0 });
    } finally {
      await Promise.all(nodes.map((node) => node.end()));
    }
  }));

test("a configuration that cannot be used: one message with its position, exit code 2", () =>
  inFolder(async (folder) => {
    const file = join(folder, "bad.conf");
    writeFileSync(file, "name = a\nlevl = fog\n");
    const { code, stdout, stderr } = await fogbank("run", "--config", file);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toBe(`FOGBANK_CONFIG_INVALID: ${file}:2:1: unknown setting "levl"; did you mean "level"?\n`);
  }));

test("a port in use is named, exit code 1; a database that is no database is put aside as it is, and the node starts anew", () =>
  inFolder(async (folder) => {
    const pick = createPortPicker();
    const node = nodeUnderTest(folder, "fog-1", { mqtt: await pick(), http: await pick() }, "level = fog;");
    await node.start();
    try {
      const other = await fogbank(
        "run",
        "--set",
        `data-dir=${join(folder, "other")}`,
        "--set",
        `listen.mqtt=127.0.0.1:${node.mqttPort}`,
        "--set",
        "listen.http=127.0.0.1:0",
      );
      expect(other).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`FOGBANK_LISTEN_FAILED: cannot listen on 127.0.0.1:${node.mqttPort}`),
      });
    } finally {
      await node.end("SIGTERM");
    }
    const file = join(folder, "fog-1", "fogbank.db");
    const precious = "this is not a database, but somebody's only copy of something";
    writeFileSync(file, precious);
    await node.start();
    await node.end("SIGTERM");
    const aside = readdirSync(join(folder, "fog-1")).filter((name) => name.startsWith("fogbank.db.damaged-"));
    expect(aside.map((name) => readFileSync(join(folder, "fog-1", name), "utf8"))).toEqual([precious]);
  }));

test("usage errors and an unreachable node have exit codes of their own", async () => {
  expect(await fogbank("frobnicate")).toMatchObject({ code: 2, stderr: expect.stringContaining("unknown command") });
  expect(await fogbank("status", "--http", "http://127.0.0.1:1")).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("FOGBANK_NOT_CONNECTED"),
  });
  expect(await fogbank("--version")).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test("a node whose log cannot be written runs on, and its data directory is closed to others", () =>
  inFolder(async (folder) => {
    const dataDir = join(folder, "disk", "data");
    const full = openSync("/dev/full", "w");
    const settings = [`data-dir=${dataDir}`, "listen.mqtt=127.0.0.1:0", "listen.http=127.0.0.1:0"];
    const args = [program, "run", ...settings.flatMap((one) => ["--set", one])];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", full] });
    const ended = once(child, "exit");
    closeSync(full);
    try {
      const [ready] = await Promise.race([once(child.stdout ?? child, "data"), ended]);
      const { mqtt } = JSON.parse(String(ready).replace("READY ", "")) as { readonly mqtt: readonly [string] };
      const publisher = await client(Number(mqtt[0].split(":").at(-1)));
      await publisher.publishAsync("/data/x", "42", { qos: 1 });
      await publisher.endAsync();
      expect(statSync(dataDir).mode & 0o777).toBe(0o750 & ~process.umask());
      expect(statSync(join(folder, "disk")).mode & 0o777).toBe(0o777 & ~process.umask());
    } finally {
      child.kill("SIGTERM");
    }
    expect(await ended).toEqual([0, null]);
  }));
