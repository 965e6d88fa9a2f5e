// The demo that runs until somebody ends it: looks at the tree about twice a second, shows it, does what the user asks, and
// counts exactly whenever a disturbance is over.
import { setTimeout as sleep } from "node:timers/promises";
import { countSentence } from "./count-table.ts";
import { countInFlight, readRecords } from "./collect.ts";
import type { Action } from "./actions.ts";
import type { DemoTree } from "./demo-tree.ts";
import type { LiveView } from "./live-view.ts";
import type { NodeProcess } from "./node-process.ts";
import { createObserver } from "./observe.ts";
import { nodesDown, stepRecovery, type Recovery } from "./recovery.ts";
import { formatAge } from "./text-style.ts";
import type { CommandTargets } from "./try-commands.ts";

const lookEveryMs = 500;

export interface Live {
  /** Does what the user asks; "quit" is the caller's. */
  act(action: Action): void;
  /** Until `signal` aborts: rejects with its reason. */
  run(signal: AbortSignal): Promise<never>;
}

export function createLive(tree: DemoTree, view: LiveView): Live {
  let isStarted = false;
  let broken: unknown;
  let working: Promise<void> = Promise.resolve();
  const failure = new AbortController();
  const inTurn = (work: () => Promise<void>): void => {
    working = working.then(work).catch((error: unknown) => {
      broken ??= error;
      failure.abort(broken);
    });
  };
  tree.onLost((node) =>
    view.tell(`${node.plan.name} is down: ${howOf(node)} from outside. ${view.restoreKey} restores it`),
  );

  return {
    act(action) {
      if (action === "quit") return;
      if (!isStarted) view.tell("not yet: the tree is still starting");
      else inTurn(() => (action === "cut" ? cut(tree, view) : restore(tree, view)));
    },
    async run(given) {
      const signal = AbortSignal.any([given, failure.signal]);
      inTurn(async () => {
        await tree.start(signal);
        isStarted = true;
        view.tell("everything runs");
      });
      const drain = createDrainWatch(tree, view);
      const look = createObserver(tree);
      for (;;) {
        const startedMs = performance.now();
        const sample = await look();
        signal.throwIfAborted();
        if (isStarted) await drain(sample);
        view.show(sample, isStarted ? targetsOf(tree) : undefined);
        const tookMs = performance.now() - startedMs;
        // With many devices a look takes a while: then half of the time is left to the nodes.
        await sleep(Math.max(lookEveryMs - tookMs, tookMs), undefined, { signal }).catch(() => undefined);
        signal.throwIfAborted();
      }
    },
  };
}

async function cut({ fog }: DemoTree, view: LiveView): Promise<void> {
  const state = fog.state();
  if (state.at !== "up") return view.tell(`${fog.plan.name} is down already. ${view.restoreKey} restores it`);
  await fog.kill();
  view.tell(`${fog.plan.name} is cut: kill -9 ${state.pid}. The devices go on alone. ${view.restoreKey} restores it`);
}

async function restore(tree: DemoTree, view: LiveView): Promise<void> {
  const down = nodesDown(tree);
  if (down.length === 0) return view.tell("nothing to restore: every node runs");
  for (const node of down) {
    const state = node.state();
    const wasDown = state.at === "down" ? ` after ${formatAge(Date.now() - state.sinceMs)}` : "";
    await tree.restart(node);
    view.tell(`${node.plan.name} is up again${wasDown}`);
  }
}

/** Tells the exact count when everything that had waited during a disturbance has arrived. */
function createDrainWatch(
  tree: DemoTree,
  view: LiveView,
): (sample: Parameters<typeof stepRecovery>[1]) => Promise<void> {
  let recovery: Recovery = { at: "calm" };
  let recorded: ReadonlyMap<string, readonly string[]> = new Map();
  return async (sample) => {
    const before = recovery;
    recovery = stepRecovery(before, sample);
    if (before.at === "disturbed" && recovery.at === "draining") recorded = await readRecords(tree);
    if (before.at !== "draining" || recovery.at !== "calm") return;
    // A node can go away meanwhile: the next disturbance is counted when it is over.
    const counts = await countInFlight(tree, recorded).catch(() => undefined);
    if (counts !== undefined) view.tell(`the backlog has drained: ${countSentence(counts)}`);
  };
}

function targetsOf({ cloud, fog, devices }: DemoTree): CommandTargets | undefined {
  const [cloudPorts, fogPorts, devicePorts] = [cloud.ports(), fog.ports(), devices[0]?.ports()];
  if (cloudPorts === undefined || fogPorts === undefined || devicePorts === undefined) return undefined;
  const state = fog.state();
  return { cloud: cloudPorts, fog: fogPorts, device: devicePorts, fogPid: state.at === "up" ? state.pid : undefined };
}

function howOf(node: NodeProcess): string {
  const state = node.state();
  return state.at === "down" ? state.how : "it has ended";
}
