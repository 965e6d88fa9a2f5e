// The simulation finds what it is there to find.
import { expect, test } from "vitest";
import { faultsByDefault } from "./faults.ts";
import { runHistory } from "./history.ts";
import * as sabotage from "./sabotage.ts";
import { shrinkHistory } from "./shrink.ts";

const steps = 120;
const seedsMax = 5;

/** What is said of the first history that fails. */
async function complaintOf(wrap: sabotage.Sabotage): Promise<string> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { failure } = await runHistory({ seed, steps, faults: faultsByDefault, wrap });
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
  ["[O5] messages that are deleted without an acknowledgement", sabotage.deletesTooMuch, /\[O5\]|\[O1\]/],
  ["[O2] payloads that are not what was published", sabotage.changesPayloads, /\[O[24]\]/],
  ["[O3] a ledger that does not sum up", sabotage.countsWrong, /\[O3\]/],
])("%s are found", { timeout: 120_000 }, async (_, wrap, complaint) => {
  expect(await complaintOf(wrap)).toMatch(complaint);
});

test("a history that fails is made smaller, and still fails for the same reason", { timeout: 240_000 }, async () => {
  const setting = { seed: 1, steps, faults: faultsByDefault, wrap: sabotage.countsWrong };
  const { setting: small, report } = await shrinkHistory(setting, await runHistory(setting));
  expect(small.steps).toBeLessThan(steps);
  expect(small.faults.length).toBeLessThan(faultsByDefault.length);
  expect(report.failure?.faults.join("\n")).toMatch(/\[O3\]/);
});
