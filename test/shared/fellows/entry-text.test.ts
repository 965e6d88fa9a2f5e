import { expect, test } from "vitest";
import { isWeight, parseEntry } from "#shared/fellows/entry-text.ts";
import { limits } from "#shared/limits.ts";

test("[U28] an entry is a short object", () => {
  expect(parseEntry('{"a":1}')).toEqual({ a: 1 });
  for (const text of ["", "{", "1", "null", "[]", '"a"']) expect(parseEntry(text)).toBeUndefined();
  const fill = "x".repeat(limits.entryChars - '{"a":""}'.length);
  expect(parseEntry(JSON.stringify({ a: fill }))).toEqual({ a: fill });
  expect(parseEntry(JSON.stringify({ a: `${fill}x` }))).toBeUndefined();
});

test("a weight is a number from 0 on", () => {
  expect([0, 0.5, 1e9].every(isWeight)).toBe(true);
  expect([-1, Number.NaN, Number.POSITIVE_INFINITY, "1", null, undefined].some(isWeight)).toBe(false);
});
