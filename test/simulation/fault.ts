// What can go wrong in a history, by kind. A kind draws whom it hits, how hard and for how long; what it breaks is mended later, at
// the latest when the history ends.
import type { Seeded } from "../../scripts/torture/seeded.ts";
import type { SimulatedTree } from "./simulated-tree.ts";

export interface Fault {
  /** How often it is drawn, beside the others. */
  readonly weight: number;
  /** Answers what it did, or undefined when there was nothing to break. */
  inflict(tree: SimulatedTree, random: Seeded): string | undefined | Promise<string | undefined>;
}

/** A duration in milliseconds, short ones more often than long ones. */
export function drawMs(random: Seeded, min: number, max: number): number {
  return Math.round(min * (max / min) ** random.unit());
}
