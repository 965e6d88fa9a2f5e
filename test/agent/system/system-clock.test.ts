import { expect, test } from "vitest";
import { systemClock } from "#agent/system/system-clock.ts";

test("sleep resolves after its time", async () => {
  const beforeMs = systemClock.monotonic();
  await systemClock.sleep(10);
  expect(systemClock.monotonic() - beforeMs).toBeGreaterThanOrEqual(9);
});

test("sleep rejects with the signal's own reason, before and while it sleeps", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const sleeping = expect(systemClock.sleep(60_000, controller.signal)).rejects.toBe(reason);
  controller.abort(reason);
  await sleeping;
  await expect(systemClock.sleep(1, AbortSignal.abort(reason))).rejects.toBe(reason);
});
