// The benchmark of store and forward, with little of everything: that it runs, and that a kill -9 in the middle loses nothing.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("../../scripts/bench-journal.ts", import.meta.url));

test("[O1] the benchmark of store and forward runs, and finds every acknowledged message once and in order", async () => {
  const args = ["--quick", "--systems", "fogbank", "--only", "forward .*killed.*(one hop|top dead)"];
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...args]);
  for (const target of ["lost", "there twice", "out of order"]) {
    expect(stdout).toMatch(new RegExp(`^${target}, in any run +0\\.00 +0: reached$`, "m"));
  }
  expect(stdout).toMatch(/killed -9 half-way +Fogbank, two hops, top dead +2,000 /);
});
