import { expect, test } from "vitest";
import { type ClockFacts, judgeClock, judgeDifference } from "#agent/doctor/clock.ts";
import { keepsLocalTime, readSynchronisation } from "#agent/doctor/clock-facts.ts";

const good: ClockFacts = {
  nowMs: Date.UTC(2026, 6, 10, 12),
  isRoot: false,
  needsTls: false,
  synchronisation: "told",
  keepsLocalTime: false,
};

const levels = (facts: Partial<ClockFacts>) => judgeClock({ ...good, ...facts }).map(({ level }) => level);

test("a synchronised clock is fine", () => {
  expect(judgeClock(good)).toEqual([{ check: "clock", level: "ok", what: "it is 2026-07-10 12:00:00Z, synchronised" }]);
  expect(levels({ synchronisation: "daemon", isRoot: true })).toEqual(["ok"]);
});

test("a clock of another age is a problem for a root and for certificates, else a warning", () => {
  expect(levels({ nowMs: 0 })).toEqual(["warning"]);
  expect(levels({ nowMs: 0, isRoot: true })).toEqual(["problem"]);
  expect(levels({ nowMs: 0, needsTls: true })).toEqual(["problem"]);
  expect(levels({ nowMs: Date.UTC(2150, 0), isRoot: true })).toEqual(["problem"]);
});

test("what is not known of a clock matters at the root", () => {
  expect(levels({ synchronisation: "awaited", isRoot: true })).toEqual(["warning"]);
  expect(levels({ synchronisation: "awaited" })).toEqual(["advice"]);
  expect(levels({ synchronisation: "unknown", isRoot: true })).toEqual(["advice"]);
  expect(levels({ synchronisation: "unknown" })).toEqual(["ok"]);
  expect(levels({ keepsLocalTime: true })).toEqual(["advice"]);
});

test("a difference within the way there and back is none", () => {
  const judge = (aheadMs: number, uncertainMs = 10) => judgeDifference({ node: "cloud-1", aheadMs, uncertainMs });
  expect(judge(-40)).toEqual({
    check: "clock",
    level: "ok",
    what: "the clock of cloud-1 is 40 ms behind (to within 10 ms)",
  });
  expect(judge(4_000, 2_500).level).toBe("ok");
  expect(judge(4_000).level).toBe("advice");
  expect(judge(-7_200_000)).toMatchObject({ level: "warning", what: expect.stringContaining("2 h behind") as string });
});

test("files tell who keeps the time", () => {
  const having = (...paths: readonly string[]) => readSynchronisation((path) => paths.includes(path));
  expect(having("/run/systemd/timesync", "/run/systemd/timesync/synchronized")).toBe("told");
  expect(having("/run/systemd/timesync")).toBe("awaited");
  expect(having("/run/chrony")).toBe("daemon");
  expect(having()).toBe("unknown");
  expect(keepsLocalTime("0.0 0 0.0\n0\nLOCAL\n")).toBe(true);
  expect(keepsLocalTime("0.0 0 0.0\n0\nUTC\n")).toBe(false);
  expect(keepsLocalTime(undefined)).toBe(false);
});
