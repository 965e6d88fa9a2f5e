import * as v from "valibot";
import { expect, test } from "vitest";
import { accountingSchema, dataLineSchema, rangeSchema, statusSchema } from "#agent/client/report-schema.ts";
import { ago, madeFogStatus, madeRange, madeRangeBelow, madeStatus, madeStream } from "./node-server.ts";

test("reports pass as they are", () => {
  for (const report of [madeStatus(), madeFogStatus({ state: "down", reason: "ECONNREFUSED" })]) {
    expect(v.parse(statusSchema, report)).toEqual(report);
  }
  expect(v.parse(statusSchema, madeStatus({ oldestPendingAt: ago(5) }))).toMatchObject({ oldestPendingAt: ago(5) });
  const ranges = [
    madeRange({ lostRanges: [{ first: 1, last: 2, reason: "evicted" }] }, { missingRanges: [{ first: 3, last: 3 }] }),
    madeRangeBelow({ lostRanges: [{ first: 1, last: 2, reason: "expired", from: ago(9), to: ago(8) }] }),
  ];
  expect(v.parse(rangeSchema, ranges)).toEqual(ranges);
  const lost = [madeStream({ lost: 2, lostRanges: [{ first: 3, last: 4, reason: "evicted" }] })];
  expect(v.parse(accountingSchema, lost)).toEqual(lost);
});

test("what is missing or of another kind does not pass", () => {
  const { store: _, ...storeless } = madeStatus();
  expect(v.is(statusSchema, storeless)).toBe(false);
  expect(v.is(statusSchema, { ...madeStatus(), below: [{}] })).toBe(false);
  expect(v.is(accountingSchema, [{ ...madeStream(), lostRanges: [{ first: 1, last: 2, reason: "toString" }] }])).toBe(
    false,
  );
  expect(v.is(dataLineSchema, { cursor: 1 })).toBe(false);
});
