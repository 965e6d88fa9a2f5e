import { expect, test } from "vitest";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { LossRepository } from "#agent/store/loss-repository.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { packRanges } from "#agent/store/packed-ranges.ts";
import { SegmentRemoval } from "#agent/store/segment-removal.ts";
import { SegmentRepository } from "#agent/store/segment-repository.ts";
import { OwnStreamBounds } from "#agent/store/stream-bounds.ts";
import { StreamRepository } from "#agent/store/stream-repository.ts";
import { StreamWeights } from "#agent/store/stream-weights.ts";
import type { IntervalSet } from "#shared/journal/interval-set.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import { encodeSegment } from "#shared/journal/segment.ts";

/** Ten segments of one message each, stamped at their number. */
function world(inFlight: IntervalSet = []) {
  const database = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  const streams = new StreamRepository(database);
  const segments = new SegmentRepository(database, streams);
  const losses = new LossRepository(database, streams, segments.ids);
  const removal = new SegmentRemoval(database, { streams, losses }, () => inFlight);
  const traits = { priority: 2, class: "final", order: "strict", policy: "oldest" } as const;
  streams.describe({ origin: "node-1", epoch: 5, streamId: 1, name: "data", ...traits, high: 0 }, 1);
  const key = { origin: streams.originId("node-1", 5), stream: 1 };
  for (let number = 1; number <= 10; number++) {
    const body = encodeSegment([{ timeMs: number, topic: "t", payload: Uint8Array.of(number), retain: false }]);
    segments.append(key, { items: 1, firstMs: number, lastMs: number, flags: 0, crc: 0, body });
  }
  const weights = new StreamWeights(database, new OwnStreamBounds("node-1"));
  return {
    database,
    removal,
    take: (segmentsMax: number, policy: "oldest" | "ttl" = "oldest", from = 0) => {
      const stream = weights.find("node-1", 5, 1);
      if (stream === undefined) throw new Error("there is no stream");
      const age = { nowMs: 100, expiredBeforeMs: 6 };
      return removal.take(stream, from, { policy, bytes: Infinity, segmentsMax, looksMax: 100, age }, "evicted");
    },
    hand: (ranges: IntervalSet) => database.prepare("UPDATE stream SET handed = ?").run(packRanges(ranges)),
    row: () => {
      const [row] = streams.ledger();
      if (row === undefined) throw new Error("there is no stream");
      return row;
    },
    gaps: () => streams.gaps("node-1", 5, 1).map(({ first, last }) => [first, last]),
  };
}

test("rows, ledger and gaps change together; what is on its way is passed over", () => {
  const { take, row, gaps } = world([[3, 4]]);
  expect(take(4)).toMatchObject({ segments: 4, ended: false });
  expect(gaps()).toEqual([
    [1, 2],
    [5, 6],
  ]);
  expect(row()).toMatchObject({ held: 6, lost: 4 });
  expect(isBalanced(row())).toBe(true);
});

test("of final class, what the parent has already goes as delivered, and only the rest as lost", () => {
  const { take, hand, row, gaps, removal } = world();
  hand([[1, 3]]);
  expect(take(5)).toMatchObject({ segments: 5 });
  expect(row()).toMatchObject({ held: 5, delivered: 3, lost: 2 });
  expect(gaps()).toEqual([[4, 5]]);
  expect(isBalanced(row())).toBe(true);
  expect(removal.totals()).toMatchObject([{ messages: 2 }]);
});

test("a stamp of before the tree's time was known is no age", () => {
  const { database, take, gaps } = world();
  database.exec("UPDATE segment SET clock = 1 WHERE first IN (2, 3)");
  expect(take(10, "ttl")).toMatchObject({ segments: 3, ended: true });
  expect(gaps()).toEqual([
    [1, 1],
    [4, 5],
  ]);
});

test("totals count what was committed, by stream and reason", () => {
  const { take, removal } = world();
  take(2);
  take(3, "oldest");
  expect(removal.totals()).toMatchObject([
    { node: "node-1", stream: "data", reason: "evicted", segments: 5, messages: 5 },
  ]);
  take(2);
  removal.rolledBack();
  expect(removal.totals()).toMatchObject([{ messages: 5 }]);
});
