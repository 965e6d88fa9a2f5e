import { expect, test } from "vitest";
import { isWellFormed } from "#shared/machine/well-formed.ts";

test("half of a surrogate pair is found in texts and names, however deep; whole ones are right", () => {
  expect([null, 1, "😀", { "😀": ["a", new Uint8Array([0xd8])] }].map(isWellFormed)).toEqual([true, true, true, true]);
  expect(["\ud83d", ["\ude00"], { a: { "\ud83d": 1 } }].map(isWellFormed)).toEqual([false, false, false]);
});
