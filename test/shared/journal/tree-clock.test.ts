import fc from "fast-check";
import { expect, test } from "vitest";
import { clockAfter, clockAtStart, repairOf, type TreeClock } from "#shared/journal/tree-clock.ts";

const ms = fc.integer({ min: 0, max: 4_000_000_000_000 });

/** What happens to a clock: the parent tells its time, at a moment of the monotonic one. */
const words = fc.array(fc.record({ parentMs: ms, synced: fc.boolean(), atMs: fc.nat(1_000_000) }), { maxLength: 20 });

function after(start: TreeClock, heard: readonly { parentMs: number; synced: boolean; atMs: number }[]): TreeClock {
  return heard.reduce((clock, { parentMs, synced, atMs }) => clockAfter(clock, parentMs, synced, atMs), start);
}

test("before the first word of a parent the wall clock of the start counts", () => {
  const clock = clockAtStart(5_000_000, 400);
  expect(clock).toEqual({
    common: { offsetMs: 4_999_600, synced: false },
    stamps: { offsetMs: 4_999_600, synced: false },
  });
});

test("messages are stamped by the last time that stemmed from a root, whatever a parent without one says later", () => {
  fc.assert(
    fc.property(ms, words, (wallMs, heard) => {
      const clock = after(clockAtStart(wallMs, 0), heard);
      const last = heard.findLast(({ synced }) => synced);
      if (last !== undefined) expect(clock.stamps).toEqual({ offsetMs: last.parentMs - last.atMs, synced: true });
      else expect(clock.stamps).toEqual(clock.common);
      expect(clock.common.synced).toBe(heard.at(-1)?.synced ?? false);
    }),
  );
});

test("the common time is the parent's to within a quarter of a second, and exact when it stems from a root", () => {
  fc.assert(
    fc.property(ms, words, (wallMs, heard) => {
      const clock = after(clockAtStart(wallMs, 0), heard);
      const last = heard.at(-1);
      if (last === undefined) return;
      const errorMs = Math.abs(clock.common.offsetMs - (last.parentMs - last.atMs));
      expect(errorMs).toBeLessThanOrEqual(last.synced ? 0 : 249);
    }),
  );
});

test("a repaired stamp is what it would have been, had the time been known", () => {
  fc.assert(
    fc.property(ms, ms, fc.nat(1_000_000), (wallMs, trueMs, atMs) => {
      const row = { bootId: "boot-1", ...clockAtStart(wallMs, 0).stamps };
      const stamps = { offsetMs: trueMs, synced: true };
      const { shiftMs, synced, isAdrift } = repairOf(row, "boot-1", stamps);
      expect([row.offsetMs + atMs + shiftMs, synced, isAdrift]).toEqual([trueMs + atMs, true, false]);
    }),
  );
});

test("stamps of another boot stay as they are, and marked", () => {
  const stamps = { offsetMs: 77, synced: true };
  expect(repairOf({ bootId: "boot-1", offsetMs: 5 }, "boot-2", stamps)).toEqual({
    shiftMs: 0,
    synced: false,
    isAdrift: true,
  });
});
