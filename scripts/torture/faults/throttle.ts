// A thin link: it carries heartbeats and a little more.
import type { Fault } from "./fault.ts";
import { brokenLink } from "./link-strike.ts";

export const throttleFault: Fault = {
  name: "throttle",
  everyMs: [2_000, 8_000],
  draw(tree, random) {
    const lastsMs = random.between(1_000, 8_000);
    return brokenLink(tree, random, lastsMs, { type: "throttle", bytesPerSecond: random.between(5_000, 100_000) });
  },
};
