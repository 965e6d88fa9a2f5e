// The cloud goes away until the fog with the small journal has no room any more and both kinds of publishers there have been told;
// then it comes back, and the fog has to make room again.
import type { PatientPublisher } from "../patient-publisher.ts";
import { passed, type Fault } from "./fault.ts";

const phaseMsMax = 20_000;
const lookMs = 100;

export interface FullJournalFault extends Fault {
  /** Strikes that ended because every publisher had been refused. */
  filled(): number;
}

/** `publishers` publish to the fog. */
export function fullJournalFault(publishers: readonly PatientPublisher[]): FullJournalFault {
  let filled = 0;
  return {
    name: "full journal",
    everyMs: [8_000, 20_000],
    filled: () => filled,
    draw: (tree) => async (signal) => {
      const { cloud } = tree;
      const [fog] = tree.fogs;
      using held = fog && tree.hold(fog, cloud);
      if (held === undefined) return false;
      await tree.end(cloud);
      const before = publishers.map((publisher) => publisher.refusals());
      const isRefused = (): boolean => publishers.every((publisher, at) => publisher.refusals() > (before[at] ?? 0));
      for (const publisher of publishers) publisher.hurries = true;
      const endMs = performance.now() + phaseMsMax;
      while (!isRefused() && performance.now() < endMs && !signal.aborted) await passed(lookMs, signal);
      if (isRefused()) filled++;
      for (const publisher of publishers) publisher.hurries = false;
      await tree.restart(cloud, undefined);
      return true;
    },
  };
}
