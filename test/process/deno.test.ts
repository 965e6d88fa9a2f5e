// Under Deno, with no more rights than stand here: programs with the client library, and whole nodes.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
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

/** A node whose process may use the network, and read and write no more than it needs. */
async function denoNode(pick: () => Promise<number>, name: string, settings: string): Promise<NodeUnderTest> {
  const read = [root, realpathSync(join(root, "node_modules")), folder].join(",");
  const rights = [`--allow-read=${read}`, `--allow-write=${folder}`, "--allow-net", "--allow-env", "--allow-sys"];
  const command = [deno ?? "", "run", "--no-prompt", ...rights, join(root, "agent/main.ts")];
  const ports = { mqtt: await pick(), http: await pick() };
  return nodeUnderTest(folder, name, ports, settings, undefined, environment, command);
}

test.skipIf(deno === undefined)(
  "a device, a fog and a cloud store, hand on, call, survive a kill and stop",
  async () => {
    const pick = createPortPicker();
    const settings = "sources: { host: { enabled = false; }; };";
    const below = (parent: NodeUnderTest): string =>
      `${settings} uplink: { url = "mqtt://127.0.0.1:${parent.mqttPort}"; };`;
    const cloud = await denoNode(pick, "cloud-2", `level = cloud; ${settings}`);
    const fog = await denoNode(pick, "fog-2", `level = fog; ${below(cloud)}`);
    const device = await denoNode(pick, "device-2", `level = device; ${below(fog)}`);
    const nodes = [cloud, fog, device];
    try {
      for (const node of nodes) await node.start();
      await linked(fog, cloud);
      await linked(device, fog);
      await using atDevice = await connect(`mqtt://127.0.0.1:${device.mqttPort}`);
      await atDevice.publish("/data/x", "1");
      await fog.end("SIGKILL");
      await atDevice.publish("/data/x", "2");
      await fog.start();
      const stored = await eventually(
        () => cloud.data("device-2"),
        (lines) => lines.length === 2,
      );
      expect(new Set(stored.map(({ payload }) => payload))).toEqual(new Set(["1", "2"]));
      await using atCloud = await connect(`mqtt://127.0.0.1:${cloud.mqttPort}`);
      const reached = async (): Promise<number> => (await atCloud.call("ping", null, { ttl: 5 })).counts.done;
      await eventually(reached, (done) => done === nodes.length);
      for (const node of nodes.toReversed()) expect(await node.end("SIGTERM")).toBe(0);
    } finally {
      await Promise.all(nodes.map((node) => node.end()));
    }
  },
);

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
