// Makes a history that fails smaller: fewer steps, then fewer kinds of faults, for as long as the same still does not hold.
import type { FaultName } from "./faults.ts";
import { runHistory, type HistoryReport, type HistorySetting } from "./history.ts";

export interface Shrunk {
  readonly setting: HistorySetting;
  readonly report: HistoryReport;
}

/** `setting` fails with `report`. Answers the smallest that was found; it is tried a few dozen times. */
export async function shrinkHistory(setting: HistorySetting, report: HistoryReport): Promise<Shrunk> {
  let smallest = await withFewerSteps({ setting, report });
  for (const fault of setting.faults) smallest = await without(smallest, fault);
  return withFewerSteps(smallest);
}

/** By bisection, as if all longer ones failed too; that need not be so, and any that fails will do. */
async function withFewerSteps(failing: Shrunk): Promise<Shrunk> {
  let smallest = failing;
  let passing = 0;
  let steps = Math.min(failing.setting.steps, failing.report.failure?.step ?? failing.setting.steps);
  for (; steps - passing > 0; steps = passing + Math.floor((smallest.setting.steps - passing) / 2)) {
    if (steps === smallest.setting.steps) break;
    const setting = { ...smallest.setting, steps };
    const report = await runHistory(setting);
    if (kindOf(report) !== kindOf(failing.report)) passing = steps;
    else smallest = { setting, report };
  }
  return smallest;
}

async function without(failing: Shrunk, fault: FaultName): Promise<Shrunk> {
  const setting = { ...failing.setting, faults: failing.setting.faults.filter((name) => name !== fault) };
  const report = await runHistory(setting);
  return kindOf(report) === kindOf(failing.report) ? { setting, report } : failing;
}

/** What does not hold: the sign of an invariant, or how the sentence begins. */
function kindOf({ failure }: HistoryReport): string | undefined {
  return failure?.faults[0]?.split(" ", 2)[0];
}
