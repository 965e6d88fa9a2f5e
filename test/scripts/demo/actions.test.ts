import { expect, test } from "vitest";
import { actionOfKey, actionOfLine } from "../../../scripts/demo/actions.ts";

test("keys: c, r, q, and Ctrl-C, which a raw terminal sends as a character", () => {
  expect(["c", "R", "q", "\x03", "x"].map(actionOfKey)).toEqual(["cut", "restore", "quit", "quit", undefined]);
});

test("lines: whole words, and the letters of the keys", () => {
  expect(["cut", " Restore ", "quit", "c", "cute", ""].map(actionOfLine)).toEqual([
    "cut",
    "restore",
    "quit",
    "cut",
    undefined,
    undefined,
  ]);
});
