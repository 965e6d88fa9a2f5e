import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DiskReserve } from "#agent/store/disk-reserve.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

test("room is set aside, given back, and set aside again after a while", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-reserve-"));
  try {
    const clock = new FakeClock();
    const file = join(folder, "reserve");
    const reserve = new DiskReserve(clock, file, 600_000);
    expect(reserve.hold()).toBe(true);
    expect(statSync(file).size).toBe(600_000);
    reserve.release();
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
    expect(reserve.hold()).toBe(false);
    await clock.advance(2_000);
    expect(reserve.hold()).toBe(true);
    expect(new DiskReserve(clock, file, 600_000).hold()).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("who is refused again and again while it is gone does not put off its return", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-reserve-"));
  try {
    const clock = new FakeClock();
    const reserve = new DiskReserve(clock, join(folder, "reserve"), 600_000);
    expect(reserve.hold()).toBe(true);
    reserve.release();
    for (let tries = 0; tries < 9; tries++) {
      await clock.advance(200);
      expect(reserve.hold()).toBe(false);
      reserve.release();
    }
    await clock.advance(200);
    expect(reserve.hold()).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("without the room nothing is held, and no part of it stays behind", () => {
  const file = "/proc/nowhere/reserve";
  const reserve = new DiskReserve(new FakeClock(), file, 1_000);
  expect(reserve.hold()).toBe(false);
});
