// The demo as it is: real processes, a fog that is killed, and an exact count.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const program = fileURLToPath(new URL("../../scripts/demo.ts", import.meta.url));

test("an outage of the fog loses nothing, stores nothing twice, and calls reach the devices before and after it", async () => {
  const demo = spawn(process.execPath, [program, "--outage", "--seconds", "3"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void demo.kill("SIGTERM"));
  const [stdout, stderr, [code]] = await Promise.all([text(demo.stdout), text(demo.stderr), once(demo, "exit")]);
  expect(stderr).toBe("");
  const [, published = "none", stored] = /^published (\d+), stored (\d+), each once, lost 0$/m.exec(stdout) ?? [stdout];
  expect(stored).toBe(published);
  expect(Number(published)).toBeGreaterThan(20);
  expect(stdout.trimEnd().split("\n").at(-1)).toContain("each once, lost 0");
  const calls = stdout.match(/call: .*/g);
  expect(calls).toEqual([
    expect.stringMatching(/^call: 2 matched, 2 done in \d+ ms$/),
    expect.stringMatching(/^call: 0 matched; not heard: fog-1 since \d\d:\d\d:\d\d$/),
    expect.stringMatching(/^call: 2 matched, 2 done in \d+ ms$/),
  ]);
  expect(code).toBe(0);
});
