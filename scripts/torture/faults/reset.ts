// Every connection of a link is reset, at both ends.
import type { Fault } from "./fault.ts";
import { onLink } from "./link-strike.ts";

export const resetFault: Fault = {
  name: "reset",
  everyMs: [1_000, 4_000],
  draw: (tree, random) => onLink(tree, random, async ({ proxy }) => proxy.reset()),
};
