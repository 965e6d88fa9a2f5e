// Histories of a simulated cluster: servers that die, a coordinator and connections that fail.
import { expect, test } from "vitest";
import { runFellows, type FellowReport } from "./fellow-world.ts";

const seeds = 60;

test(`[U-S3] [U-S5] [U29] [U30] [U31] [U33] [U10] [U-T10] [U-T13] ${seeds} histories of three servers: handled once, answered once, followed at once`, () => {
  const reports: FellowReport[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const report = runFellows(seed);
    expect({ seed, violations: report.violations }).toEqual({ seed, violations: [] });
    reports.push(report);
  }
  const sum = (what: keyof FellowReport["counts"]): number =>
    reports.reduce((total, { counts }) => total + counts[what], 0);
  // Otherwise it was not tried.
  expect(sum("handled")).toBeGreaterThan(sum("asked") / 2);
  const tried = ["failed", "lost", "repeated", "deaths", "elections", "answeredTwice"] as const;
  expect(tried.filter((what) => sum(what) === 0)).toEqual([]);
});

test("a history repeats from its seed", () => {
  expect(runFellows(3)).toEqual(runFellows(3));
});
