// Nodes of Fogbank in a chain, each linked to the next one above.
import { fetchStatus } from "../../demo/node-api.ts";
import { createBenchNode, type BenchNode, type BenchNodeDeps, type BenchNodePlan } from "../bench-node.ts";
import { until, type TreeLevel } from "../bench-tree.ts";
import type { ProcessStart } from "../measured-process.ts";

export interface ChainLink {
  readonly node: BenchNode;
  /** Its last start. */
  readonly started: () => ProcessStart;
  start(): Promise<ProcessStart>;
}

export interface Chain extends AsyncDisposable {
  /** Throws for a level that is not in it. */
  at(level: TreeLevel): ChainLink;
}

const upMsMax = 30_000;

/** `levels` from the top. Nothing runs yet. Disposed, all have stopped, the lowest first. */
export async function createChain(
  deps: BenchNodeDeps,
  levels: readonly TreeLevel[],
  plan: (level: TreeLevel) => Pick<BenchNodePlan, "folder" | "settings" | "env">,
): Promise<Chain> {
  await using stack = new AsyncDisposableStack();
  const links = new Map<TreeLevel, ChainLink>();
  let uplinkPort: number | undefined;
  for (const level of levels) {
    const node = stack.use(await createBenchNode(deps, { ...plan(level), level, uplinkPort, measuresHost: false }));
    links.set(level, linkOf(node));
    uplinkPort = node.mqttPort;
  }
  const owned = stack.move();
  return {
    at(level) {
      const link = links.get(level);
      if (link === undefined) throw new Error(`there is no ${level} in this chain`);
      return link;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Starts all of it from the top; resolves when every link is up. */
export async function startChain(chain: Chain, levels: readonly TreeLevel[]): Promise<void> {
  for (const level of levels) await chain.at(level).start();
  for (const level of levels.slice(1)) await linkedUp(chain.at(level).node);
}

export function linkedUp({ name, httpPort }: BenchNode): Promise<void> {
  return until(`${name} is linked`, upMsMax, async () => (await fetchStatus(httpPort)).uplink.state === "up");
}

function linkOf(node: BenchNode): ChainLink {
  let last: ProcessStart | undefined;
  return {
    node,
    started() {
      if (last === undefined) throw new Error(`${node.name} has not been started`);
      return last;
    },
    async start() {
      last = await node.start();
      return last;
    },
  };
}
