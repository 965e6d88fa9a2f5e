import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { LossRepository, type Loss } from "#agent/store/loss-repository.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { SegmentIds } from "#agent/store/segment-ids.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { StreamRepository } from "#agent/store/stream-repository.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { emptyIntervals, type IntervalSet } from "#shared/journal/interval-set.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import { encodeSegment, segmentFlags } from "#shared/journal/segment.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import type { WireSegment } from "#shared/link/frames.ts";

const state: StreamState = {
  origin: "device-1",
  epoch: 9,
  streamId: 1,
  name: "data",
  priority: 2,
  class: "custody",
  order: "live-first",
  policy: "oldest",
  high: 100,
};

function world(sent: { ranges: IntervalSet } = { ranges: emptyIntervals }) {
  const database = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  const streams = new StreamRepository(database);
  const losses = new LossRepository(database, streams, new SegmentIds(database), () => sent.ranges);
  streams.describe(state, 1);
  const key = { origin: streams.originId("device-1", 9), stream: 1 };
  return {
    losses,
    add: (first: number, last: number, more: Partial<Loss> = {}) =>
      losses.add(key, 2, {
        first,
        last,
        reasonCode: 1,
        bytes: last - first + 1,
        firstMs: first,
        lastMs: last,
        ...more,
      }),
    withdraw: (...numbers: IntervalSet) => losses.withdraw(key, 2, numbers),
    passOn: (first: number, last: number) =>
      losses.passOn(key, 2, { first, last, reasonCode: 1, bytes: 0, firstMs: first, lastMs: last }),
    among: (first: number, last: number) => losses.among(key, first, last),
    pending: (first: number, last: number) => losses.pendingAmong(key, first, last),
    recorded: () => rows(database, "SELECT first, last, reason, bytes, first_ms, last_ms FROM gap ORDER BY first"),
    onTheWay: () =>
      rows(
        database,
        "SELECT first, first + items - 1, gap_reason, gap_bytes, first_ms, last_ms FROM segment WHERE body IS NULL ORDER BY first",
      ),
    counts: () => {
      const row = database.prepare("SELECT lost, segments FROM stream").get();
      return [Number(row?.["lost"]), Number(row?.["segments"])];
    },
  };
}

function rows(database: DatabaseSync, sql: string): readonly (readonly number[])[] {
  return database
    .prepare(sql)
    .all()
    .map((row) => Object.values(row).map(Number));
}

test("neighbours of one reason become one gap, here and on its way, with bytes and times of both", () => {
  const { add, recorded, onTheWay, counts } = world();
  add(10, 19);
  add(30, 39);
  add(20, 29, { bytes: 100 });
  expect(recorded()).toEqual([[10, 39, 1, 120, 10, 39]]);
  expect(onTheWay()).toEqual(recorded());
  expect(counts()).toEqual([30, 1]);
  add(40, 49, { reasonCode: 2 });
  expect(recorded()).toHaveLength(2);
  expect(counts()).toEqual([40, 2]);
});

test("a gap that is on its way stays as it was sent", () => {
  const sent: { ranges: IntervalSet } = { ranges: [[10, 19]] };
  const { add, recorded, onTheWay } = world(sent);
  add(10, 19);
  add(20, 29);
  expect(recorded()).toHaveLength(1);
  expect(onTheWay().map(([first, last]) => [first, last])).toEqual([
    [10, 19],
    [20, 29],
  ]);
  sent.ranges = emptyIntervals;
  add(30, 39);
  expect(onTheWay().map(([first, last]) => [first, last])).toEqual([
    [10, 19],
    [20, 39],
  ]);
});

test("bytes of neighbours that are more than a number can hold together stay readable", () => {
  const { add, withdraw, recorded, onTheWay } = world();
  const bytes = Number.MAX_SAFE_INTEGER;
  add(10, 19, { bytes });
  add(30, 39, { bytes });
  add(20, 29, { bytes });
  expect(recorded()).toEqual([[10, 39, 1, bytes, 10, 39]]);
  expect(onTheWay()).toEqual(recorded());
  withdraw([10, 10]);
  expect(recorded()).toHaveLength(1);
});

test("among thousands of gaps each is found, and its neighbours alone are touched", () => {
  const { add, passOn, withdraw, among, pending, recorded, onTheWay, counts } = world();
  const gaps = 20_000;
  // Of five numbers three are lost, and one more is only passed on.
  for (let at = 0; at < gaps; at++) add(5 * at + 1, 5 * at + 3);
  expect(counts()).toEqual([3 * gaps, gaps]);
  expect(among(50_000, 50_008)).toEqual([
    [50_001, 50_003],
    [50_006, 50_008],
  ]);
  expect(among(50_003, 50_005)).toEqual([[50_003, 50_003]]);
  expect(pending(49_998, 50_002)).toEqual([
    [49_998, 49_998],
    [50_001, 50_002],
  ]);
  passOn(50_005, 50_005);
  expect(pending(50_004, 50_006)).toEqual([[50_005, 50_006]]);
  add(50_004, 50_004);
  withdraw([50_002, 50_002], [90_001, 90_003]);
  expect(counts()).toEqual([3 * gaps + 1 - 4, onTheWay().length]);
  expect(recorded()).toHaveLength(gaps);
  expect(onTheWay()).toHaveLength(gaps - 1);
});

test("what comes after all is cut out of the record and of the gap on its way; bytes are shared out", () => {
  const { add, withdraw, recorded, onTheWay, counts } = world();
  add(1, 100);
  withdraw([41, 60], [1, 10]);
  expect(recorded()).toEqual([
    [11, 40, 1, 30, 1, 100],
    [61, 100, 1, 40, 1, 100],
  ]);
  expect(onTheWay()).toEqual(recorded());
  expect(counts()).toEqual([70, 2]);
});

test("what is only passed on is counted nowhere", () => {
  const { passOn, recorded, counts, pending, among } = world();
  passOn(5, 9);
  expect(recorded()).toEqual([]);
  expect(counts()).toEqual([0, 1]);
  expect(pending(1, 7)).toEqual([[5, 7]]);
  expect(among(1, 7)).toEqual([]);
});

test("whatever is named and withdrawn: record, way and counts are those of a plain set of numbers", () => {
  const step = fc.tuple(
    fc.constantFrom("add", "withdraw"),
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ min: 0, max: 12 }),
    fc.constantFrom(1, 2),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { add, withdraw, among, pending, recorded, counts } = world();
      const model = new Map<number, number>();
      for (const [what, first, length, reasonCode] of steps) {
        for (const [low, high] of runsOf(
          first,
          first + length,
          (number) => model.has(number) === (what === "withdraw"),
        )) {
          if (what === "add") add(low, high, { reasonCode });
          else withdraw([low, high]);
          for (let number = low; number <= high; number++) {
            if (what === "add") model.set(number, reasonCode);
            else model.delete(number);
          }
        }
        const expected = runsOf(1, 80, (number) => model.has(number));
        expect(among(1, 80)).toEqual(expected);
        expect(pending(1, 80)).toEqual(expected);
        expect(counts()[0]).toBe(model.size);
        expect(counts()[1]).toBe(recorded().length);
        for (const [low = 0, high = 0, reason] of recorded())
          for (let number = low; number <= high; number++) expect(model.get(number)).toBe(reason);
        // No two neighbours could be one.
        recorded().reduce(
          (before, row) => {
            expect(before[1] === (row[0] ?? 0) - 1 && before[2] === row[2]).toBe(false);
            return row;
          },
          [] as readonly number[],
        );
      }
    }),
    { numRuns: 150 },
  );
});

test("gaps as large as a number can tell, of two epochs, can be taken in, summed and sent on", () => {
  const database = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  const { writes, reads } = createNodeOperations(database, parseNodeName("fog-1"), nodeHasher);
  writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams: [], nowMs: 1, idsAbove: 0 });
  const most = Number.MAX_SAFE_INTEGER;
  const gap = { reasonCode: 1, bytes: most };
  const from = { origin: "device-1", streamId: 1, firstMs: 1, lastMs: 1, flags: segmentFlags.gap, crc: 0, body: null };
  for (const epoch of [9, 10]) {
    const segments: readonly WireSegment[] = [
      { ...from, epoch, first: 1, items: most / 2 - 0.5, gap },
      { ...from, epoch, first: most / 2 + 0.5, items: most / 2 - 0.5, gap },
    ];
    const streams = [{ ...state, epoch, high: 0 }];
    expect(writes.ingest({ child: "device-1", batch: { streams, lows: [], segments }, nowMs: 1 }).naks).toEqual([]);
  }
  expect(reads.losses({})).toMatchObject([{ origin: "device-1", reason: "evicted", messages: 2 * (most - 1) }]);
  expect(reads.after({ id: 0, bytesMax: 1e6 }).segments.map((each) => each.gap?.bytes)).toEqual([most, most]);
});

/** Ranges of first…last for which `holds`. */
function runsOf(first: number, last: number, holds: (number: number) => boolean): IntervalSet {
  const runs: [number, number][] = [];
  for (let number = first; number <= last; number++) {
    const run = runs.at(-1);
    if (!holds(number)) continue;
    if (run?.[1] === number - 1) run[1] = number;
    else runs.push([number, number]);
  }
  return runs;
}

function segmentOf(first: number, last: number, isGap: boolean): WireSegment {
  const items = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const body = encodeSegment(
    items.map((number) => ({ timeMs: number, topic: "t", payload: Uint8Array.of(number), retain: false })),
  );
  const { origin, epoch, streamId } = state;
  const place = { origin, epoch, streamId, first, items: items.length, firstMs: first, lastMs: last };
  return isGap
    ? { ...place, flags: segmentFlags.gap, crc: 0, body: null, gap: { reasonCode: 1, bytes: 10 } }
    : { ...place, flags: 0, crc: nodeHasher.crc32(body), body, gap: undefined };
}

test("[O3] data that comes after its gap is stored, and the gap withdrawn: the ledger sums at each step, at a fog and at a root", () => {
  const step = fc.tuple(
    fc.constantFrom("data", "gap", "forget"),
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 0, max: 9 }),
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), fc.boolean(), (steps, isFinal) => {
      const database = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
      const { writes, reads } = createNodeOperations(database, parseNodeName("fog-1"), nodeHasher, { isFinal });
      writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams: [], nowMs: 1, idsAbove: 0 });
      const come = new Set<number>();
      for (const [what, first, length] of steps) {
        const last = first + length;
        if (what === "forget") {
          writes.forget({ acked: [{ origin: "device-1", epoch: 9, streamId: 1, ranges: [[first, last]] }] });
        } else {
          const segments = [segmentOf(first, last, what === "gap")];
          writes.ingest({
            child: "device-1",
            batch: { streams: [{ ...state, high: 0 }], lows: [], segments },
            nowMs: 1,
          });
          if (what === "data") for (let number = first; number <= last; number++) come.add(number);
        }
        const entry = reads.accounting({ origin: "device-1" })[0];
        if (entry === undefined) continue;
        expect(isBalanced(entry.row)).toBe(true);
        for (const gap of entry.gaps)
          for (let number = gap.first; number <= gap.last; number++) expect(come.has(number)).toBe(false);
      }
    }),
    { numRuns: 100 },
  );
});
