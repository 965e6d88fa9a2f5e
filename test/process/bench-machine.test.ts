// The benchmark of calls, with little of everything: that it runs, and that what waits at a killed fog runs once each.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("../../scripts/bench-machine.ts", import.meta.url));

test("[J7] [T5] calls that wait at a fog for devices that are away survive its kill -9, and run once each on their return", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [program, "--quick", "--only", "wide|queued"]);
  expect(stdout).toMatch(/^queued calls that were not done +0\.00 +0: reached$/m);
  expect(stdout).toMatch(/^runs for each queued call that is done +1\.00 +1: reached$/m);
  // To 100 devices below two fogs: one envelope and one receipt for each link.
  expect(stdout).toMatch(/^100 devices, one zone +[\d,]+ +2 +4 /m);
});
