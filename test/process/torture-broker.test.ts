// The torture of one broker in short: killed again and again while publishers and subscribers with sessions keep it to its word.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFailed, test } from "vitest";
import { startOrphanGuard } from "../../scripts/demo/orphan-guard.ts";
import { brokerReportLines, runBrokerTorture } from "../../scripts/torture/broker/broker-torture.ts";

const tortureSeconds = 30;

test("[B1] [B4] a broker is killed at random, and every client with a session gets what was acknowledged, at QoS 2 once", async () => {
  const seed = Number(process.env["FOGBANK_TEST_SEED"] ?? Math.floor(Math.random() * 1e9));
  console.log(`seed ${seed}: repeat with FOGBANK_TEST_SEED=${seed}`);
  const folder = mkdtempSync(join(tmpdir(), "fogbank-torture-"));
  let keep = false;
  onTestFailed(() => {
    keep = true;
    console.log(`seed ${seed}; database and log are kept in ${folder}`);
  });
  using guard = startOrphanGuard();
  const { signal } = new AbortController();
  const say = (line: string): void => console.log(line);
  const report = await runBrokerTorture({ folder, seed, seconds: tortureSeconds, guard, signal, say });
  console.log(brokerReportLines(report).join("\n"));
  expect(report.faults).toEqual([]);
  // Else it proves little. A machine many times as slow comes as far.
  expect(report.kills).toBeGreaterThan(5);
  expect(report.acknowledged).toBeGreaterThan(200);
  expect(report.kept).toBe(report.promised);
  expect(report.promised).toBeGreaterThan(report.acknowledged);
  expect(report.resent).toBeGreaterThan(0);
  expect(report.redelivered).toBeGreaterThan(0);
  expect(report.retainedReadings).toBeGreaterThan(0);
  if (!keep) rmSync(folder, { recursive: true, force: true });
});
