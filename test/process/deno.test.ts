// Under Deno, with no more rights than stand here: programs with the client library, and whole nodes.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import type { Finding } from "#agent/doctor/finding.ts";
import type { DataLine } from "#shared/reports.ts";
import { connect } from "../../client/client.ts";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { linked } from "./call-tree.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fogbank-deno-"));
/** What it compiles is kept here. */
const environment = { DENO_DIR: join(folder, "cache"), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
const deno = findDeno();
if (deno === undefined)
  console.log("skipped: there is no Deno here: its package is not for this machine, and none is on the PATH");

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** That of the packages, or the one on the PATH, if it runs. */
function findDeno(): string | undefined {
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  const packaged = join(root, `node_modules/@deno/${process.platform}-${arch}-glibc/deno`);
  const installed = (process.env["PATH"] ?? "").split(delimiter).map((one) => join(one, "deno"));
  return [packaged, ...installed].find(
    (file) => existsSync(file) && spawnSync(file, ["--version"], { env: environment }).status === 0,
  );
}

function start(example: string, url: string): ChildProcess & { readonly stdout: NonNullable<ChildProcess["stdout"]> } {
  const rights = ["--no-prompt", "--allow-net", "--allow-env", "--allow-read"];
  return spawn(deno ?? "", ["run", ...rights, join(root, "examples", example), url], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function run(example: string, url: string): Promise<{ readonly code: unknown; readonly stdout: string }> {
  const child = start(example, url);
  const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return { code, stdout };
}

test.skipIf(deno === undefined)("the examples of the client library run with net, env and read alone", async () => {
  const pick = createPortPicker();
  const settings = "level = device; sources: { host: { enabled = false; }; };";
  const node = nodeUnderTest(folder, "device-1", { mqtt: await pick(), http: await pick() }, settings);
  const webSocketPort = await pick();
  const url = `mqtt://127.0.0.1:${node.mqttPort}`;
  try {
    await node.start(`listen.mqtt=127.0.0.1:${node.mqttPort},ws://127.0.0.1:${webSocketPort}`);
    expect(await run("publish.ts", url)).toEqual({ code: 0, stdout: "stored\n" });
    const [stored] = await node.accounting("device-1");
    expect(stored).toMatchObject({ next: 2, here: 1 });
    expect(await run("events.ts", url)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^door { open: true } raised at device-1 /) as string,
    });
    const program = start("implement.ts", url);
    try {
      await once(createInterface(program.stdout), "line");
      expect(await run("call.ts", `ws://127.0.0.1:${webSocketPort}`)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("device-1 done { blinked: 2 }\n") as string,
      });
    } finally {
      program.kill();
      await once(program, "exit");
    }
  } finally {
    await node.end();
  }
});

const document = readFileSync(join(root, "docs/deno.md"), "utf8");

/** The options of the command line in docs/deno.md that runs the node of that name. */
function documentedOptions(node: string): readonly string[] {
  const commands = [...document.matchAll(/^deno run (?:.*\\\n)*.*$/gm)].map(([command]) => command.split(/[\s\\]+/));
  const words = commands.find((one) => one.at(-1) === `/etc/fogbank/${node}.conf`) ?? [];
  return words.filter((word) => word.startsWith("--") && word !== "--config");
}

interface Place {
  readonly name: string;
  readonly ports: { readonly mqtt: number; readonly http: number };
  readonly parent?: NodeUnderTest;
  /** What it may read beside what the document says. */
  readonly reads?: string;
}

/**
 * The program with the rights that docs/deno.md gives to `like`, with ports, files and folders of its own put in, and no other. Makes
 * its data directory.
 */
function denoCommand(like: "device-1" | "fog-1", { name, ports, parent, reads }: Place): readonly string[] {
  const parts = ["agent", "shared", ...(reads === undefined ? [] : [reads])].map((one) => join(root, one));
  const own: readonly (readonly [documented: string, here: string])[] = [
    ["127.0.0.1:1883", `127.0.0.1:${ports.mqtt}`],
    ["127.0.0.1:8080", `127.0.0.1:${ports.http}`],
    ["fog-1:1883", `127.0.0.1:${parent?.mqttPort ?? 1883}`],
    [`/etc/fogbank/${like}.conf`, join(folder, `${name}.conf`)],
    ["/var/lib/fogbank", join(folder, name)],
    // Relative to the checkout there; packages may be behind a link here.
    ["agent,shared,node_modules", [...parts, realpathSync(join(root, "node_modules"))].join(",")],
  ];
  const options = documentedOptions(like).map((option) =>
    own.reduce((made, [documented, here]) => made.replace(documented, here), option),
  );
  mkdirSync(join(folder, name));
  return [deno ?? "", "run", ...options, join(root, "agent/main.ts")];
}

async function denoNode(
  pick: () => Promise<number>,
  like: "device-1" | "fog-1",
  { settings, ...place }: Omit<Place, "ports"> & { readonly settings: string },
): Promise<NodeUnderTest> {
  const { name, parent } = place;
  const ports = { mqtt: await pick(), http: await pick() };
  const uplink = parent === undefined ? "" : `uplink: { url = "mqtt://127.0.0.1:${parent.mqttPort}"; };`;
  const command = denoCommand(like, { ...place, ports });
  return nodeUnderTest(folder, name, ports, `${settings} ${uplink}`, undefined, environment, command);
}

test("the document gives a device and a fog no more than they need, and never the right to run or load programs", () => {
  const kinds = [
    "--no-prompt",
    "--node-modules-dir",
    "--allow-net",
    "--allow-read",
    "--allow-write",
    "--allow-env",
    "--allow-sys",
  ];
  for (const node of ["device-1", "fog-1"]) {
    const options = documentedOptions(node);
    expect(options.map((option) => option.split("=")[0])).toEqual(kinds);
    // Files are named, not all of them allowed.
    expect(options.filter((option) => /^--allow-(?:read|write)(?!=)/.test(option))).toEqual([]);
  }
});

test.skipIf(deno === undefined)(
  "a device, a fog and a cloud store, hand on, call, survive a kill and stop",
  async () => {
    const pick = createPortPicker();
    const cloud = await denoNode(pick, "fog-1", { name: "cloud-2", settings: "level = cloud;", reads: "cloud" });
    const fog = await denoNode(pick, "fog-1", { name: "fog-2", settings: "level = fog;", parent: cloud });
    // With the readings of the machine, which need most of what --allow-sys gives.
    const device = await denoNode(pick, "device-1", { name: "device-2", settings: "level = device;", parent: fog });
    const nodes = [cloud, fog, device];
    try {
      for (const node of nodes) await node.start();
      await linked(fog, cloud);
      await linked(device, fog);
      await using atDevice = await connect(`mqtt://127.0.0.1:${device.mqttPort}`);
      const isOurs = ({ topic }: DataLine): boolean => topic === "/data/x";
      await atDevice.publish("/data/x", "1");
      await fog.end("SIGKILL");
      await atDevice.publish("/data/x", "2");
      await fog.start();
      const stored = await eventually(
        () => cloud.data("device-2"),
        (lines) => lines.filter(isOurs).length === 2 && lines.some(({ topic }) => topic === "/data/host/memory/used"),
      );
      expect(new Set(stored.filter(isOurs).map(({ payload }) => payload))).toEqual(new Set(["1", "2"]));
      await using atCloud = await connect(`mqtt://127.0.0.1:${cloud.mqttPort}`);
      const reached = async (): Promise<number> => (await atCloud.call("ping", null, { ttl: 5 })).counts.done;
      await eventually(reached, (done) => done === nodes.length);
      for (const node of nodes.toReversed()) expect(await node.end("SIGTERM")).toBe(0);
    } finally {
      await Promise.all(nodes.map((node) => node.end()));
    }
  },
);

test.skipIf(deno === undefined)("the doctor works with the rights of a device, and says what they hide from it", () => {
  const device = denoCommand("device-1", { name: "device-3", ports: { mqtt: 1883, http: 8080 } });
  const free = ["listen.mqtt=127.0.0.1:0", "listen.http=127.0.0.1:0", `data-dir=${join(folder, "device-3")}`];
  const [program = "", ...args] = [...device, "doctor", "--json", ...free.flatMap((one) => ["--set", one])];
  const { stdout, stderr } = spawnSync(program, args, { env: { ...process.env, ...environment }, encoding: "utf8" });
  expect(stderr).toBe("");
  const findings = JSON.parse(stdout) as readonly Finding[];
  expect(findings.filter(({ level }) => level === "problem")).toEqual([]);
  const hidden = findings.filter(({ what }) => what.includes("cannot be seen with the rights of this command"));
  expect(hidden.map(({ check }) => check)).toEqual(["open-files"]);
  expect(findings.map(({ check }) => check)).toEqual(
    expect.arrayContaining(["runtime", "listen", "data-dir", "disk", "sync"]),
  );
});

test.skipIf(deno === undefined)("[U14] the parser of device classes loads and works", () => {
  const program = `
    import { loadXmlLibrary } from "./cloud/registry/device-class/xml-library.ts";
    const xml = await loadXmlLibrary(() => undefined);
    console.log(xml.parse("<a><b>1</b></a>").root.children[0].text, xml.schemaProblem("<a/>").reason);`;
  const { stdout, stderr } = spawnSync(deno ?? "", ["eval", program], {
    cwd: root,
    env: { ...process.env, ...environment },
    encoding: "utf8",
  });
  expect([stdout, stderr]).toEqual([expect.stringMatching(/^1 .*is not a schema document/), expect.any(String)]);
});
