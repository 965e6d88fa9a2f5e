// What a history is made of, as the seed draws it: the nodes with their places and budgets, and the streams they record.
import type { NodeConfig } from "#agent/config/config.ts";
import { parseNodeName, type Level } from "#shared/ids.ts";
import { fullPolicies, type FullPolicy, type StreamClass } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";

/** A stream that every node records. */
export interface StreamPlan {
  readonly name: string;
  /** What is published on it. */
  readonly topic: string;
  readonly priority: 0 | 1 | 2 | 3;
  readonly order: "strict" | "live-first";
  /** What goes when there is no room. */
  readonly policy: FullPolicy;
  readonly class: StreamClass;
  readonly maxBytes?: number;
  readonly maxAgeMs?: number;
}

export interface NodePlan {
  readonly name: string;
  readonly level: Level;
  readonly parent: string | undefined;
  readonly maxBytes: number;
  /** Whether its system has an id for each of its starts. */
  readonly tellsBoot: boolean;
}

export interface TreePlan {
  /** Parents before their children; the first is the root. */
  readonly nodes: readonly NodePlan[];
  readonly streams: readonly StreamPlan[];
}

export const rootName = "cloud-1";

const mib = 1024 * 1024;
/** No history fills that. */
export const plentyBytes = 16 * mib;
const scantBytes = [Math.round(0.75 * mib), Math.round(1.25 * mib)];

/** Alarms and events are never given up; what becomes of telemetry and of the log is drawn. */
function drawStreams(random: Seeded): readonly StreamPlan[] {
  return [
    { name: "alarm", topic: "/data/alarm", priority: 0, order: "strict", policy: "newest", class: "custody" },
    { name: "event", topic: "/data/event", priority: 1, order: "strict", policy: "newest", class: "final" },
    { name: "data", topic: "/data/pump", priority: 2, order: "live-first", class: "custody", ...drawPolicy(random) },
    {
      name: "bulk",
      topic: "/data/log",
      priority: 3,
      order: "live-first",
      ...drawPolicy(random),
      class: drawClass(random),
    },
  ];
}

function drawPolicy(random: Seeded): Pick<StreamPlan, "policy" | "maxBytes" | "maxAgeMs"> {
  const policy = random.pick(fullPolicies);
  const [isShortLived, isSmall] = [random.unit() < 0.2, random.unit() < 0.3];
  return {
    policy,
    ...(isSmall ? { maxBytes: limits.segmentBytes } : {}),
    ...(policy === "ttl" || isShortLived ? { maxAgeMs: random.between(10_000, 120_000) } : {}),
  };
}

function drawClass(random: Seeded): StreamClass {
  return random.unit() < 0.3 ? "final" : "custody";
}

/** One cloud, two or three fogs, one of them perhaps below another, and three or four devices. */
export function drawTree(random: Seeded): TreePlan {
  const fogs = random.between(2, 3);
  const nodes: NodePlan[] = [
    { name: rootName, level: "cloud", parent: undefined, maxBytes: 32 * mib, tellsBoot: true },
  ];
  for (let number = 1; number <= fogs; number++) {
    const above = number > 1 && random.unit() < 0.4 ? `fog-${number - 1}` : rootName;
    nodes.push({ name: `fog-${number}`, level: "fog", parent: above, ...drawMachine(random) });
  }
  const parents = nodes.map(({ name }) => name);
  const devices = random.between(3, 4);
  for (let number = 1; number <= devices; number++) {
    const parent = random.pick(parents);
    nodes.push({ name: `device-${number}`, level: "device", parent, ...drawMachine(random) });
  }
  return { nodes, streams: drawStreams(random.fork("streams")) };
}

/** Mostly plenty; some nodes fill up within one history. */
function drawMachine(random: Seeded): Pick<NodePlan, "maxBytes" | "tellsBoot"> {
  return {
    maxBytes: random.unit() < 0.6 ? plentyBytes : random.pick(scantBytes),
    tellsBoot: random.unit() < 0.75,
  };
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
    cond: {},
    dataWindowMs: 60_000,
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
