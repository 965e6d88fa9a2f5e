// Troubles that a torture brings over the tree, each in a file of its own beside this one. Every fault strikes in its own rhythm and
// draws from its own chance, so that one more fault does not change what the others do under the same seed.
import { setTimeout as sleep } from "node:timers/promises";
import type { Seeded } from "../seeded.ts";
import type { TortureTree } from "../torture-tree.ts";

export interface Fault {
  readonly name: string;
  /** Milliseconds from one strike to the next, at least and at most. */
  readonly everyMs: readonly [min: number, max: number];
  /** Takes from `random` all that chance decides, and touches nothing yet. */
  draw(tree: TortureTree, random: Seeded): Strike;
}

/**
 * Breaks something and has mended it when it resolves: after its time, or soon after `signal` has aborted. False when nothing was
 * done because another fault has hold of its target.
 */
export type Strike = (signal: AbortSignal) => Promise<boolean>;

/** How often each fault struck, by its name. */
export type Strikes = ReadonlyMap<string, number>;

/** Lets all faults strike until `signal` aborts. Resolves when everything is mended; rejects when a strike could not be done. */
export async function strikeAtRandom(
  faults: readonly Fault[],
  tree: TortureTree,
  random: Seeded,
  signal: AbortSignal,
): Promise<Strikes> {
  const strikes = new Map<string, number>();
  const failed = new AbortController();
  const over = AbortSignal.any([signal, failed.signal]);
  const running = faults.map(async (fault) => {
    try {
      await strikeWith(fault, tree, random.fork(fault.name), over, strikes);
    } catch (error) {
      failed.abort();
      throw error;
    }
  });
  await Promise.allSettled(running);
  await Promise.all(running);
  return strikes;
}

async function strikeWith(
  fault: Fault,
  tree: TortureTree,
  random: Seeded,
  signal: AbortSignal,
  strikes: Map<string, number>,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  strikes.set(fault.name, 0);
  for (;;) {
    const waitMs = random.between(...fault.everyMs);
    const strike = fault.draw(tree, random);
    await passed(waitMs, signal);
    if (signal.aborted) break;
    const done = strike(signal).then((hasStruck) => {
      underWay.delete(done);
      if (hasStruck) strikes.set(fault.name, (strikes.get(fault.name) ?? 0) + 1);
    });
    done.catch(() => undefined); // awaited in the end
    underWay.add(done);
  }
  await Promise.allSettled(underWay);
  await Promise.all(underWay);
}

/** Resolves after that time, or when `signal` aborts. */
export async function passed(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
