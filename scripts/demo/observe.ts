// Looks at the whole tree once: what the processes do, what each node says about itself, what the cloud sees, and what the
// devices wrote down.
import { forEachBounded } from "./bounded.ts";
import type { DemoTree } from "./demo-tree.ts";
import { fetchStatus, type NodeBelow, type NodeStatus } from "./node-api.ts";
import type { NodeProcess, NodeState } from "./node-process.ts";
import { createLineCounter } from "./record-file.ts";

export interface NodeSample {
  readonly name: string;
  readonly process: NodeState;
  /** What the node says of its link upward; absent when it does not answer. */
  readonly uplink?: { readonly state: "none" | "up" | "down"; readonly sinceMs: number };
  /** Messages durable here that were not handed on yet; absent when the node does not answer. */
  readonly waiting?: number;
  /** What the root of the tree says about it. */
  readonly seenByCloud?: {
    readonly state: "online" | "lost" | "left";
    readonly sinceMs: number;
    readonly ageMs: number;
  };
}

export interface DeviceSample extends NodeSample {
  /** As the device wrote down itself. */
  readonly published: number;
  /** Of this device's messages: on their way at the fog and at the cloud, stored in the cloud, and lost. */
  readonly atFog?: number;
  readonly atCloud?: number;
  readonly stored?: number;
  readonly lost?: number;
}

export interface TreeSample {
  readonly atMs: number;
  readonly cloud: NodeSample;
  readonly fog: NodeSample;
  readonly devices: readonly DeviceSample[];
}

const askedAtOnce = 8;

/**
 * Answers a function that takes a sample. Each time the nodes are asked from the device upward, so that "nothing waits" at each
 * in turn means: what the device held when it was asked has reached the cloud's store.
 */
export function createObserver(tree: DemoTree): () => Promise<TreeSample> {
  const counters = tree.devices.map(({ plan }) => createLineCounter(plan.recordFile));
  return async () => {
    const statusByDevice = new Map<NodeProcess, NodeStatus>();
    await forEachBounded(tree.devices, askedAtOnce, async (device) => {
      const status = await statusOf(device);
      if (status !== undefined) statusByDevice.set(device, status);
    });
    const fog = await statusOf(tree.fog);
    const cloud = await statusOf(tree.cloud);
    const published = await Promise.all(counters.map((count) => count()));
    const belowByName = new Map(cloud?.below.map((below) => [below.node, below]));
    const [fogStreams, cloudStreams] = [streamTotals(fog), streamTotals(cloud)];
    return {
      atMs: Date.now(),
      cloud: sampleOf(tree.cloud, cloud, undefined),
      fog: sampleOf(tree.fog, fog, belowByName.get(tree.fog.plan.name)),
      devices: tree.devices.map((device, i) => {
        const { name } = device.plan;
        const atCloud = cloudStreams?.get(name) ?? (cloud && nothing);
        const atFog = fogStreams?.get(name) ?? (fog && nothing);
        return {
          ...sampleOf(device, statusByDevice.get(device), belowByName.get(name)),
          published: published[i] ?? 0,
          ...(atFog === undefined ? {} : { atFog: atFog.here }),
          ...(atCloud === undefined ? {} : { atCloud: atCloud.here, stored: atCloud.stored, lost: atCloud.lost }),
        };
      }),
    };
  };
}

/** Whether nothing of this device is on its way: see `createObserver`. */
export function isClear({ waiting, atFog, atCloud }: DeviceSample): boolean {
  return waiting === 0 && atFog === 0 && atCloud === 0;
}

/** Nothing when the node is not up or does not answer: it may be going down just now. */
async function statusOf(node: NodeProcess): Promise<NodeStatus | undefined> {
  const ports = node.ports();
  if (node.state().at !== "up" || ports === undefined) return undefined;
  return fetchStatus(ports.http).catch(() => undefined);
}

const nothing = { here: 0, stored: 0, lost: 0 };

function streamTotals(status: NodeStatus | undefined): ReadonlyMap<string, typeof nothing> | undefined {
  if (status === undefined) return undefined;
  const totals = new Map<string, typeof nothing>();
  for (const { origin, here, stored, lost } of status.streams) {
    const sum = totals.get(origin) ?? nothing;
    totals.set(origin, { here: sum.here + here, stored: sum.stored + stored, lost: sum.lost + lost });
  }
  return totals;
}

function sampleOf(node: NodeProcess, status: NodeStatus | undefined, below: NodeBelow | undefined): NodeSample {
  return {
    name: node.plan.name,
    process: node.state(),
    ...(status && {
      uplink: { state: status.uplink.state, sinceMs: Date.parse(status.uplink.since) },
      waiting: status.streams.reduce((total, { here }) => total + here, 0),
    }),
    ...(below && { seenByCloud: { state: below.state, sinceMs: Date.parse(below.since), ageMs: below.ageMs } }),
  };
}
