// The end of the demo, in the order in which nothing is left behind: the devices stop and hand on what they have, it is
// counted, then the fog and the cloud stop.
import { setTimeout as sleep } from "node:timers/promises";
import type { DeviceCount } from "./accounting.ts";
import { countAtRest } from "./collect.ts";
import type { DemoTree } from "./demo-tree.ts";
import { createObserver, type TreeSample } from "./observe.ts";

const lookEveryMs = 200;

/** Stops the devices: they stop measuring, hand on what they hold, and end. Answers what the tree looks like then. */
export async function stopDevices(tree: DemoTree): Promise<TreeSample> {
  await tree.stop(tree.devices);
  return createObserver(tree)();
}

/**
 * The exact count, once everything that the stopped devices published has arrived, or after `arriveMsMax` in any case. Rejects
 * when `signal` aborts.
 */
export async function countAfterArrival(
  tree: DemoTree,
  arriveMsMax: number,
  signal: AbortSignal,
): Promise<readonly DeviceCount[]> {
  const look = createObserver(tree);
  const deadlineMs = performance.now() + arriveMsMax;
  for (;;) {
    const { devices } = await look();
    const isAll = devices.every(
      ({ published, stored = 0, atFog, atCloud }) => atFog === 0 && atCloud === 0 && stored >= published,
    );
    if (isAll || performance.now() > deadlineMs) return countAtRest(tree);
    await sleep(lookEveryMs, undefined, { signal });
  }
}

/** For good, from the bottom upward. */
export async function stopAll(tree: DemoTree): Promise<void> {
  tree.close();
  await tree.stop(tree.devices);
  await tree.stop([tree.fog]);
  await tree.stop([tree.cloud]);
}
