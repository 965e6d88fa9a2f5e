// What has been attempted and what has failed, a bucket for each day with something in it [U5] [U-T14]. Beyond the last
// `limits.statisticsDays` of them days are summed up into one: every counter needs only their total.
import { limits } from "../limits.ts";
import type { Day } from "./calendar.ts";

export interface Tally {
  readonly attempts: number;
  /** Never more than the attempts [U6]. */
  readonly failures: number;
}

export interface DayBucket extends Tally {
  readonly day: Day;
}

export interface DayBuckets {
  /** The day of the first attempt; undefined before it. */
  readonly firstDay: Day | undefined;
  /** Everything before the day `from`, summed up. */
  readonly older: Tally & { readonly from: Day };
  /** From `older.from` on, in order of days; at most `limits.statisticsDays`. */
  readonly days: readonly DayBucket[];
}

export const noDays: DayBuckets = {
  firstDay: undefined,
  older: { attempts: 0, failures: 0, from: Number.MIN_SAFE_INTEGER },
  days: [],
};

/** An attempt is counted on the day on which it is made. */
export function countAttempt(buckets: DayBuckets, day: Day): DayBuckets {
  const firstDay = Math.min(buckets.firstDay ?? day, day);
  return fold(change({ ...buckets, firstDay }, day, (tally) => ({ ...tally, attempts: tally.attempts + 1 })));
}

/**
 * A failure is counted on the day of its attempt, not on the day on which it is known. Where every attempt of that day has failed already
 * nothing changes: the same failure is told again, or its attempt was never counted [U6].
 */
export function countFailure(buckets: DayBuckets, dayOfAttempt: Day): DayBuckets {
  return change(buckets, dayOfAttempt, (tally) =>
    tally.failures < tally.attempts ? { ...tally, failures: tally.failures + 1 } : tally,
  );
}

/** The sum of all days before `day`. What is summed up already counts as before it. */
export function totalBefore({ older, days }: DayBuckets, day: Day): Tally {
  let { attempts, failures } = older;
  for (const bucket of days) {
    if (bucket.day >= day) break;
    attempts += bucket.attempts;
    failures += bucket.failures;
  }
  return { attempts, failures };
}

export function tallyOf({ days }: DayBuckets, day: Day): Tally {
  const { attempts, failures } = days.find((bucket) => bucket.day === day) ?? nothing;
  return { attempts, failures };
}

const nothing: Tally = { attempts: 0, failures: 0 };

function change(buckets: DayBuckets, day: Day, counted: (tally: Tally) => Tally): DayBuckets {
  const { older, days } = buckets;
  if (day < older.from) return { ...buckets, older: { from: older.from, ...counted(older) } };
  const at = days.findIndex((bucket) => bucket.day >= day);
  const place = at === -1 ? days.length : at;
  const isThere = days[place]?.day === day;
  const before = isThere ? days[place] : nothing;
  const { attempts, failures } = counted(before ?? nothing);
  if (attempts === 0) return buckets;
  return { ...buckets, days: days.toSpliced(place, isThere ? 1 : 0, { day, attempts, failures }) };
}

/** The oldest day goes into the sum. By number, not by the calendar: one day counted under a clock that ran ahead pushes out no other. */
function fold(buckets: DayBuckets): DayBuckets {
  const { days, older } = buckets;
  const [oldest, ...kept] = days;
  if (oldest === undefined || days.length <= limits.statisticsDays) return buckets;
  const attempts = older.attempts + oldest.attempts;
  const failures = older.failures + oldest.failures;
  return { ...buckets, older: { attempts, failures, from: oldest.day + 1 }, days: kept };
}
