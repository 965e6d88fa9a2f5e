import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { countAttempt, countFailure, noDays, tallyOf, totalBefore } from "#shared/statistics/day-buckets.ts";

test("[U6] a failure that nobody attempted is not counted", () => {
  expect(countFailure(noDays, 5)).toEqual(noDays);
  const once = countFailure(countAttempt(noDays, 5), 5);
  expect(countFailure(once, 5)).toEqual(once);
  expect(tallyOf(countFailure(once, 6), 6)).toEqual({ attempts: 0, failures: 0 });
});

test("[U-T14] one day under a clock that ran ahead costs the others nothing", () => {
  let buckets = countAttempt(noDays, 1_000_000);
  for (let day = 0; day < 300; day++) buckets = countAttempt(buckets, day);
  expect(tallyOf(buckets, 299)).toEqual({ attempts: 1, failures: 0 });
  expect(totalBefore(buckets, 299).attempts).toBe(299);
});

test("[U-T14] the number of buckets is bounded, and nothing is lost from the total", () => {
  let buckets = noDays;
  const days = limits.statisticsDays * 2;
  for (let day = 0; day < days; day++) buckets = countFailure(countAttempt(buckets, day * 3), day * 3);
  expect(buckets.days.length).toBe(limits.statisticsDays);
  expect(totalBefore(buckets, days * 3)).toEqual({ attempts: days, failures: days });
});
