// The counters of a statistics row as the Utopia document names them [U5] [U6]. Each average is the total over completed periods ÷ the
// periods observed: those that have begun since the one of the first attempt, that one included, and are over. Silence is observed too.
// What is under way, today included, is in no average but that of shorter periods. Before a period is over its average is 0.
import { periodOf, startOf, type Day, type Period } from "./calendar.ts";
import { tallyOf, totalBefore, type DayBuckets, type Tally } from "./day-buckets.ts";

export interface Counters {
  readonly todayAttempts: number;
  /** Attempts per day, week, month, year. */
  readonly dailyAttempts: number;
  readonly weeklyAttempts: number;
  readonly monthlyAttempts: number;
  readonly yearlyAttempts: number;
  readonly todayFailures: number;
  readonly dailyFailures: number;
  readonly weeklyFailures: number;
  readonly monthlyFailures: number;
  readonly yearlyFailures: number;
}

/** As they stand on the day `today`. */
export function countersOf(buckets: DayBuckets, today: Day): Counters {
  const now = tallyOf(buckets, today);
  const daily = averageOf(buckets, "daily", today);
  const weekly = averageOf(buckets, "weekly", today);
  const monthly = averageOf(buckets, "monthly", today);
  const yearly = averageOf(buckets, "yearly", today);
  return {
    todayAttempts: now.attempts,
    dailyAttempts: daily.attempts,
    weeklyAttempts: weekly.attempts,
    monthlyAttempts: monthly.attempts,
    yearlyAttempts: yearly.attempts,
    todayFailures: now.failures,
    dailyFailures: daily.failures,
    weeklyFailures: weekly.failures,
    monthlyFailures: monthly.failures,
    yearlyFailures: yearly.failures,
  };
}

function averageOf(buckets: DayBuckets, period: Period, today: Day): Tally {
  const { firstDay = today } = buckets;
  const observed = periodOf(period, today) - periodOf(period, firstDay);
  if (observed <= 0) return { attempts: 0, failures: 0 };
  const total = totalBefore(buckets, startOf(period, today));
  return { attempts: total.attempts / observed, failures: total.failures / observed };
}
