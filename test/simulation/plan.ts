// What a history is made of, as the seed draws it: the nodes with their places and budgets, and the streams they record.
import type { NodeConfig } from "#agent/config/config.ts";
import { parseNodeName, type Level } from "#shared/ids.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";

/** A stream that every node records. */
export interface StreamPlan {
  readonly name: string;
  /** What is published on it. */
  readonly topic: string;
  readonly priority: 0 | 1 | 2 | 3;
  readonly order: "strict" | "live-first";
  /** What goes when there is no room. */
  readonly policy: "oldest" | "newest";
  readonly class: "custody" | "final";
}

export interface NodePlan {
  readonly name: string;
  readonly level: Level;
  readonly parent: string | undefined;
  readonly maxBytes: number;
}

export interface TreePlan {
  /** Parents before their children; the first is the root. */
  readonly nodes: readonly NodePlan[];
  readonly streams: readonly StreamPlan[];
}

export const rootName = "cloud-1";

const streams: readonly StreamPlan[] = [
  { name: "alarm", topic: "/data/alarm", priority: 0, order: "strict", policy: "newest", class: "custody" },
  { name: "data", topic: "/data/pump", priority: 2, order: "live-first", policy: "newest", class: "custody" },
  { name: "bulk", topic: "/data/log", priority: 3, order: "live-first", policy: "newest", class: "custody" },
];

const mib = 1024 * 1024;

/** One cloud, two or three fogs, one of them perhaps below another, and three or four devices. */
export function drawTree(random: Seeded): TreePlan {
  const fogs = random.between(2, 3);
  const nodes: NodePlan[] = [{ name: rootName, level: "cloud", parent: undefined, maxBytes: 32 * mib }];
  for (let number = 1; number <= fogs; number++) {
    const above = number > 1 && random.unit() < 0.4 ? `fog-${number - 1}` : rootName;
    nodes.push({ name: `fog-${number}`, level: "fog", parent: above, maxBytes: drawBytes(random) });
  }
  const parents = nodes.map(({ name }) => name);
  const devices = random.between(3, 4);
  for (let number = 1; number <= devices; number++) {
    const parent = random.pick(parents);
    nodes.push({ name: `device-${number}`, level: "device", parent, maxBytes: drawBytes(random) });
  }
  return { nodes, streams };
}

/** Mostly plenty; some nodes fill up within one history. */
function drawBytes(random: Seeded): number {
  return random.unit() < 0.75 ? 16 * mib : Math.round(1.25 * mib);
}

/** The configuration of a node in `folder` below `parent`. */
export function configOf(
  { name, level, maxBytes }: NodePlan,
  parent: string | undefined,
  folder: string,
  recorded: readonly StreamPlan[],
): NodeConfig {
  return {
    name: parseNodeName(name),
    level,
    tags: [],
    dataDir: folder,
    logLevel: "silent",
    listen: { mqtt: [], http: [] },
    ...(parent === undefined ? {} : { uplink: { host: parent, port: 1883, url: `mqtt://${parent}` } }),
    auth: { anonymous: "always" },
    insecure: false,
    streams: recorded.map(({ topic, ...stream }) => ({ ...stream, filters: [`${topic}/#`], share: 1 })),
    sources: { host: { enabled: false, intervalMs: 1000 } },
    journal: { maxBytes, minCommitMs: 0 },
  };
}
