// The tree of the demo: cloud-1 <- fog-1 <- device-1 … device-N, each a process of the same program, their files in one folder.
import { availableParallelism } from "node:os";
import { forEachBounded } from "./bounded.ts";
import { createNodeProcess, type NodeFailure, type NodeProcess } from "./node-process.ts";
import { planNode } from "./node-plan.ts";
import type { OrphanGuard } from "./orphan-guard.ts";

export interface DemoTreeDeps {
  readonly guard: OrphanGuard;
  pickPort(): Promise<number>;
}

export interface DemoTreeOptions {
  readonly folder: string;
  readonly devices: number;
}

export interface DemoTree {
  readonly folder: string;
  readonly cloud: NodeProcess;
  readonly fog: NodeProcess;
  readonly devices: readonly NodeProcess[];
  /** From the root downward. */
  readonly nodes: readonly NodeProcess[];
  /** Aborts with a NodeFailure when a node ends by itself. */
  readonly failed: AbortSignal;
  /** Starts everything, from the root downward, several devices at once. Rejects with a NodeFailure, or when `signal` aborts. */
  start(signal: AbortSignal): Promise<void>;
  /** Starts a node that is down. */
  restart(node: NodeProcess): Promise<void>;
  /** Calls `listener` when a node was ended by somebody else than the demo. */
  onLost(listener: (node: NodeProcess) => void): void;
  /** From now on nothing is started any more. */
  close(): void;
  /** Gently; resolves when all of `nodes` have ended. */
  stop(nodes: readonly NodeProcess[]): Promise<void>;
  /** At once; resolves when all of `nodes` have ended. */
  kill(nodes: readonly NodeProcess[]): Promise<void>;
}

/** Nothing runs yet. */
export function createDemoTree(deps: DemoTreeDeps, options: DemoTreeOptions): DemoTree {
  const failure = new AbortController();
  const closing = new AbortController();
  const listeners: ((node: NodeProcess) => void)[] = [];
  const onEnded = (node: NodeProcess, failed: NodeFailure | undefined): void => {
    if (failed !== undefined) return failure.abort(failed);
    for (const listener of listeners) listener(node);
  };
  const create = (...plan: Parameters<typeof planNode>): NodeProcess =>
    createNodeProcess(planNode(...plan), { ...deps, closing: closing.signal, onEnded });
  const { folder } = options;
  const cloud = create(folder, "cloud-1", "cloud", undefined);
  const fog = create(folder, "fog-1", "fog", "cloud-1");
  const devices = Array.from({ length: options.devices }, (_, i) =>
    create(folder, `device-${i + 1}`, "device", "fog-1"),
  );
  const nodes = [cloud, fog, ...devices];

  const start = async (node: NodeProcess): Promise<void> => {
    const parent = nodes.find(({ plan }) => plan.name === node.plan.parent);
    await node.start(parent?.ports()?.mqtt);
  };
  return {
    folder,
    cloud,
    fog,
    devices,
    nodes,
    failed: failure.signal,
    async start(signal) {
      for (const group of [[cloud], [fog], devices]) {
        await forEachBounded(group, availableParallelism() * 2, async (node) => {
          signal.throwIfAborted();
          await start(node);
        });
      }
    },
    restart: start,
    onLost: (listener) => void listeners.push(listener),
    close: () => closing.abort(),
    stop: async (given) => void (await Promise.all(given.map((node) => node.stop()))),
    kill: async (given) => void (await Promise.all(given.map((node) => node.kill()))),
  };
}
