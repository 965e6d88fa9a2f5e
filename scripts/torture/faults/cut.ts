// A link is cut behind a byte that is drawn: in the middle of a packet, between a batch and its acknowledgement, anywhere.
import type { Fault } from "./fault.ts";
import { passed } from "./fault.ts";
import { onLink } from "./link-strike.ts";

/** How long that byte is waited for. */
const waitMs = 5_000;

export const cutFault: Fault = {
  name: "cut",
  everyMs: [1_000, 4_000],
  draw(tree, random) {
    const direction = random.pick(["up", "down"] as const);
    const byte = random.between(1, random.pick([200, 2_000, 50_000]));
    return onLink(tree, random, async ({ proxy }, signal) => {
      proxy.set({ type: "cut-at", direction, byte });
      await Promise.race([proxy.cut(), passed(waitMs, signal)]);
      proxy.set({ type: "pass" });
    });
  },
};
