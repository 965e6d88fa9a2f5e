// The counters against an oracle that knows no buckets: it keeps every attempt with its date, and walks the calendar day by day.
import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { countersOf, type Counters } from "#shared/statistics/counters.ts";
import { countAttempt, countFailure, noDays, type DayBuckets } from "#shared/statistics/day-buckets.ts";
import { seeded } from "../../../scripts/torture/seeded.ts";

const dayMs = 86_400_000;
const firstDay = Date.UTC(2023, 10, 16) / dayMs; // a Thursday

interface Attempt {
  readonly day: number;
  failed: boolean;
}

const labels = {
  daily: (date: Date): string => date.toISOString().slice(0, 10),
  // The Monday of its week.
  weekly: (date: Date): string =>
    new Date(date.getTime() - ((date.getUTCDay() + 6) % 7) * dayMs).toISOString().slice(0, 10),
  monthly: (date: Date): string => date.toISOString().slice(0, 7),
  yearly: (date: Date): string => date.toISOString().slice(0, 4),
} as const;

const known = new Map<string, string>();

function labelOf(period: keyof typeof labels, day: number): string {
  const key = `${period} ${day}`;
  const label = known.get(key) ?? labels[period](new Date(day * dayMs));
  known.set(key, label);
  return label;
}

function expectedAt(attempts: readonly Attempt[], today: number): Counters {
  const of = (some: readonly Attempt[], failuresToo: boolean): Record<keyof typeof labels | "today", number> => {
    const first = Math.min(today, ...attempts.map(({ day }) => day));
    const average = (period: keyof typeof labels): number => {
      const now = labelOf(period, today);
      const completed = new Set<string>();
      for (let day = first; day < today; day++) completed.add(labelOf(period, day));
      completed.delete(now);
      const isCompleted = ({ day }: Attempt): boolean => completed.has(labelOf(period, day));
      const total = some.filter((attempt) => isCompleted(attempt) && (!failuresToo || attempt.failed)).length;
      return completed.size === 0 ? 0 : total / completed.size;
    };
    const ofToday = some.filter(({ day, failed }) => day === today && (!failuresToo || failed)).length;
    return {
      today: ofToday,
      daily: average("daily"),
      weekly: average("weekly"),
      monthly: average("monthly"),
      yearly: average("yearly"),
    };
  };
  const made = of(attempts, false);
  const failed = of(attempts, true);
  return {
    todayAttempts: made.today,
    dailyAttempts: made.daily,
    weeklyAttempts: made.weekly,
    monthlyAttempts: made.monthly,
    yearlyAttempts: made.yearly,
    todayFailures: failed.today,
    dailyFailures: failed.daily,
    weeklyFailures: failed.weekly,
    monthlyFailures: failed.monthly,
    yearlyFailures: failed.yearly,
  };
}

test("[U-S9] [U6] eight hundred days with stretches of silence: every counter is as computed by hand", () => {
  const random = seeded(9);
  const attempts: Attempt[] = [];
  let buckets: DayBuckets = noDays;
  let silentUntil = 0;
  let daysOfSilence = 0;
  for (let at = 0; at < 800; at++) {
    const today = firstDay + at;
    if (at > silentUntil && random.unit() < 0.02) silentUntil = at + random.between(1, 60);
    if (at < silentUntil) daysOfSilence++;
    else {
      for (let count = random.between(0, 4); count > 0; count--) {
        const attempt: Attempt = { day: today, failed: random.unit() < 0.3 };
        attempts.push(attempt);
        buckets = countAttempt(buckets, today);
        if (attempt.failed) buckets = countFailure(buckets, today);
      }
      // A failure that becomes known days after its attempt.
      const earlier = attempts[attempts.length - random.between(1, 20)];
      if (earlier !== undefined && !earlier.failed) {
        earlier.failed = true;
        buckets = countFailure(buckets, earlier.day);
      }
    }
    expect({ today, ...countersOf(buckets, today) }).toEqual({ today, ...expectedAt(attempts, today) });
  }
  expect(daysOfSilence).toBeGreaterThan(50);
  expect(attempts.length).toBeGreaterThan(500);
});

test("[U-S9] [U-T14] the oldest days are summed up, and no counter changes", () => {
  const attempts: Attempt[] = [];
  let buckets: DayBuckets = noDays;
  for (let at = 0; at < 800; at++) {
    const day = firstDay + at;
    attempts.push({ day, failed: at % 3 === 0 });
    buckets = countAttempt(buckets, day);
    if (at % 3 === 0) buckets = countFailure(buckets, day);
    if (at % 20 === 0) expect(countersOf(buckets, day)).toEqual(expectedAt(attempts, day));
  }
  expect(buckets.days.length).toBe(limits.statisticsDays);
  expect(buckets.older.attempts).toBe(800 - limits.statisticsDays);
  // Told when its day has gone into the sum.
  buckets = countAttempt(buckets, firstDay + 1);
  attempts.push({ day: firstDay + 1, failed: false });
  expect(countersOf(buckets, firstDay + 799)).toEqual(expectedAt(attempts, firstDay + 799));
});

test("[U6] attempts told in any order, also for days before the first and after today", () => {
  const told = fc.record({ after: fc.integer({ min: -40, max: 40 }), failed: fc.boolean() });
  fc.assert(
    fc.property(fc.array(told, { maxLength: 60 }), (all) => {
      let buckets = noDays;
      const attempts = all.map(({ after, failed }) => ({ day: firstDay + after, failed }));
      for (const { day } of attempts) buckets = countAttempt(buckets, day);
      for (const { day, failed } of attempts) if (failed) buckets = countFailure(buckets, day);
      expect(countersOf(buckets, firstDay)).toEqual(expectedAt(attempts, firstDay));
    }),
  );
});

test("[U6] failures never exceed attempts, however often they are told", () => {
  const event = fc.record({ failure: fc.boolean(), day: fc.integer({ min: 0, max: 30 }) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      let buckets = noDays;
      for (const { failure, day } of events)
        buckets = failure ? countFailure(buckets, day) : countAttempt(buckets, day);
      expect(buckets.days.filter(({ attempts, failures }) => failures > attempts || attempts === 0)).toEqual([]);
      const read = countersOf(buckets, 31);
      expect(read.dailyFailures).toBeLessThanOrEqual(read.dailyAttempts);
    }),
  );
});

test("[U6] before anything was attempted all counters are 0", () => {
  expect(new Set(Object.values(countersOf(noDays, firstDay)))).toEqual(new Set([0]));
});
