import fc from "fast-check";
import { expect, test } from "vitest";
import { dayOf, periodOf, startOf, type Period } from "#shared/statistics/calendar.ts";

const dayMs = 86_400_000;
const periods: readonly Period[] = ["daily", "weekly", "monthly", "yearly"];
const days = fc.integer({ min: -1_000_000, max: 1_000_000 });

test("[U6] years and months are those of the Gregorian calendar", () => {
  fc.assert(
    fc.property(days, (day) => {
      const date = new Date(day * dayMs);
      expect(periodOf("yearly", day)).toBe(date.getUTCFullYear());
      expect(periodOf("monthly", day)).toBe(date.getUTCFullYear() * 12 + date.getUTCMonth());
    }),
    { numRuns: 2_000 },
  );
});

test("[U6] a week begins on Monday", () => {
  fc.assert(
    fc.property(days, (day) => {
      expect(new Date(startOf("weekly", day) * dayMs).getUTCDay()).toBe(1);
    }),
  );
});

test("[U6] a period begins with the first of its days", () => {
  fc.assert(
    fc.property(days, fc.constantFrom(...periods), (day, period) => {
      const first = startOf(period, day);
      expect(first).toBeLessThanOrEqual(day);
      expect(periodOf(period, first)).toBe(periodOf(period, day));
      expect(periodOf(period, first - 1)).toBe(periodOf(period, day) - 1);
    }),
    { numRuns: 2_000 },
  );
});

test("a day ends before its midnight", () => {
  expect([dayOf(0), dayOf(dayMs - 1), dayOf(dayMs), dayOf(-1)]).toEqual([0, 0, 1, -1]);
});
