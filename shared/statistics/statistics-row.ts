// One row of the collection `stats` [U5]: whose it is, what was used when, and the counters of any day.
import { dayOf } from "./calendar.ts";
import { countersOf, type Counters } from "./counters.ts";
import { countAttempt, countFailure, noDays, type DayBuckets } from "./day-buckets.ts";
import { withUse, type Use } from "./uses.ts";

export interface StatisticsRow {
  /** As in `devices` or `fellows`. */
  readonly id: number | string;
  /** Together with `id` it is unique. */
  readonly type: string;
  readonly used: readonly Use[];
  readonly buckets: DayBuckets;
}

export type StatisticsEvent =
  | { readonly type: "attempt"; readonly command: string; readonly atMs: number }
  /** Of an attempt that was told before. `attemptedAtMs`: when that was. */
  | { readonly type: "failure"; readonly attemptedAtMs: number };

export function newStatisticsRow(id: number | string, type: string): StatisticsRow {
  return { id, type, used: [], buckets: noDays };
}

/** Of the unique pair. A number and the text of its digits are two ids [U-T15]. */
export function statisticsKey({ id, type }: Pick<StatisticsRow, "id" | "type">): string {
  return JSON.stringify([type, id]);
}

/** Times are those of the tree, milliseconds since 1970: a clock that has not been set would count decades of silence. */
export function stepStatistics(row: StatisticsRow, event: StatisticsEvent): StatisticsRow {
  switch (event.type) {
    case "attempt": {
      const use = { timestamp: Math.floor(event.atMs / 1_000), command: event.command };
      const buckets = countAttempt(row.buckets, dayOf(event.atMs));
      return { ...row, used: withUse(row.used, use), buckets };
    }
    case "failure":
      return { ...row, buckets: countFailure(row.buckets, dayOf(event.attemptedAtMs)) };
  }
}

/** What readers of the collection see of it. */
export function statisticsAt(
  { id, type, used, buckets }: StatisticsRow,
  nowMs: number,
): Pick<StatisticsRow, "id" | "type" | "used"> & Counters {
  return { id, type, used, ...countersOf(buckets, dayOf(nowMs)) };
}
