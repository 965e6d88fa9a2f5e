import * as v from "valibot";
import { expect, test } from "vitest";
import { accountingSchema, dataLineSchema, statusSchema } from "#agent/client/report-schema.ts";
import { madeFogStatus, madeStatus, madeStream } from "./node-server.ts";

test("reports pass as they are", () => {
  for (const report of [madeStatus(), madeFogStatus({ state: "down", reason: "ECONNREFUSED" })]) {
    expect(v.parse(statusSchema, report)).toEqual(report);
  }
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
