// Days, weeks, months and years as numbers that count on without a gap, so that "how many of them have passed" is a subtraction. All are of
// UTC and of the Gregorian calendar; weeks begin on Monday (ISO 8601). No time zones: the servers of a cluster may stand in several.

/** Days since 1970-01-01, an integer. */
export type Day = number;

export type Period = "daily" | "weekly" | "monthly" | "yearly";

const dayMs = 86_400_000;

/** `timeMs`: milliseconds since 1970. */
export function dayOf(timeMs: number): Day {
  return Math.floor(timeMs / dayMs);
}

/** The number of the period that has `day` in it: one more for each next period. */
export function periodOf(period: Period, day: Day): number {
  switch (period) {
    case "daily":
      return day;
    case "weekly":
      return Math.floor((day + 3) / 7); // 1970-01-01 was a Thursday
    case "monthly":
      return monthOf(day);
    case "yearly":
      return Math.floor(monthOf(day) / 12);
  }
}

/** The first day of the period that has `day` in it. */
export function startOf(period: Period, day: Day): Day {
  switch (period) {
    case "daily":
      return day;
    case "weekly":
      return periodOf("weekly", day) * 7 - 3;
    case "monthly":
      return firstDayOf(monthOf(day));
    case "yearly":
      return firstDayOf(periodOf("yearly", day) * 12);
  }
}

/** Days from 1 March of year 0 to 1970-01-01. */
const marchEra = 719_468;
const daysOf400Years = 146_097;

/** Months since January of year 0. A year that begins in March has its leap day at its end, which makes both directions plain arithmetic. */
function monthOf(day: Day): number {
  const era = Math.floor((day + marchEra) / daysOf400Years);
  const dayOfEra = day + marchEra - era * daysOf400Years;
  const leapDays = Math.floor(dayOfEra / 1_460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear = dayOfEra - daysBeforeYear(yearOfEra);
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  return (era * 400 + yearOfEra) * 12 + monthFromMarch + 2;
}

/** `month`: months since January of year 0. */
function firstDayOf(month: number): Day {
  const fromMarch = month - 2;
  const year = Math.floor(fromMarch / 12);
  const era = Math.floor(year / 400);
  const dayOfYear = Math.floor((153 * (fromMarch - year * 12) + 2) / 5);
  return era * daysOf400Years + daysBeforeYear(year - era * 400) + dayOfYear - marchEra;
}

function daysBeforeYear(yearOfEra: number): number {
  return yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
}
