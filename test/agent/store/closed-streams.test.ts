// Old epochs whose rows have gone: naming them again is no news, and what comes of them is counted rightly.
import { expect, onTestFinished, test } from "vitest";
import { Budget } from "#agent/store/budget.ts";
import { ClosedStreams } from "#agent/store/closed-streams.ts";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import { encodeSegment, segmentFlags } from "#shared/journal/segment.ts";
import type { StreamClass } from "#shared/journal/stream.ts";

const kibi = 1024;

/** A root; lives of pump-1 have four messages, of which the third is lost. */
function world(maxBytes = 64 * kibi * kibi) {
  const database = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000, maxBytes });
  onTestFinished(() => database.close());
  const budget = new Budget(database);
  const node = createNodeOperations(database, parseNodeName("root-1"), nodeHasher, { isFinal: true, budget });
  const { writes, reads } = node;
  writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams: [], nowMs: 0, idsAbove: 0 });
  const stateOf = (epoch: number, high: number, kind: StreamClass = "custody") => {
    const traits = { priority: 2, class: kind, order: "live-first", policy: "oldest" } as const;
    return { origin: "pump-1", epoch, streamId: 1, name: "data", high, ...traits };
  };
  const hear = (epoch: number, high: number, kind?: StreamClass, nowMs = 1) =>
    writes.hear({ child: "pump-1", streams: [stateOf(epoch, high, kind)], lows: [], nowMs });
  const segmentOf = (epoch: number, first: number, items: number) => {
    const message = { timeMs: 9, topic: "/data/x", payload: Uint8Array.of(1), retain: false };
    const body = encodeSegment(Array.from({ length: items }, () => message));
    const numbers = { origin: "pump-1", epoch, streamId: 1, first, items, firstMs: 9, lastMs: 9, flags: 0 };
    return { ...numbers, crc: nodeHasher.crc32(body), body, gap: undefined };
  };
  const gapOf = (epoch: number, first: number) => {
    const loss = { body: null, crc: 0, flags: segmentFlags.gap, gap: { reasonCode: 1, bytes: 7 } };
    return { ...segmentOf(epoch, first, 1), ...loss };
  };
  type Segments = readonly (ReturnType<typeof segmentOf> | ReturnType<typeof gapOf>)[];
  const take = (epoch: number, high: number, segments: Segments, nowMs = 1, kind?: StreamClass) =>
    writes.ingest({
      child: "pump-1",
      batch: { streams: [stateOf(epoch, high, kind)], lows: [], segments },
      nowMs,
    });
  const live = (epoch: number, nowMs = 1, kind?: StreamClass) => {
    take(epoch, 4, [segmentOf(epoch, 1, 2), gapOf(epoch, 3), segmentOf(epoch, 4, 1)], nowMs, kind);
    writes.forget({ acked: [{ origin: "pump-1", epoch, streamId: 1, ranges: [[1, 4]] }] });
  };
  const drop = (epoch: number) => {
    const row = database.prepare("SELECT id FROM origin WHERE node = 'pump-1' AND epoch = ?").get(epoch);
    new ClosedStreams(database).close(Number(row?.["id"]));
    node.rolledBack();
  };
  const accounts = () =>
    reads.accounting({ origin: "pump-1" }).map(({ row, gaps }) => {
      expect(isBalanced(row)).toBe(true);
      const { epoch, high, delivered, lost, held } = row;
      return { epoch, high, delivered, lost, held, gaps: gaps.map(({ first, reason }) => `${first} ${reason}`) };
    });
  return { ...node, hear, take, live, drop, accounts, segmentOf };
}

test("[O3] an epoch that was dropped and is named again changes nothing", () => {
  const { live, drop, hear, accounts } = world();
  live(7);
  live(8);
  drop(7);
  hear(7, 4);
  hear(7, 3);
  expect(accounts().map(({ epoch }) => epoch)).toEqual([8]);
});

test("[O2] [O3] messages of a dropped epoch that come again are duplicates, and the account is what it was", () => {
  const { live, drop, take, accounts, segmentOf } = world();
  live(7);
  drop(7);
  expect(take(7, 4, [segmentOf(7, 1, 2)])).toMatchObject({ stored: 0, duplicates: 2, naks: [] });
  expect(accounts()).toEqual([{ epoch: 7, high: 4, delivered: 3, lost: 1, held: 0, gaps: ["3 evicted"] }]);
});

test("[O3] what a dropped epoch has given since is missing, and nothing else is; what was lost may still come", () => {
  const { live, drop, hear, take, accounts, segmentOf } = world();
  live(7);
  drop(7);
  hear(7, 6);
  expect(accounts()).toEqual([{ epoch: 7, high: 6, delivered: 3, lost: 1, held: 0, gaps: ["3 evicted"] }]);
  take(7, 6, [segmentOf(7, 3, 1), segmentOf(7, 5, 2)]);
  expect(accounts()).toEqual([{ epoch: 7, high: 6, delivered: 3, lost: 0, held: 3, gaps: [] }]);
});

test("an epoch that was dropped incomplete is missing its numbers again when it is named, and a message without a word about its stream waits", () => {
  const { drop, hear, take, accounts, segmentOf, writes } = world();
  take(7, 4, [segmentOf(7, 1, 2)]);
  writes.forget({ acked: [{ origin: "pump-1", epoch: 7, streamId: 1, ranges: [[1, 2]] }] });
  drop(7);
  const batch = { streams: [], lows: [], segments: [segmentOf(7, 3, 1)] };
  expect(writes.ingest({ child: "pump-1", batch, nowMs: 2 }).naks).toMatchObject([{ code: "no-place" }]);
  hear(7, 4);
  expect(accounts()).toEqual([{ epoch: 7, high: 4, delivered: 2, lost: 0, held: 0, gaps: [] }]);
});

test("of class final it is listed again: its origin may wait for the mark", () => {
  const { live, drop, hear, accounts } = world();
  live(7, 1, "final");
  drop(7);
  hear(7, 4, "final");
  expect(accounts()).toMatchObject([{ epoch: 7, high: 4, delivered: 3, lost: 1 }]);
});

test("[O7] complete old epochs do not use the room for streams up: beyond a half of a child's share the oldest shrink", () => {
  const { live, hear, writes, accounts } = world(512 * kibi);
  for (let epoch = 10; epoch < 60; epoch++) live(epoch, epoch);
  hear(9, 4, "custody", 1);
  expect(writes.closeEpochs({})).toBe(0);
  for (let epoch = 60; epoch < 200; epoch++) live(epoch, epoch);
  expect(writes.closeEpochs({})).toBeGreaterThan(100);
  // What is not complete stays, and so does the last one.
  expect(accounts().map(({ epoch }) => epoch)).toEqual([9, 199]);
  expect(writes.closeEpochs({})).toBe(0);
  hear(10, 4);
  expect(accounts()).toHaveLength(2);
});

test("[O7] a child is not sent away for the epochs that its nodes have been through", () => {
  const { live, hear, writes } = world(512 * kibi);
  let refused = 0;
  for (let epoch = 10; epoch < 600; epoch++) {
    refused += hear(epoch, 4, "custody", epoch).streams.length;
    if (refused === 0) live(epoch, epoch);
    writes.closeEpochs({});
  }
  expect(refused).toBe(0);
});
