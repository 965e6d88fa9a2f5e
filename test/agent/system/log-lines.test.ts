import fs from "node:fs";
import { expect, onTestFinished, test, vi } from "vitest";
import { logLines } from "#agent/system/log-lines.ts";

/** A file that takes as much as it is told at each write, or fails with a code. */
function file() {
  const state: { taken: string; answers: (number | "ENOSPC" | "EAGAIN")[]; rest: number | "ENOSPC" } = {
    taken: "",
    answers: [],
    rest: Infinity,
  };
  const write = vi.spyOn(fs, "writeSync").mockImplementation(((_: number, bytes: Buffer) => {
    const answer = state.answers.shift() ?? state.rest;
    if (typeof answer === "string") throw Object.assign(new Error(answer), { code: answer });
    const part = bytes.subarray(0, answer);
    state.taken += part.toString();
    return part.length;
  }) as typeof fs.writeSync);
  onTestFinished(() => write.mockRestore());
  return state;
}

test("a line that is taken in parts, or not at the first try, is whole before the call returns", () => {
  const state = file();
  const log = logLines(3);
  state.answers = [2, "EAGAIN", 1];
  log("überall\n");
  expect(state.taken).toBe("überall\n");
});

test("lines that cannot be written throw nothing, and come in their order when there is room again", () => {
  const state = file();
  const log = logLines(3);
  state.answers = [3, "ENOSPC", "ENOSPC"];
  log("first\n");
  log("second\n");
  expect(state.taken).toBe("fir");
  log("third\n");
  expect(state.taken).toBe("first\nsecond\nthird\n");
});

test("while nothing can be written a bounded number of lines waits, and the first line after that finds a way", () => {
  const state = file();
  const log = logLines(3);
  state.rest = "ENOSPC";
  for (let number = 0; number < 5000; number += 1) log(`${String(number).padStart(99)}\n`);
  state.rest = Infinity;
  log(`${"not logged".padStart(99)}\n`);
  const numbers = state.taken.trimEnd().split("\n").map(Number);
  expect(numbers).toEqual(Array.from({ length: Math.floor((64 * 1024) / 100) }, (_, number) => number));
  log("after it\n");
  expect(state.taken.endsWith("after it\n")).toBe(true);
  log(`${"x".repeat(100_000)}\n`);
  expect(state.taken.endsWith("xx\n")).toBe(true);
});
