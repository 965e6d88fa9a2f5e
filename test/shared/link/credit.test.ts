import { expect, test } from "vitest";
import { creditOf } from "#shared/link/credit.ts";
import { limits } from "#shared/limits.ts";

test("children share what is not waiting for a commit, down to the least that a segment needs", () => {
  expect(creditOf(4, 0, "free")).toEqual({ creditBytes: limits.ingestBytes / 4 });
  expect(creditOf(1, limits.ingestBytes / 2, "free")).toEqual({ creditBytes: limits.ingestBytes / 2 });
  expect(creditOf(100_000, 0, "free")).toEqual({ creditBytes: limits.creditBytesMin });
  expect(creditOf(0, 0, "free")).toEqual({ creditBytes: limits.ingestBytes });
});

test("a store with little room left takes only P0", () => {
  expect(creditOf(4, 0, "scarce")).toEqual({ creditBytes: 0, urgentCreditBytes: limits.ingestBytes / 4 });
});

test("a full store gives no credit at all", () => {
  expect(creditOf(1, 0, "full")).toEqual({ creditBytes: 0 });
});
