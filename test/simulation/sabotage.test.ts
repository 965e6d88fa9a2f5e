// The simulation finds what it is there to find.
import { expect, test } from "vitest";
import { faultsByDefault, type FaultName } from "./faults.ts";
import { runHistory, type HistorySetting } from "./history.ts";
import * as sabotage from "./sabotage.ts";
import { shrinkHistory } from "./shrink.ts";

const steps = 120;
const seedsMax = 5;
/** Of histories with few kinds of faults, each of them rare. They begin shortly before the first that shows the fault today. */
const rareSeedsMax = 40;

/** What is said of the first history that fails. */
async function complaintOf(
  broken: Pick<HistorySetting, "wrap" | "hidesSessions" | "isQuiet">,
  faults: readonly FaultName[] = faultsByDefault,
  from = 1,
): Promise<string> {
  const most = faults === faultsByDefault ? seedsMax : rareSeedsMax;
  for (let seed = from; seed < from + most; seed++) {
    const { failure } = await runHistory({ seed, steps, faults, isQuiet: true, ...broken });
    if (failure !== undefined) return failure.faults.join("\n");
  }
  return "";
}

test.each([
  [
    "[O1] a batch that is acknowledged and not committed",
    sabotage.acknowledgesUncommitted,
    /\[O5\]|\[O1\]|not drained/,
  ],
  ["[O1] a publish that is acknowledged and not stored", sabotage.answersUnstored, /\[O1\]/],
  ["[O5] messages that are deleted without an acknowledgement", sabotage.deletesTooMuch, /\[O5\]|\[O1\]|not drained/],
  ["[O2] payloads that are not what was published", sabotage.changesPayloads, /\[O(2|4|10)\]/],
  ["[O3] a ledger that does not sum up", sabotage.countsWrong, /\[O3\]/],
  ["[O6] ranges that are not merged", sabotage.splitsRanges, /\[O6\]/],
  ["[O1] losses with a reason that is not theirs", sabotage.namesOneReason, /\[O1\] .* is named as rejected/],
])("%s are found", { timeout: 120_000 }, async (_, wrap, complaint) => {
  expect(await complaintOf({ wrap })).toMatch(complaint);
});

test.each([
  ["[O9] segments that cannot be stored and are never given up", sabotage.neverGivesUp, ["refuse"], /\[O9\]/, 1],
  [
    "[O10] a file of which nobody sees that it is a copy",
    sabotage.ignoresFingerprint,
    ["clone", "restore", "move"],
    /\[O4\]|\[O10\]/,
    45,
  ],
  [
    "[O1] messages of class final that are not sent again to another parent",
    sabotage.ignoresParents,
    ["restore", "cut", "silence", "documents", "swap"],
    /\[O1\]|not drained/,
    55,
  ],
] as const)("%s are found", { timeout: 120_000 }, async (_, wrap, faults, complaint, from) => {
  expect(await complaintOf({ wrap }, faults, from)).toMatch(complaint);
});

test.each([
  ["[T3] calls that begin before their ids are on disk", sabotage.remembersNoCalls, /\[T3\]/],
  ["[J15] durable events that are not on disk", sabotage.keepsNoEvents, /\[J15\]/],
] as const)("%s are found", { timeout: 120_000 }, async (_, wrap, complaint) => {
  expect(await complaintOf({ wrap, isQuiet: false }, ["crash", "cut", "silence"])).toMatch(complaint);
});

test("[O11] frames of older sessions that are taken for present ones are found", { timeout: 120_000 }, async () => {
  expect(await complaintOf({ hidesSessions: true }, ["reset", "cut", "echo"])).toMatch(/\[O(11|5|1)\]/);
});

test("a history that fails is made smaller, and still fails for the same reason", { timeout: 240_000 }, async () => {
  const setting = { seed: 1, steps, faults: faultsByDefault, wrap: sabotage.countsWrong, isQuiet: true };
  const { setting: small, report } = await shrinkHistory(setting, await runHistory(setting));
  expect(small.steps).toBeLessThan(steps);
  expect(small.faults.length).toBeLessThan(faultsByDefault.length);
  expect(report.failure?.faults.join("\n")).toMatch(/\[O3\]/);
});
