import { expect, test } from "vitest";
import { describeExit, isEndedByHand } from "../../../scripts/demo/exit-cause.ts";

test.each([
  [{ code: null, signal: "SIGKILL" }, "killed by SIGKILL", true],
  [{ code: 0, signal: null }, "exit code 0", true],
  [{ code: 130, signal: null }, "exit code 130", true],
  [{ code: 1, signal: null }, "exit code 1", false],
  [{ code: null, signal: "SIGSEGV" }, "killed by SIGSEGV", false],
] as const)("%o is %s", (exit, text, byHand) => {
  expect(describeExit(exit)).toBe(text);
  expect(isEndedByHand(exit)).toBe(byHand);
});
