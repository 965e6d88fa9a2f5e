import { expect, test } from "vitest";
import { creditBytes } from "#shared/link/credit.ts";
import { limits } from "#shared/limits.ts";

test("children share what is not waiting for a commit, down to the least that a segment needs", () => {
  expect(creditBytes(4, 0, false)).toBe(limits.ingestBytes / 4);
  expect(creditBytes(1, limits.ingestBytes / 2, false)).toBe(limits.ingestBytes / 2);
  expect(creditBytes(100_000, 0, false)).toBe(limits.creditBytesMin);
  expect(creditBytes(0, 0, false)).toBe(limits.ingestBytes);
});

test("a full store gives no credit at all", () => {
  expect(creditBytes(1, 0, true)).toBe(0);
});
