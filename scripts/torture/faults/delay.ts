// A link that is slow to answer, and not evenly.
import type { Fault } from "./fault.ts";
import { brokenLink } from "./link-strike.ts";

export const delayFault: Fault = {
  name: "delay",
  everyMs: [2_000, 8_000],
  draw(tree, random) {
    const lastsMs = random.between(1_000, 8_000);
    const fault = { type: "delay", ms: random.between(10, 800), jitterMs: random.between(0, 400) } as const;
    return brokenLink(tree, random, lastsMs, fault);
  },
};
