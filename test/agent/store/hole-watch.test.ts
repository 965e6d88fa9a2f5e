// Holes that nothing comes into, and streams in many pieces [O6].
import { expect, test } from "vitest";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName, type NodeName } from "#shared/ids.ts";
import { isBalanced, missingOf } from "#shared/journal/ledger.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import type { StreamClass } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";

const day = 24 * 3_600_000;
const pump = parseNodeName("pump-1");

function world({ isFinal = true, streamClass = "custody" }: { isFinal?: boolean; streamClass?: StreamClass } = {}) {
  const database = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  const node = createNodeOperations(database, parseNodeName("cloud-1"), nodeHasher, { isFinal });
  const { writes, reads } = node;
  const open = () => {
    writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams: [], nowMs: 1, idsAbove: 0 });
  };
  open();
  const traits = { priority: 2, class: streamClass, order: "live-first", policy: "oldest" } as const;
  const hear = (origin: string, high: number, streamId = 1, low?: number) => {
    const streams = [{ origin, epoch: 7, streamId, name: `data-${streamId}`, high, ...traits }];
    const lows = low === undefined ? [] : [{ epoch: 7, streamId, low }];
    writes.hear({ child: origin, streams, lows, nowMs: 2 });
  };
  const take = (first: number, last: number, origin = "pump-1", streamId = 1) => {
    const item = { timeMs: 9, topic: "/data/x", payload: Uint8Array.of(1), retain: false };
    const body = encodeSegment(Array.from({ length: last - first + 1 }, () => item));
    const numbers = { origin, epoch: 7, streamId, first, items: last - first + 1 };
    const segment = { ...numbers, firstMs: 9, lastMs: 9, flags: 0, crc: nodeHasher.crc32(body), body, gap: undefined };
    writes.ingest({ child: origin, batch: { streams: [], lows: [], segments: [segment] }, nowMs: 3 });
  };
  const connect = (name: NodeName, state: "online" | "lost") => {
    const place = { level: "device", zone: undefined, tags: [] } as const;
    writes.putChild({ child: { name, uuid: "u", session: 1, conn: 1, place, state, sinceMs: 1 } });
  };
  /** The node runs for so long, and looks at everything. */
  const review = (ranMs: number) => {
    let after: ReturnType<typeof writes.reviewHoles>["next"] = null;
    let presumedLost = 0;
    let newestId = 0;
    const scattered: unknown[] = [];
    for (let rest = ranMs, pages = 0; pages === 0 || after !== null; pages++, rest = 0) {
      const page = writes.reviewHoles({ after, ranMs: rest });
      presumedLost += page.presumedLost;
      newestId = Math.max(newestId, page.newestId);
      scattered.push(...page.scattered);
      after = page.next;
    }
    for (const { row } of reads.accounting({})) expect(isBalanced(row)).toBe(true);
    return { presumedLost, newestId, scattered };
  };
  const entry = (origin = "pump-1") => reads.accounting({ origin })[0];
  return { open, hear, take, connect, review, entry, reads };
}

test("[O6] a hole that has not changed for 30 days of the root's running time is presumed lost, a gap of its own reason", () => {
  const { hear, take, review, entry } = world();
  hear("pump-1", 20);
  take(1, 5);
  take(9, 20);
  expect(review(0)).toMatchObject({ presumedLost: 0, newestId: 0 });
  expect(review(30 * day - 1).presumedLost).toBe(0);
  const { presumedLost, newestId } = review(1);
  expect(presumedLost).toBe(3);
  expect(newestId).toBeGreaterThan(0);
  expect(entry()).toMatchObject({
    row: { held: 17, lost: 3, ranges: [[1, 20]] },
    gaps: [{ first: 6, last: 8, reason: "presumed-lost" }],
  });
  expect(review(60 * day).presumedLost).toBe(0);
});

test("[O6] what comes after all is stored, and the gap is withdrawn", () => {
  const { hear, take, review, entry } = world();
  hear("pump-1", 20);
  take(9, 20);
  review(0);
  expect(review(31 * day).presumedLost).toBe(8);
  take(4, 12);
  expect(entry()).toMatchObject({ row: { held: 17, lost: 3 }, gaps: [{ first: 1, last: 3 }] });
  expect(review(0).presumedLost).toBe(0);
});

test("a hole that something came into is another hole, whose time begins anew; the others go on", () => {
  const { hear, take, review, entry } = world();
  hear("pump-1", 40);
  take(11, 20);
  take(31, 40);
  review(0);
  review(20 * day);
  take(10, 10);
  expect(review(10 * day).presumedLost).toBe(10);
  expect(entry()).toMatchObject({ row: { lost: 10 }, gaps: [{ first: 21, last: 30 }] });
  expect(review(30 * day - 1).presumedLost).toBe(0);
  expect(review(1).presumedLost).toBe(9);
});

test("what was overtaken goes when its time has come, and the tail that nobody has passed on yet never does", () => {
  const { hear, take, review } = world();
  hear("pump-1", 10);
  take(1, 5);
  take(8, 8);
  review(0);
  hear("pump-1", 12);
  expect(review(30 * day).presumedLost).toBe(2);
  expect(review(60 * day).presumedLost).toBe(0);
});

test("what a child may still send is not lost, however long it is away; nor is what somebody farther below may have behind its last word", () => {
  const { open, hear, take, connect, review } = world();
  connect(pump, "online");
  hear("pump-1", 20, 1, 6);
  take(11, 20);
  review(0);
  // 1 to 5 lie below what it may still send.
  expect(review(40 * day).presumedLost).toBe(5);
  expect(review(40 * day).presumedLost).toBe(0);
  open(); // started anew: nobody is connected
  review(0);
  expect(review(300 * day).presumedLost).toBe(0);
  const other = world();
  other.hear("pump-1", 30);
  other.take(11, 20);
  other.review(0);
  // 1 to 10 were overtaken; 21 to 30 may lie safe below.
  expect(other.review(300 * day).presumedLost).toBe(10);
});

test("of class final the origin keeps what the root does not have: nothing is presumed", () => {
  const { hear, take, review } = world({ streamClass: "final" });
  hear("pump-1", 20);
  take(11, 20);
  review(0);
  expect(review(400 * day).presumedLost).toBe(0);
});

test("only a root presumes: on the way, what is missing may have gone another way", () => {
  const { hear, take, review } = world({ isFinal: false });
  hear("pump-1", 20);
  take(11, 20);
  review(0);
  expect(review(400 * day).presumedLost).toBe(0);
});

test("all streams are looked at, a bounded number a write", () => {
  const { hear, take, review } = world();
  for (let index = 0; index < 150; index++) {
    hear(`pump-${index}`, 4);
    take(3, 4, `pump-${index}`);
  }
  review(0);
  expect(review(30 * day).presumedLost).toBe(300);
});

test("[O6] a stream in more pieces than the bound is told of at any node, until it is whole again", () => {
  for (const isFinal of [true, false]) {
    const { hear, take, review, entry } = world({ isFinal });
    const pieces = limits.rangesAlarm + 1;
    hear("pump-1", 2 * pieces);
    for (let index = 1; index < pieces; index++) take(2 * index, 2 * index);
    expect(review(0).scattered).toEqual([]);
    take(2 * pieces, 2 * pieces);
    expect(review(0).scattered).toEqual([{ origin: "pump-1", epoch: 7, stream: "data-1", ranges: pieces }]);
    take(1, 2 * pieces);
    expect(review(0).scattered).toEqual([]);
    expect(entry() && missingOf(entry()?.row ?? { ranges: [], high: 1 })).toBe(0);
  }
});
