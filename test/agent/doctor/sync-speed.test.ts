import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { judgeSyncs, measureSyncs, quantile, type SyncFacts } from "#agent/doctor/sync-speed.ts";

const judge = (syncsMs: readonly number[], facts: Partial<SyncFacts> = {}) =>
  judgeSyncs({ syncsMs, minCommitMs: 0, isMemory: false, ...facts });

test("the value that a share does not exceed", () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect([quantile(values, 0.5), quantile(values, 0.99), quantile([7], 0.99), quantile([], 0.5)]).toEqual([
    50, 99, 7, 0,
  ]);
});

test("a usual disk is fine", () => {
  expect(judge([0.5, 2, 3])).toEqual({
    check: "sync",
    level: "ok",
    what: "a sync takes 2.0 ms (half of 3), 3.0 ms at worst",
  });
});

test("a slow one suggests the flash profile by its key, unless commits are gathered already", () => {
  expect(judge([25, 30, 40])).toMatchObject({
    level: "advice",
    todo: expect.stringContaining('journal.profile = "flash"') as string,
  });
  expect(judge([25, 30, 40], { minCommitMs: 100 }).level).toBe("ok");
});

test("one that stands still now and then is a warning", () => {
  expect(judge([1, 1, 900]).level).toBe("warning");
});

test("one that is faster than a disk can be is doubted, but in memory", () => {
  expect(judge([0.005, 0.006, 0.1]).level).toBe("advice");
  expect(judge([0.005, 0.006, 0.1], { isMemory: true }).level).toBe("ok");
});

/** Each sync takes `stepMs` by its clock. */
function measure(folder: string, stepMs: number, during: () => void, signal = new AbortController().signal) {
  let nowMs = 0;
  const clock = { monotonic: () => (nowMs += stepMs) };
  return measureSyncs(clock, folder, during, signal);
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-syncs-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a measurement is bounded in number and in time, and its file has no name while it goes on", () =>
  inFolder(async (folder) => {
    const seen = new Set<string>();
    const look = (): void => readdirSync(folder).forEach((name) => void seen.add(name));
    expect(await measure(folder, 1, look)).toHaveLength(50);
    expect((await measure(folder, 500, look)).length).toBeLessThan(4);
    expect([...seen, ...readdirSync(folder)]).toEqual([]);
  }));

test("a measurement that is interrupted or impossible leaves nothing", () =>
  inFolder(async (folder) => {
    const stop = new AbortController();
    const stopped = measure(folder, 1, () => stop.abort(new Error("stopped")), stop.signal);
    await expect(stopped).rejects.toThrow("stopped");
    await expect(measure(join(folder, "none"), 1, () => undefined)).rejects.toThrow("ENOENT");
    expect(readdirSync(folder)).toEqual([]);
  }));
