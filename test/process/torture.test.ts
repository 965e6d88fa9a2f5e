// The torture in short: seven processes, each killed again and again, links that break, a journal that runs full, and every
// acknowledged message stored once.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFailed, test } from "vitest";
import { startOrphanGuard } from "../../scripts/demo/orphan-guard.ts";
import { callWorkload } from "../../scripts/torture/call-workload.ts";
import { killsOf } from "../../scripts/torture/faults/kill.ts";
import { reportLines } from "../../scripts/torture/torture-report.ts";
import { runTorture } from "../../scripts/torture/torture-run.ts";

const tortureSeconds = 60;

test("[J-S9] [O1] [O2] [O3] [O4] [O5] [T3] [T5] seven processes are killed at random and their links break, while four devices publish and move", async () => {
  const seed = Number(process.env["FOGBANK_TEST_SEED"] ?? Math.floor(Math.random() * 1e9));
  console.log(`seed ${seed}: repeat with FOGBANK_TEST_SEED=${seed}`);
  const folder = mkdtempSync(join(tmpdir(), "fogbank-torture-"));
  let keep = false;
  onTestFailed(() => {
    keep = true;
    console.log(`seed ${seed}; logs and databases are kept in ${folder}`);
  });
  using guard = startOrphanGuard();
  const { signal } = new AbortController();
  const say = (line: string): void => console.log(line);
  const report = await runTorture({
    folder,
    seed,
    seconds: tortureSeconds,
    hasLinkFaults: true,
    workloads: [callWorkload()],
    guard,
    signal,
    say,
  });
  console.log(reportLines(report).join("\n"));
  expect(report.faults).toEqual([]);
  // Else it proves little. A machine many times as slow comes as far.
  expect(killsOf(report.kills)).toBeGreaterThan(10);
  expect(report.kills.moves).toBeGreaterThan(0);
  expect(report.timesFull).toBeGreaterThan(0);
  const strikes = [...report.strikes.values()].reduce((sum, count) => sum + count, 0);
  expect(strikes - killsOf(report.kills)).toBeGreaterThan(10);
  expect(report.acknowledged).toBeGreaterThan(500);
  expect(report.stored).toBeGreaterThanOrEqual(report.acknowledged);
  expect(report.ledgerSamples).toBeGreaterThan(20);
  if (!keep) rmSync(folder, { recursive: true, force: true });
});
