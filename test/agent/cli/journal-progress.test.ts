import { expect, test } from "vitest";
import { showProgress } from "#agent/cli/journal-progress.ts";
import { createBench } from "./command-bench.ts";

test("progress stands on one line with rate and time left, and goes away at the end", async () => {
  const { io, clock, written } = createBench({ isErrorTerminal: true });
  const progress = showProgress(io, "export", 1_000, "messages");
  progress.advance(10);
  expect(written.stderr).toBe("");
  await clock.advance(1_000);
  progress.advance(90);
  expect(written.stderr).toBe("\rexport: 10 %, 100 of 1000 messages, 100/s, 9 s left\u001b[K");
  progress.end();
  expect(written.stderr.endsWith("\r\u001b[K")).toBe(true);
});

test("nothing is shown where nobody looks", async () => {
  const { io, clock, written } = createBench();
  const progress = showProgress(io, "export", 1_000, "messages");
  await clock.advance(1_000);
  progress.advance(90);
  progress.end();
  expect(written.stderr).toBe("");
});
