import { expect, test } from "vitest";
import { FogbankError } from "#shared/errors.ts";
import { startServiceNotices, type ServiceNotices } from "#agent/service/service-notices.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger, type SilentLogger } from "../../fakes/silent-logger.ts";

interface Scene {
  readonly told: readonly string[];
  readonly log: SilentLogger;
  readonly clock: FakeClock;
  readonly notices: ServiceNotices;
}

function scene(watchdogMs: number | undefined, proveLife: () => Promise<void>): Scene {
  const clock = new FakeClock();
  const told: string[] = [];
  const log = silentLogger();
  const tell = async (...assignments: readonly string[]): Promise<void> =>
    void told.push(`${clock.monotonic()} ${assignments.join(" ")}`);
  const notices = startServiceNotices({ manager: { watchdogMs, tell }, clock, log, proveLife }, "serves");
  return { told, log, clock, notices };
}

const alive = async (): Promise<void> => undefined;

test("ready, alive at half of the watchdog's time, stopping, and nothing afterwards", async () => {
  const { told, clock, notices } = scene(120_000, alive);
  await clock.advance(150_000);
  await notices.stopping();
  await clock.advance(150_000);
  expect(told).toEqual([
    "0 READY=1 STATUS=serves",
    "60000 WATCHDOG=1",
    "120000 WATCHDOG=1",
    "150000 STOPPING=1 STATUS=stopping",
  ]);
});

test("a node whose store does not answer is not told to live, and says so once in time; when it answers, it lives at once", async () => {
  const answer = Promise.withResolvers<void>();
  const { told, log, clock } = scene(120_000, () => answer.promise);
  await clock.advance(89_999);
  expect(log.lines).toEqual([]);
  await clock.advance(910_000);
  expect(told).toEqual(["0 READY=1 STATUS=serves"]);
  expect(log.lines.map(({ level, phrase }) => `${level}: ${phrase}`)).toEqual([
    "error: the store does not answer: without an answer this node is started anew",
  ]);
  answer.resolve();
  await clock.advance(0);
  expect(told[1]).toBe("999999 WATCHDOG=1");
});

test("a proof that took long is followed by the next in time", async () => {
  let tookMs = 50_000;
  const { told, clock } = scene(120_000, async () => {
    const ms = tookMs;
    tookMs = 0;
    await clock.sleep(ms);
  });
  await clock.advance(180_000);
  expect(told.slice(1)).toEqual(["110000 WATCHDOG=1", "120000 WATCHDOG=1", "180000 WATCHDOG=1"]);
});

test("a store that refuses is alive: another start would not give it room", async () => {
  const { told, clock } = scene(10_000, () => Promise.reject(new FogbankError("FOGBANK_STORE_FULL", "full")));
  await clock.advance(5_000);
  expect(told.slice(1)).toEqual(["5000 WATCHDOG=1"]);
});

test("without a watchdog nothing is proven, and without a service manager nothing is told", async () => {
  const { told, clock, notices } = scene(undefined, () => Promise.reject(new Error("not asked")));
  await clock.advance(1_000_000);
  await notices.stopping();
  expect(told).toEqual(["0 READY=1 STATUS=serves", "1000000 STOPPING=1 STATUS=stopping"]);
  const log = silentLogger();
  const nobody = startServiceNotices({ manager: undefined, clock, log, proveLife: alive }, "serves");
  await nobody.stopping();
  expect([clock.sleepers, log.lines]).toEqual([0, []]);
});
