import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { HostMetric } from "#agent/sources/host-metrics.ts";
import { startHostSource } from "#agent/sources/host-source.ts";
import type { HostSourceConfig, HostSourceDeps, RecordFile } from "#agent/sources/host-source.ts";
import { FogbankError } from "#shared/errors.ts";
import type { Message, Verdict } from "#shared/system/bus.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const pass: Verdict = { type: "pass" };
const config: HostSourceConfig = { enabled: true, intervalMs: 1000, record: "readings", topicPrefix: "/data/host" };

/** A bus that answers `verdict`, a machine with `metrics`, a record in memory. */
function createWorld(metrics: readonly HostMetric[] = [{ metric: "cpu/load", v: 12.34567, unit: "%" }]) {
  const clock = new FakeClock();
  const log = silentLogger();
  const injected: (Message & { readonly atMs: number })[] = [];
  const lines: string[] = [];
  const world = {
    clock,
    log,
    injected,
    lines,
    isRecordClosed: false,
    verdict: async (_topic: string): Promise<Verdict> => pass,
    append: async (line: string): Promise<void> => void lines.push(line),
  };
  const openRecord = async (): Promise<RecordFile> => ({
    append: (line) => world.append(line),
    async [Symbol.asyncDispose]() {
      world.isRecordClosed = true;
    },
  });
  const inject = (message: Message): Promise<Verdict> => {
    injected.push({ ...message, atMs: clock.monotonic() });
    return world.verdict(message.topic);
  };
  const deps: HostSourceDeps = { bus: { inject }, clock, log, readMetrics: async () => metrics, openRecord };
  return { world, deps };
}

test("publishes each reading with QoS 1 and records what was acknowledged", async () => {
  const { world, deps } = createWorld([
    { metric: "cpu/load", v: 12.34567, unit: "%" },
    { metric: "temperature/0", v: 41.5, unit: "°C" },
  ]);
  {
    await using source = await startHostSource(deps, config);
    await world.clock.advance(999);
    expect(world.injected).toEqual([]);
    await world.clock.advance(1001);
    expect(source.counts()).toEqual({ acknowledged: 4, refused: 0 });
  }
  const [first] = world.injected;
  expect(first).toMatchObject({ topic: "/data/host/cpu/load", qos: 1, retain: false, atMs: 1000 });
  expect(new TextDecoder().decode(first?.payload)).toBe('{"v":12.346,"unit":"%"}');
  const linesAt = (time: string): readonly string[] => [
    `${time}\t/data/host/cpu/load\t{"v":12.346,"unit":"%"}\n`,
    `${time}\t/data/host/temperature/0\t{"v":41.5,"unit":"°C"}\n`,
  ];
  expect(world.lines).toEqual([...linesAt("2023-11-14T22:13:21.000Z"), ...linesAt("2023-11-14T22:13:22.000Z")]);
  expect(world.isRecordClosed).toBe(true);
});

test("a refused reading is counted, not recorded, not repeated, and told once per change", async () => {
  const { world, deps } = createWorld();
  await using source = await startHostSource(deps, config);
  world.verdict = async () => ({ type: "refuse", reason: "journal full" });
  await world.clock.advance(3000);
  world.verdict = () => Promise.reject(new FogbankError("FOGBANK_STORE_CLOSED", "closing"));
  await world.clock.advance(2000);
  world.verdict = async () => pass;
  await world.clock.advance(2000);
  expect(source.counts()).toEqual({ acknowledged: 2, refused: 5 });
  expect([world.injected.length, world.lines.length]).toEqual([7, 2]);
  expect(world.log.lines.map(({ level, fields, phrase }) => [level, fields, phrase])).toEqual([
    ["warn", { reason: "journal full" }, "host readings refused"],
    ["warn", { reason: "closing" }, "host readings refused"],
    ["info", {}, "host readings accepted again"],
  ]);
});

test("one metric that is always refused does not fill the log", async () => {
  const { world, deps } = createWorld([
    { metric: "good", v: 1, unit: "1" },
    { metric: "bad", v: 2, unit: "1" },
  ]);
  world.verdict = async (topic) => (topic.endsWith("/bad") ? { type: "refuse", reason: "not allowed" } : pass);
  await using source = await startHostSource(deps, config);
  await world.clock.advance(5000);
  expect(source.counts()).toEqual({ acknowledged: 5, refused: 5 });
  expect(world.log.lines.length).toBe(1);
});

test("ticks that pass while a publish is slow are skipped, and the beat is kept", async () => {
  const { world, deps } = createWorld();
  const slow = Promise.withResolvers<Verdict>();
  world.verdict = () => slow.promise;
  await using source = await startHostSource(deps, config);
  await world.clock.advance(3600);
  expect(world.injected.map(({ atMs }) => atMs)).toEqual([1000]);
  world.verdict = async () => pass;
  slow.resolve(pass);
  await world.clock.advance(2400);
  expect(world.injected.map(({ atMs }) => atMs)).toEqual([1000, 4000, 5000, 6000]);
  expect(source.counts().acknowledged).toBe(4);
});

test("a line waits for its verdict, and disposing waits for both", async () => {
  const { world, deps } = createWorld();
  const slow = Promise.withResolvers<Verdict>();
  world.verdict = () => slow.promise;
  const source = await startHostSource(deps, config);
  await world.clock.advance(1000);
  let isDisposed = false;
  const disposed = Promise.resolve(source[Symbol.asyncDispose]()).then(() => (isDisposed = true));
  await world.clock.advance(5000);
  expect([isDisposed, world.isRecordClosed, world.lines.length]).toEqual([false, false, 0]);
  slow.resolve({ type: "take" });
  await disposed;
  expect([world.isRecordClosed, world.lines.length, world.injected.length]).toEqual([true, 1, 1]);
});

test("a record that cannot be written is told once, and readings go on", async () => {
  const { world, deps } = createWorld();
  world.append = () => Promise.reject(new Error("no space left on device"));
  await using source = await startHostSource(deps, config);
  await world.clock.advance(4000);
  expect(source.counts().acknowledged).toBe(4);
  expect(world.log.lines.map(({ phrase }) => phrase)).toEqual(["host record not written"]);
});

test("switched off it does nothing, and without a record it only publishes", async () => {
  const { world, deps } = createWorld();
  const withoutRecord: HostSourceConfig = { enabled: true, intervalMs: 1000, topicPrefix: "/data/host" };
  await using off = await startHostSource(deps, { ...config, enabled: false });
  await world.clock.advance(5000);
  expect([off.counts().acknowledged, world.injected.length, world.clock.sleepers]).toEqual([0, 0, 0]);
  await using source = await startHostSource(deps, withoutRecord);
  await world.clock.advance(2000);
  expect([source.counts().acknowledged, world.lines.length]).toEqual([2, 0]);
});

test("the record is a file that is appended to", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fogbank-host-"));
  try {
    const record = join(directory, "readings.tsv");
    writeFileSync(record, "earlier\n");
    const { world, deps } = createWorld();
    const { bus, clock, log, readMetrics } = deps;
    const realRecord: HostSourceDeps = { bus, clock, log, readMetrics };
    {
      await using source = await startHostSource(realRecord, { ...config, record });
      await world.clock.advance(1000);
      expect(source.counts().acknowledged).toBe(1);
    }
    expect(readFileSync(record, "utf8")).toBe(
      'earlier\n2023-11-14T22:13:21.000Z\t/data/host/cpu/load\t{"v":12.346,"unit":"%"}\n',
    );
    const nowhere = { ...config, record: join(record, "below-a-file") };
    await expect(startHostSource(realRecord, nowhere)).rejects.toMatchObject({ code: "FOGBANK_DATA_DIR" });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
