// A cloud, a fog and two devices as real processes, and `fogbank call` at one of them.
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";

const program = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));
interface Tree {
  readonly cloud: NodeUnderTest;
  readonly fog: NodeUnderTest;
  readonly devices: readonly NodeUnderTest[];
}

/** A cloud, a fog below it and two devices below that, all linked. `more`: settings of single nodes. */
export async function withTree(
  work: (tree: Tree) => Promise<void>,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-call-"));
  const pick = createPortPicker();
  const add = async (name: string, settings: string, parent?: NodeUnderTest): Promise<NodeUnderTest> => {
    const uplink = parent === undefined ? "" : `uplink: { url = "mqtt://127.0.0.1:${parent.mqttPort}"; };`;
    return nodeUnderTest(
      folder,
      name,
      { mqtt: await pick(), http: await pick() },
      `${settings} ${uplink} ${more[name] ?? ""}`,
    );
  };
  const cloud = await add("cloud-1", "level = cloud;");
  const fog = await add("fog-1", "level = fog;", cloud);
  const device = "level = device; sources: { host: { enabled = false; }; };";
  const devices = [await add("device-1", device, fog), await add("device-2", device, fog)];
  const nodes = [cloud, fog, ...devices];
  try {
    for (const node of nodes) await node.start();
    await linked(fog, cloud);
    for (const child of devices) await linked(child, fog);
    await work({ cloud, fog, devices });
  } finally {
    await Promise.all(nodes.map((node) => node.end()));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Both ends say so. */
export async function linked(child: NodeUnderTest, parent: NodeUnderTest): Promise<void> {
  await eventually(
    async () => [(await child.status()).uplink.state, await seen(child, parent)],
    ([uplink, state]) => uplink === "up" && state === "online",
  );
}

export async function seen(child: NodeUnderTest, parent: NodeUnderTest): Promise<string | undefined> {
  const { below } = await parent.status();
  return below.find(({ node, parent: above }) => node === child.name && above === parent.name)?.state;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `fogbank call` at `node`, to its end. */
export function call(node: NodeUnderTest, ...args: readonly string[]): Promise<Ended> {
  return begin(node, ...args).ended;
}

/** `fogbank call` at `node`, which may be interrupted. */
export function begin(
  node: Pick<NodeUnderTest, "mqttPort">,
  ...args: readonly string[]
): { readonly ended: Promise<Ended>; readonly interrupt: () => void } {
  const child = spawn(process.execPath, [program, "call", "--mqtt", `mqtt://127.0.0.1:${node.mqttPort}`, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { ended: endOf(child), interrupt: () => void child.kill("SIGINT") };
}

async function endOf(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ended> {
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

/** Of its output, without what aligns the columns. */
export function lines({ stdout }: Ended): readonly string[] {
  return stdout.split("\n").map((line) => line.replaceAll(/\s+/g, " ").trimEnd());
}
