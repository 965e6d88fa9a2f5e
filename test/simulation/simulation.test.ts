// Histories of a simulated tree. As many as FOGBANK_SIMULATE_SEEDS says, from FOGBANK_SIMULATE_FROM on; `npm run simulate` runs more.
import { expect, test } from "vitest";
import type { LossReason } from "#shared/journal/segment.ts";
import { faultsByDefault } from "./faults.ts";
import { identityPaths, type IdentityPath } from "./identity-paths.ts";
import { runHistory, type HistoryReport, type HistorySetting } from "./history.ts";
import { shrinkHistory } from "./shrink.ts";
import { failureLines } from "./simulation-report.ts";

const seeds = Number(process.env["FOGBANK_SIMULATE_SEEDS"] ?? 200);
const from = Number(process.env["FOGBANK_SIMULATE_FROM"] ?? 1);
const steps = 200;

test(
  `[O1] [O2] [O3] [O4] [O5] [O6] [O7] [O8] [O9] [O10] [O11] [T3] [T4] [T5] [T6] [J15] [J16.14] ${seeds} histories from seed ${from}: nothing lost, nothing twice, everything accounted for`,
  { timeout: 1_800_000 },
  async () => {
    const reports: HistoryReport[] = [];
    for (let seed = from; seed < from + seeds; seed++) {
      const setting = { seed, steps, faults: faultsByDefault };
      const report = await runHistory(setting);
      const lines = report.failure === undefined ? [] : failureLines(await shrinkHistory(setting, report));
      expect(lines.join("\n")).toBe("");
      reports.push(report);
    }
    const done = (name: (typeof faultsByDefault)[number]): number =>
      reports.reduce((sum, { counts }) => sum + (counts.faults[name] ?? 0), 0);
    // Too few histories may happen to leave a kind out.
    if (seeds >= 20) expect(faultsByDefault.filter((name) => done(name) === 0)).toEqual([]);
    const sent = (what: keyof HistoryReport["counts"]["traffic"]): number =>
      reports.reduce((sum, { counts }) => sum + counts.traffic[what], 0);
    if (seeds >= 20) expect(Math.min(sent("finals"), sent("runs"), sent("raised"), sent("told"))).toBeGreaterThan(100);
    const lost = (reason: LossReason): number =>
      reports.reduce((sum, { counts }) => sum + (counts.losses[reason] ?? 0), 0);
    const reasons = ["evicted", "expired", "corrupt", "rejected", "renumbered"] as const;
    if (seeds >= 20) expect(reasons.filter((reason) => lost(reason) === 0)).toEqual([]);
    const found = (path: IdentityPath): number =>
      reports.reduce((sum, { counts }) => sum + (counts.identity[path] ?? 0), 0);
    if (seeds >= 20) expect(identityPaths.filter((path) => found(path) === 0)).toEqual([]);
    expect(reports.every(({ counts }) => counts.acknowledged > 50 && counts.looks > 10)).toBe(true);
  },
);

test.each<[string, Omit<HistorySetting, "steps">]>([
  [
    "[O9] class final: an older copy of a fog, which nothing shows but what a fog below has handed on for a device",
    { seed: 8064, faults: ["cut", "move", "swap", "flood", "restore", "rollback", "clone", "poison"] },
  ],
])("%s: a history that once failed holds", { timeout: 120_000 }, async (_, setting) => {
  const { failure } = await runHistory({ ...setting, steps });
  expect(failure?.faults ?? []).toEqual([]);
});

test("a seed repeats its history to the last frame", async () => {
  const setting = { seed: 4711, steps: 120, faults: faultsByDefault };
  const [first, second] = [await runHistory(setting), await runHistory(setting)];
  expect(first.counts).toEqual(second.counts);
  expect(first.counts.frames).toBeGreaterThan(100);
});
