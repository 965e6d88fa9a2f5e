import { expect, test } from "vitest";
import { newStatisticsRow, statisticsAt, statisticsKey, stepStatistics } from "#shared/statistics/statistics-row.ts";

const noon = Date.UTC(2026, 0, 5, 12);
const hourMs = 3_600_000;

test("[U5] a row reads as the document names it", () => {
  let row = newStatisticsRow(7, "device");
  row = stepStatistics(row, { type: "attempt", command: "on", atMs: noon });
  row = stepStatistics(row, { type: "attempt", command: "off", atMs: noon + 24 * hourMs });
  row = stepStatistics(row, { type: "failure", attemptedAtMs: noon });
  expect(statisticsAt(row, noon + 24 * hourMs)).toEqual({
    id: 7,
    type: "device",
    used: [
      { timestamp: noon / 1_000, command: "on" },
      { timestamp: noon / 1_000 + 86_400, command: "off" },
    ],
    todayAttempts: 1,
    dailyAttempts: 1,
    weeklyAttempts: 0,
    monthlyAttempts: 0,
    yearlyAttempts: 0,
    todayFailures: 0,
    dailyFailures: 1,
    weeklyFailures: 0,
    monthlyFailures: 0,
    yearlyFailures: 0,
  });
});

test("[U6] a failure known after midnight belongs to the day of its attempt", () => {
  const late = noon + 11 * hourMs;
  let row = stepStatistics(newStatisticsRow("d", "device"), { type: "attempt", command: "on", atMs: late });
  row = stepStatistics(row, { type: "failure", attemptedAtMs: late });
  expect(statisticsAt(row, late)).toMatchObject({ todayAttempts: 1, todayFailures: 1 });
  expect(statisticsAt(row, late + 2 * hourMs)).toMatchObject({ todayFailures: 0, dailyFailures: 1 });
});

test("[U5] [U-T15] id and type make the key, and ids are compared with their type", () => {
  const keys = [
    statisticsKey({ id: 1, type: "device" }),
    statisticsKey({ id: "1", type: "device" }),
    statisticsKey({ id: 1, type: "fellow" }),
  ];
  expect(new Set(keys).size).toBe(3);
});
