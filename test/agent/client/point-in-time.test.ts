import { expect, test } from "vitest";
import { parsePointInTime } from "#agent/client/point-in-time.ts";

const noon = Date.parse("2026-07-10T12:00:00Z");

test.each([
  ["2026-07-10T12:00:00Z", noon],
  ["2026-07-10T12:00:00.250Z", noon + 250],
  ["2026-07-10T14:00+02:00", noon],
  ["2026-07-10 12:00:00Z", noon],
  ["2026-07-10T12:00:00", noon],
  ["2026-07-10 12:00", noon],
  ["2026-07-10", noon - 12 * 3_600_000],
  [String(noon), noon],
])("%s", (text, ms) => {
  expect(parsePointInTime(text)).toBe(ms);
});

test.each([
  "",
  "yesterday",
  "10.7.2026",
  "2026-13-01",
  "2026-02-30",
  "2026-02-30T10:00:00Z",
  "2026-07-10T25:00",
  "12:00",
  "-5",
  "2026",
  "1e12",
  "9999999999999999",
  "1960-01-01",
])("%s is no point in time", (text) => {
  expect(parsePointInTime(text)).toBeUndefined();
});
