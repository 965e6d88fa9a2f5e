// What faults of links have in common: one child is drawn, and the link that it uses when the fault strikes is broken for a while.
import type { LinkFault } from "../fault-proxy.ts";
import type { Seeded } from "../seeded.ts";
import type { TortureLink, TortureTree } from "../torture-tree.ts";
import { passed, type Strike } from "./fault.ts";

/** A fault that lasts. */
export function brokenLink(tree: TortureTree, random: Seeded, lastsMs: number, fault: LinkFault): Strike {
  return onLink(tree, random, async ({ proxy }, signal) => {
    proxy.set(fault);
    await passed(lastsMs, signal);
    proxy.set({ type: "pass" });
  });
}

/** `work` has the link to itself, and leaves it whole. */
export function onLink(
  tree: TortureTree,
  random: Seeded,
  work: (link: TortureLink, signal: AbortSignal) => Promise<void>,
): Strike {
  const child = random.pick([...tree.fogs, ...tree.devices]);
  return async (signal) => {
    const link = tree.linkOf(child);
    using held = link && tree.hold(link);
    if (link === undefined || held === undefined) return false;
    await work(link, signal);
    return true;
  };
}
