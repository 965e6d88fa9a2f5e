import { expect, test } from "vitest";
import {
  formatAgo,
  formatBytes,
  formatChange,
  formatDuration,
  formatSince,
  formatTime,
} from "#agent/cli/quantities.ts";

const minute = 60_000;

test("durations have their two largest units", () => {
  const durations = [-5, 999, 59_999, minute, 90_000, 125 * minute, 26 * 60 * minute, 48 * 60 * minute];
  expect(durations.map(formatDuration)).toEqual([
    "0 s",
    "0 s",
    "59 s",
    "1 min",
    "1 min 30 s",
    "2 h 5 min",
    "1 d 2 h",
    "2 d",
  ]);
});

test("times are UTC, with how long ago they were", () => {
  const now = "2026-07-10T12:00:00.000Z";
  expect(formatTime("2026-07-09T11:00:00.123Z")).toBe("2026-07-09 11:00:00Z");
  expect(formatSince("2026-07-10T11:58:00Z", now)).toBe("2026-07-10 11:58:00Z (2 min ago)");
  expect(formatChange("2026-07-10T11:58:00Z", now)).toBe("2 min ago (11:58:00Z)");
  expect(formatChange("2026-07-08T12:00:00Z", now)).toBe("2 d ago (2026-07-08 12:00:00Z)");
  expect(formatAgo("soon", now)).toBe("at an unknown time");
  expect(formatTime("soon")).toBe("unknown time");
});

test("sizes have the unit that fits", () => {
  expect([0, 1023, 1024, 1_610_612_736, 2 ** 52].map(formatBytes)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.5 GiB",
    "4096.0 TiB",
  ]);
});
