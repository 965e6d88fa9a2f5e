// Half-open connections: nothing arrives any more, in one direction or both, and nobody is told. New connections go nowhere either.
import type { Fault } from "./fault.ts";
import { brokenLink } from "./link-strike.ts";

const lastsMsMin = 500;
/** Longer than either end takes to notice. */
const lastsMsMax = 12_000;

const silences = [
  { type: "silent" },
  { type: "silent", direction: "up" },
  { type: "silent", direction: "down" },
] as const;

export const silenceFault: Fault = {
  name: "half-open",
  everyMs: [2_000, 8_000],
  draw(tree, random) {
    const lastsMs = random.between(lastsMsMin, lastsMsMax);
    return brokenLink(tree, random, lastsMs, random.pick(silences));
  },
};
