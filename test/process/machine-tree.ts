// A cloud, two fogs and three devices as real processes, with a fault proxy on each link, and stock MQTT clients at them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectAsync, type MqttClient } from "mqtt";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { startOrphanGuard } from "../../scripts/demo/orphan-guard.ts";
import { startFaultProxy, type FaultProxy } from "../../scripts/torture/fault-proxy.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { linked } from "./call-tree.ts";

/** Who stands below whom, and in which zone. */
const plan = [
  { name: "cloud-1", level: "cloud", parent: undefined, zone: "hq" },
  { name: "fog-1", level: "fog", parent: "cloud-1", zone: "hall-1" },
  { name: "fog-2", level: "fog", parent: "cloud-1", zone: "hall-2" },
  { name: "device-1", level: "device", parent: "fog-1", zone: "hall-1" },
  { name: "device-2", level: "device", parent: "fog-1", zone: "hall-1" },
  { name: "device-3", level: "device", parent: "fog-2", zone: "hall-2" },
] as const;

export type NodeId = (typeof plan)[number]["name"];
export const nodeIds = plan.map(({ name }) => name);

export interface MachineTree {
  node(name: NodeId): NodeUnderTest;
  /** The link from `name` upward. */
  link(name: NodeId): FaultProxy;
  /** Both ends of the link above `name` say that it is up. */
  linked(name: NodeId): Promise<void>;
  /** A stock client at the node's own broker. */
  client(name: NodeId): Promise<MqttClient>;
  /** Every connection that any node has tried, as "from → to". */
  dials(): readonly string[];
}

const recorder = fileURLToPath(new URL("../fakes/record-dials.ts", import.meta.url));

/** Everything is linked when `work` begins, and has ended when this resolves. */
export async function withMachineTree(work: (tree: MachineTree) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-machine-"));
  await using stack = new AsyncDisposableStack();
  // A test that runs into its time-out does not come to its end: its nodes then die with this process.
  const guard = stack.use(startOrphanGuard());
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const pick = createPortPicker();
  const nodes = new Map<string, NodeUnderTest>();
  const links = new Map<string, FaultProxy>();
  const places = new Map<number, string>();
  const node = (name: string): NodeUnderTest => found(nodes, name);
  for (const { name, level, parent, zone } of plan) {
    let uplink = "";
    if (parent !== undefined) {
      const proxy = stack.use(await startFaultProxy(node(parent).mqttPort));
      links.set(name, proxy);
      places.set(proxy.port, parent);
      uplink = ` uplink: { url = "mqtt://127.0.0.1:${proxy.port}"; };`;
    }
    const settings = `level = ${level}; zone = "${zone}";${uplink} sources: { host: { enabled = false; }; };`;
    const ports = { mqtt: await pick(), http: await pick() };
    const dialsFile = join(folder, `${name}.dials`);
    writeFileSync(dialsFile, "");
    const started = nodeUnderTest(folder, name, ports, settings, guard, {
      NODE_OPTIONS: `--import ${recorder}`,
      DIALS_FILE: dialsFile,
    });
    for (const port of Object.values(ports)) places.set(port, name);
    nodes.set(name, started);
    stack.defer(async () => void (await started.end()));
    await started.start();
  }
  const bothLinked = async (name: NodeId): Promise<void> => {
    const { parent } = found(new Map(plan.map((one) => [one.name, one])), name);
    if (parent !== undefined) await linked(node(name), node(parent));
  };
  for (const name of nodeIds) await bothLinked(name);
  await eventually(
    async () => (await node("cloud-1").status()).below.filter(({ state }) => state === "online").length,
    (online) => online === plan.length - 1,
  );
  await work({
    node,
    link: (name) => found(links, name),
    linked: bothLinked,
    async client(name) {
      const client = await connectAsync(`mqtt://127.0.0.1:${node(name).mqttPort}`, {
        protocolVersion: 4,
        reconnectPeriod: 0,
      });
      client.on("error", () => undefined); // its node is killed
      stack.defer(() => void client.end(true));
      return client;
    },
    dials: () =>
      nodeIds.flatMap((name) =>
        readFileSync(join(folder, `${name}.dials`), "utf8")
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => `${name} → ${places.get(Number(line)) ?? line}`),
      ),
  });
}

/** A program at `name`, and what it hears there: JSON. */
export async function hear(tree: MachineTree, name: NodeId, filter: string): Promise<readonly unknown[]> {
  const client = await tree.client(name);
  const heard: unknown[] = [];
  client.on("message", (_topic, payload) => heard.push(JSON.parse(payload.toString())));
  await client.subscribeAsync(filter, { qos: 1 });
  return heard;
}

function found<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new Error(`there is no ${String(key)}`);
  return value;
}
