// `fogbank doctor` as a person runs it: on a machine with everything in order, on broken ones, and beside a running node.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Finding } from "#agent/doctor/finding.ts";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { createTestAuthority } from "../fakes/certificates.ts";
import { linked } from "./call-tree.ts";

const program = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));
const nobody = 65_534;
const isRoot = process.getuid?.() === 0;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function doctor(args: readonly string[], uid?: number): Promise<Outcome> {
  const child = spawn(process.execPath, [program, "doctor", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("FOGBANK_"))),
      LC_ALL: "C.UTF-8",
    },
    ...(uid !== undefined && { uid, gid: uid }),
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (bytes) => (stdout += String(bytes)));
  child.stderr.on("data", (bytes) => (stderr += String(bytes)));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** The findings of one machine, and the exit code. */
async function examined(
  config: string,
  uid?: number,
): Promise<{ readonly code: number | null; readonly of: (check: string) => readonly Finding[] }> {
  const { code, stdout, stderr } = await doctor(["--config", config, "--json"], uid);
  expect(stderr).toBe("");
  const findings = JSON.parse(stdout) as readonly Finding[];
  return { code, of: (check) => findings.filter((one) => one.check === check) };
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-doctor-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A configuration whose data directory is there, with `settings` behind it. */
function machine(folder: string, ports: { readonly mqtt: number; readonly http: number }, settings = ""): string {
  const dataDir = join(folder, "data");
  mkdirSync(dataDir, { recursive: true, mode: 0o750 });
  const file = join(folder, "node.conf");
  const listen = `listen: { mqtt = "127.0.0.1:${ports.mqtt}"; http = "127.0.0.1:${ports.http}"; };`;
  writeFileSync(file, `name = "device-1"; data-dir = "${dataDir}"; ${listen}\n${settings}\n`);
  return file;
}

async function listening(port: number): Promise<Server> {
  const server = createServer((socket) => void socket.destroy());
  await new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", resolve));
  return server;
}

const pick = createPortPicker();
const ports = async () => ({ mqtt: await pick(), http: await pick() });

test("a machine that is fit has no problem, nothing is left on it, and the output reads in columns", () =>
  inFolder(async (folder) => {
    const config = machine(folder, await ports());
    const { code, stdout, stderr } = await doctor(["--config", config]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^ok {7}listen {6}listen\.mqtt 127\.0\.0\.1:\d+ is free$/m);
    expect(stdout).toMatch(/^ok {7}data-dir {4}\S+ belongs to \S+$/m);
    expect(stdout).toMatch(/^\w+ +sync {8}a sync takes [\d.]+ ms \(half of \d+\), [\d.]+ ms at worst/m);
    expect(stdout).not.toContain("problem");
    expect(readdirSync(join(folder, "data"))).toEqual([]);
    expect(readdirSync(folder).toSorted()).toEqual(["data", "node.conf"]);
  }));

test("a port that is taken is a problem, and who has it is named", () =>
  inFolder(async (folder) => {
    const taken = await ports();
    const server = await listening(taken.mqtt);
    try {
      const { code, of } = await examined(machine(folder, taken));
      expect(code).toBe(1);
      const [mqtt, http] = of("listen");
      expect(mqtt).toMatchObject({
        level: "problem",
        what: expect.stringContaining(`(pid ${process.pid}`) as string,
        todo: expect.stringContaining("give listen.mqtt another port") as string,
      });
      expect(http?.level).toBe("ok");
    } finally {
      server.close();
    }
  }));

test("a place where nothing can be written is a problem, whoever asks", () =>
  inFolder(async (folder) => {
    const config = machine(folder, await ports());
    // Below /proc not even root can make a file.
    const { code, stdout } = await doctor(["--config", config, "--set", "data-dir=/proc/fogbank", "--json"]);
    expect(code).toBe(1);
    const problems = (JSON.parse(stdout) as readonly Finding[]).filter(({ level }) => level === "problem");
    expect(problems.map(({ check }) => check)).toContain(isRoot ? "sync" : "data-dir");
  }));

test("a user who may not write in the data directory is told whose it is, and what stays unseen", async (context) => {
  const readable = isRoot ? (await doctor(["--help"], nobody)).code === 0 : true;
  if (!readable) return context.skip("the user nobody cannot read this checkout");
  await inFolder(async (folder) => {
    chmodSync(folder, 0o755);
    const config = machine(folder, await ports());
    chmodSync(join(folder, "data"), 0o555);
    const { code, of } = await examined(config, isRoot ? nobody : undefined);
    chmodSync(join(folder, "data"), 0o755);
    expect(of("data-dir")[0]).toMatchObject({
      level: isRoot ? "warning" : "problem",
      what: expect.stringContaining("may not write there") as string,
    });
    expect(of("sync")).toMatchObject([{ level: "advice", what: expect.stringContaining("cannot be seen") as string }]);
    expect(code).toBe(isRoot ? 0 : 1);
  });
});

test("an expired certificate, one that ends soon and a key of another are found", () =>
  inFolder(async (folder) => {
    const authority = createTestAuthority();
    const expired = authority.issueUntil("210101000000Z", "device-1");
    const soon = new Date(Date.now() + 10 * 86_400_000);
    const until = `${soon.toISOString().replaceAll(/[-:T]/g, "").slice(2, 14)}Z`;
    const ending = authority.issueUntil(until, "device-1");
    const write = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const parent = await pick();
    const config = machine(
      folder,
      await ports(),
      `tls: { cert = "${write("old.pem", expired.cert)}"; key = "${write("old.key", expired.key)}"; };
       uplink: { url = "mqtts://127.0.0.1:${parent}"; cert = "${write("own.pem", ending.cert)}"; key = "${write("other.key", expired.key)}"; ca = "${write("ca.pem", authority.cert)}"; };`,
    );
    const { code, of } = await examined(config);
    expect(code).toBe(1);
    expect(of("tls.cert")).toMatchObject([
      { level: "problem", what: expect.stringContaining("has expired on 2021-01-01") as string },
    ]);
    expect(of("uplink.cert")).toMatchObject([{ level: "warning", todo: expect.stringContaining("renew") as string }]);
    expect(of("uplink.key")).toMatchObject([
      { level: "problem", what: expect.stringContaining("is not the key") as string },
    ]);
    expect(of("uplink.ca")).toMatchObject([{ level: "ok" }]);
    expect(of("parent")).toMatchObject([
      { level: "problem", what: expect.stringContaining("nobody listens") as string },
    ]);
  }));

test("a listener that is open to the network is a problem, and the rest is examined all the same", () =>
  inFolder(async (folder) => {
    const { mqtt, http } = await ports();
    const config = machine(folder, { mqtt, http });
    const set = ["--config", config, "--set", `listen.mqtt=0.0.0.0:${mqtt}`];
    const { code, stdout } = await doctor(set);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^problem +config +FOGBANK_LISTEN_INSECURE: .*other machines can reach 0\.0\.0\.0:\d+$/m);
    expect(stdout).toMatch(/take mqtts:\/\/ with a certificate/);
    expect(stdout).toContain(`listen.mqtt 0.0.0.0:${mqtt} is free`);
  }));

test("what is no use of the command ends with code 2, a configuration with a mistake is a finding", () =>
  inFolder(async (folder) => {
    expect(await doctor(["--config", join(folder, "none.conf")])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("FOGBANK_USAGE: cannot read the configuration file") as string,
    });
    expect((await doctor(["--frobnicate"])).code).toBe(2);
    const config = machine(folder, await ports(), "level = frog;");
    const { code, of } = await examined(config);
    expect(code).toBe(1);
    expect(of("config")).toMatchObject([{ level: "problem", what: expect.stringContaining('"frog"') as string }]);
    expect(of("runtime")).toHaveLength(1);
  }));

async function withFog(
  folder: string,
  settings: string,
  work: (fog: NodeUnderTest, uplink: string) => Promise<void>,
  assignments: readonly string[] = [],
): Promise<void> {
  const fog = nodeUnderTest(folder, "fog-1", await ports(), `level = fog; ${settings}`);
  try {
    await fog.start(...assignments);
    await work(fog, `uplink: { url = "mqtt://127.0.0.1:${fog.mqttPort}"; };`);
  } finally {
    await fog.end();
  }
}

test("a parent that answers is reached, its clock is compared, and it has no child for that", () =>
  inFolder((folder) =>
    withFog(folder, "", async (fog, uplink) => {
      const { code, of } = await examined(machine(folder, await ports(), uplink));
      expect(code).toBe(0);
      expect(of("parent")).toMatchObject([
        { level: "ok", what: expect.stringContaining("its broker accepts connections from here") as string },
      ]);
      expect(of("clock").at(-1)).toMatchObject({
        level: "ok",
        what: expect.stringContaining("the clock of fog-1 is") as string,
      });
      expect((await fog.status()).below).toEqual([]);
    }),
  ));

test("a parent that admits nobody without proof says so before the node is started", () =>
  inFolder((folder) =>
    withFog(folder, 'auth: { anonymous = "never"; };', async (fog, uplink) => {
      const { code, of } = await examined(machine(folder, await ports(), uplink));
      expect(code).toBe(1);
      expect(of("parent")).toMatchObject([
        { level: "problem", todo: expect.stringContaining("fogbank user add device-1 --child") as string },
      ]);
      // With a secret only the node's own client identifier would tell more, and that might belong to a node that is connected.
      writeFileSync(join(folder, "secret"), "s3cret", { mode: 0o600 });
      const secret = uplink.replace("; };", `; secret-file = "${join(folder, "secret")}"; };`);
      expect((await examined(machine(folder, await ports(), secret))).of("parent")).toMatchObject([
        { level: "ok", what: expect.stringContaining("the secret was not tried") as string },
      ]);
      expect(readFileSync(fog.logFile, "utf8")).not.toContain("log-in failed");
    }),
  ));

test("a parent behind TLS: believed by its authority, doubted without", () =>
  inFolder(async (folder) => {
    const authority = createTestAuthority();
    const { cert, key } = authority.issue("fog-1");
    const files = {
      "fog.pem": cert,
      "fog.key": key,
      "ca.pem": authority.cert,
      "wrong.pem": createTestAuthority("x").cert,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
    const port = await pick();
    const tls = `tls: { cert = "${join(folder, "fog.pem")}"; key = "${join(folder, "fog.key")}"; };`;
    await withFog(
      folder,
      tls,
      async () => {
        const by = async (ca: string) =>
          (
            await examined(
              machine(
                folder,
                await ports(),
                `uplink: { url = "mqtts://localhost:${port}"; ca = "${join(folder, ca)}"; };`,
              ),
            )
          ).of("parent");
        expect(await by("ca.pem")).toMatchObject([
          { level: "ok", what: expect.stringContaining("its certificate is believed until 2049-12-31") as string },
        ]);
        expect(await by("wrong.pem")).toMatchObject([
          { level: "problem", todo: expect.stringContaining("set uplink.ca") as string },
        ]);
      },
      [`listen.mqtt=mqtts://127.0.0.1:${port}`],
    );
  }));

test("a parent that asks for certificates: refused without, accepted with one of the node's name", () =>
  inFolder(async (folder) => {
    const authority = createTestAuthority();
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const pairOf = (name: string): string => {
      const { cert, key } = authority.issue(name);
      return `cert = "${file(`${name}.pem`, cert)}"; key = "${file(`${name}.key`, key)}";`;
    };
    const ca = `ca = "${file("ca.pem", authority.cert)}";`;
    const port = await pick();
    await withFog(
      folder,
      `tls: { ${pairOf("fog-1")} ${ca} require-client-certificate = true; };`,
      async (fog) => {
        const by = async (own: string) => {
          const uplink = `uplink: { url = "mqtts://127.0.0.1:${port}"; ${ca} ${own} };`;
          return (await examined(machine(folder, await ports(), uplink))).of("parent");
        };
        expect(await by("")).toMatchObject([
          { level: "problem", todo: expect.stringContaining("set uplink.cert and uplink.key") as string },
        ]);
        expect(await by(pairOf("device-1"))).toMatchObject([
          { level: "ok", what: expect.stringContaining("its broker accepts") as string },
        ]);
        expect((await fog.status()).below).toEqual([]);
      },
      [`listen.mqtt=mqtts://127.0.0.1:${port}`],
    );
  }));

test("Ctrl-C while a parent does not answer ends the command with code 130, and nothing stays behind", () =>
  inFolder(async (folder) => {
    // It takes the connection and never says a word.
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket));
    const port = await pick();
    await new Promise<void>((resolve) => void silent.listen(port, "127.0.0.1", resolve));
    const config = machine(folder, await ports(), `uplink: { url = "mqtts://127.0.0.1:${port}"; };`);
    const child = spawn(process.execPath, [program, "doctor", "--config", config], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    await eventually(
      async () => sockets.length,
      (connections) => connections === 2, // the second one is the handshake's
    );
    child.kill("SIGINT");
    expect(await once(child, "close")).toEqual([130, null]);
    expect(readdirSync(join(folder, "data"))).toEqual([]);
    for (const socket of sockets) socket.destroy();
    silent.close();
  }));

test("beside the running node its own ports are no problem, and its link is not disturbed", () =>
  inFolder((folder) =>
    withFog(folder, "", async (fog, uplink) => {
      const settings = `level = device; ${uplink} sources: { host: { enabled = false; }; };`;
      const device = nodeUnderTest(folder, "device-1", await ports(), settings);
      try {
        await device.start();
        await linked(device, fog);
        const before = await device.status();
        const files = readdirSync(join(folder, "device-1")).toSorted();
        const { code, of } = await examined(join(folder, "device-1.conf"));
        expect(code).toBe(0);
        expect(of("listen").map(({ level, what }) => [level, what.includes("held by this node")])).toEqual([
          ["ok", true],
          ["ok", true],
        ]);
        expect(of("data-dir").at(-1)?.level).not.toBe("problem");
        expect(of("open-files")).toMatchObject([{ what: expect.stringContaining("the running node") as string }]);
        expect(of("parent")).toMatchObject([
          { level: "ok", what: expect.stringContaining("the node that runs has been connected since") as string },
        ]);
        expect(of("clock").at(-1)?.what).toContain("the clock of fog-1 is");
        const after = await device.status();
        expect(after.uplink.since).toBe(before.uplink.since);
        expect(after.node.startedAt).toBe(before.node.startedAt);
        expect((await fog.status()).alarms ?? []).toEqual([]);
        expect(readdirSync(join(folder, "device-1")).toSorted()).toEqual(files);
        await fog.end();
        await eventually(
          () => device.status(),
          ({ uplink: { state } }) => state === "down",
        );
        expect((await examined(join(folder, "device-1.conf"))).of("parent")).toMatchObject([{ level: "problem" }]);
      } finally {
        await device.end();
      }
    }),
  ));

/** Lines of the example in docs/doctor.md, but those about what every machine has of its own. */
function documentedLines(): readonly string[] {
  const document = readFileSync(new URL("../../docs/doctor.md", import.meta.url), "utf8");
  const [, example = ""] = /^fogbank doctor --config \S+\n```\n\n```\n(.*?)^```$/ms.exec(document) ?? [];
  const isOfMachine = /^\w+ +(?:runtime|memory|open-files|disk|sync|clock) /;
  let isLeftOut = false;
  return example.split("\n").filter((line) => {
    if (/^\w/.test(line)) isLeftOut = isOfMachine.test(line);
    return line !== "" && !isLeftOut && !/^\d/.test(line);
  });
}

test("the example of docs/doctor.md is what comes out on such a machine", () =>
  inFolder(async (folder) => {
    const { cert, key } = createTestAuthority().issueUntil("250601000000Z", "fog-1");
    writeFileSync(join(folder, "fog-1.pem"), cert, { mode: 0o644 });
    writeFileSync(join(folder, "fog-1.key"), key, { mode: 0o644 });
    const { mqtt, http } = await ports();
    const parent = await pick();
    const settings = `level = fog; uplink: { url = "mqtt://localhost:${parent}"; };
      tls: { cert = "${join(folder, "fog-1.pem")}"; key = "${join(folder, "fog-1.key")}"; };`;
    const config = machine(folder, { mqtt, http }, settings);
    const server = await listening(mqtt);
    const { code, stdout } = await doctor(["--config", config]).finally(() => void server.close());
    expect(code).toBe(1);
    const lines = documentedLines();
    expect(lines.length).toBeGreaterThan(8);
    const here: readonly (readonly [documented: string, here: string])[] = [
      ["127.0.0.1:1883", `127.0.0.1:${mqtt}`],
      ["127.0.0.1:8080", `127.0.0.1:${http}`],
      ["port 11883 of cloud-1", `port ${parent} of localhost`],
      ["/var/lib/fogbank", join(folder, "data")],
      ["/etc/fogbank", folder],
    ];
    const missing = lines.filter((line) => {
      const text = here.reduce((made, [documented, own]) => made.replace(documented, own), line);
      const parts = text.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      return !new RegExp(`^${parts.join(".*")}$`, "m").test(stdout);
    });
    expect(missing, stdout).toEqual([]);
  }));
