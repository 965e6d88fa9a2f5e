// Each row of the table of failures, made with real processes and links that break, and what the node in the middle says of it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { startOrphanGuard } from "../../scripts/demo/orphan-guard.ts";
import { startFaultProxy, type FaultProxy, type LinkFault } from "../../scripts/torture/fault-proxy.ts";
import { nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { clientOf, ended, listen, type Listening } from "../fakes/faulty-link.ts";

/**
 * Within which each conclusion is come to: one and a half keepalives, and what a slow and busy machine may add. That it is a second with
 * a clock of their own shows test/scenarios/presence.test.ts.
 */
const convergedMs = limits.failureWindowMs + 10_000;

interface FaultyTree {
  readonly devices: readonly NodeUnderTest[];
  /** Of the fog's uplink. */
  readonly above: FaultProxy;
  /** Of the devices' uplinks. */
  readonly below: readonly FaultProxy[];
  /** `/level/network` at the fog. */
  readonly network: Listening;
  /** `/level/presence/+` at the fog. */
  readonly presence: Listening;
  /** Built-in events, as programs at the fog and at the cloud hear them. */
  readonly events: { readonly fog: Listening; readonly cloud: Listening };
  /** A message that has reached the cloud: the link upward works with all its connections. */
  settle(): Promise<void>;
  /** A message of the fog's own is durable. */
  publish(): Promise<void>;
}

/** cloud-1 above fog-1 above three devices, each link through a proxy. */
async function withFaultyTree(work: (tree: FaultyTree) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-presence-"));
  await using stack = new AsyncDisposableStack();
  const guard = stack.use(startOrphanGuard());
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const pick = createPortPicker();
  const begin = async (name: string, level: string, parent?: FaultProxy): Promise<NodeUnderTest> => {
    const uplink = parent === undefined ? "" : ` uplink: { url = "mqtt://127.0.0.1:${parent.port}"; };`;
    const settings = `level = ${level};${uplink} sources: { host: { enabled = false; }; };`;
    const node = nodeUnderTest(folder, name, { mqtt: await pick(), http: await pick() }, settings, guard);
    stack.defer(() => ended(node));
    await node.start();
    return node;
  };
  const ear = async (node: NodeUnderTest, filter: string): Promise<Listening> =>
    listen(await clientOf(node.mqttPort, stack), filter);
  const cloud = await begin("cloud-1", "cloud");
  const builtIn = "/machine/events/internal/+";
  const atCloud = await ear(cloud, builtIn);
  const above = stack.use(await startFaultProxy(cloud.mqttPort));
  const fog = await begin("fog-1", "fog", above);
  const network = await ear(fog, "/level/network");
  const presence = await ear(fog, "/level/presence/+");
  const events = { fog: await ear(fog, builtIn), cloud: atCloud };
  const below: FaultProxy[] = [];
  const devices: NodeUnderTest[] = [];
  for (const number of [1, 2, 3]) {
    const proxy = stack.use(await startFaultProxy(fog.mqttPort));
    below.push(proxy);
    devices.push(await begin(`device-${number}`, "device", proxy));
  }
  const sensor = await clientOf(fog.mqttPort, stack);
  const publish = async (): Promise<void> => void (await sensor.publishAsync("/data/x", "1", { qos: 1 }));
  await network.last('"online":3');
  const arrivals = await ear(cloud, "/from/fog-1/#");
  const settle = async (): Promise<void> => {
    const arrived = arrivals.next("/data/x");
    await publish();
    await arrived;
  };
  await work({ devices, above, below, network, presence, events, publish, settle });
}

const concluded = (conclusion: string): string => `"conclusion":"${conclusion}"`;

/** Sets the fault, waits for the conclusion and for what follows from it, and mends the links until all are back. */
async function makeRow(
  { network }: FaultyTree,
  links: readonly FaultProxy[],
  conclusion: string,
  { fault = { type: "silent" }, meanwhile }: { fault?: LinkFault; meanwhile?: () => Promise<unknown> } = {},
): Promise<void> {
  const seen = network.next(concluded(conclusion));
  for (const link of links) link.set(fault);
  const rest = meanwhile?.();
  const tookMs = await seen;
  expect({ conclusion, isInTime: tookMs <= convergedMs, tookMs }).toMatchObject({ isInTime: true });
  await rest;
  for (const link of links) link.set({ type: "pass" });
  await network.last('"conclusion":"connected"');
  while (!/"uplink":"up","children":\{"online":3,/.test(network.heard.at(-1) ?? "")) await network.next('"online":3');
}

/** A row that is also an event of the machine: heard at the fog while it lasts, at the cloud also when that was cut off. */
async function makePartition(tree: FaultyTree, links: readonly FaultProxy[], conclusion: string): Promise<void> {
  const event = `"node":"fog-1","conclusion":"${conclusion}"`;
  const { fog, cloud } = tree.events;
  const atCloud = cloud.next(event);
  await makeRow(tree, links, conclusion, { meanwhile: () => fog.next(event) });
  await atCloud;
}

test("[J-S5] [J16.4] [J16.5] [J14] each row of the failure table is reported in time, by real processes on links that really break", () =>
  withFaultyTree(async (tree) => {
    const { above, below, network, presence, events, devices } = tree;
    const [first, , third] = below;
    const device = devices[2];
    if (first === undefined || third === undefined || device === undefined) throw new Error("unreachable");

    // Left on purpose: no alarm.
    const from = network.heard.length;
    const left = presence.next('"state":"left"');
    await device.end("SIGTERM");
    expect(await left).toBeLessThanOrEqual(convergedMs);
    const back = network.next('"online":3');
    await device.start();
    await back;
    expect(network.heard.slice(from).filter((line) => !line.includes(concluded("connected")))).toEqual([]);

    await makeRow(tree, [first], "node-failed");
    await makePartition(tree, below, "segment-failed");
    await makePartition(tree, [above], "cut-off");
    await makePartition(tree, [above, ...below], "isolated");
    await tree.settle();
    await makeRow(tree, [above], "peer-stuck", {
      fault: { type: "silent", direction: "up" },
      meanwhile: () => tree.publish(),
    });

    // Killed: its will is the word of it.
    const killed = network.next(concluded("node-failed"));
    const told = events.cloud.next("node-lost");
    await device.end("SIGKILL");
    expect(await killed).toBeLessThanOrEqual(convergedMs);
    await told;
    const restarted = network.next(concluded("connected"));
    await device.start();
    await restarted;
  }));
