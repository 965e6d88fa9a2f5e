// A new epoch for what is stored and not acknowledged.
import { afterEach, expect, test } from "vitest";
import type { DatabaseSync } from "node:sqlite";
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { packRanges } from "#agent/store/packed-ranges.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import { encodeSegment, segmentFlags } from "#shared/journal/segment.ts";

const databases: DatabaseSync[] = [];
afterEach(() => {
  for (const database of databases.splice(0)) database.close();
});

function openFile(maxBytes?: number): DatabaseSync {
  const bound = maxBytes === undefined ? {} : { maxBytes };
  const database = openDatabase(":memory:", { migrations: nodeMigrations, cacheBytes: 1_000_000, ...bound });
  databases.push(database);
  return database;
}

function open(maxBytes?: number) {
  return operate(openFile(maxBytes), "custody");
}

function operate(database: DatabaseSync, streamClass: "custody" | "final") {
  const node = createNodeOperations(database, parseNodeName("device-1"), nodeHasher);
  const streams = [{ name: "data", priority: 2, class: streamClass, order: "live-first", policy: "oldest" }] as const;
  node.writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams, nowMs: 1, idsAbove: 0 });
  return node;
}

type Node = ReturnType<typeof open>;

/** Counts the rows that are read one by one from here on. */
function countRows(database: DatabaseSync): { rows: number } {
  const count = { rows: 0 };
  const prepare = database.prepare.bind(database);
  database.prepare = (...args: Parameters<typeof prepare>) => {
    const statement = prepare(...args);
    const iterate = statement.iterate.bind(statement);
    statement.iterate = function* (...values: never[]): ReturnType<typeof iterate> {
      for (const row of iterate(...values)) {
        count.rows++;
        yield row;
      }
      return undefined;
    } as typeof iterate;
    return statement;
  };
  return count;
}

function append(node: Node, value: number, items = 1): number {
  const item = { timeMs: value, topic: "/data/x", payload: Uint8Array.of(value), retain: false };
  const body = encodeSegment(Array.from({ length: items }, () => item));
  return node.writes.append({ streamId: 1, items, firstMs: value, lastMs: value, body }).first;
}

function acknowledge(node: Node, first: number, last: number): void {
  node.writes.forget({ acked: [{ origin: "device-1", epoch: 5, streamId: 1, ranges: [[first, last]] }] });
}

function rows(node: Node) {
  const all = node.reads.accounting({}).map(({ row }) => row);
  for (const row of all) expect({ row, balanced: isBalanced(row) }).toMatchObject({ balanced: true });
  return all.map(({ epoch, high, delivered, lost, held }) => ({ epoch, high, delivered, lost, held }));
}

const fresh = { epoch: 7, instance: 8 };

test("[O4] what is stored keeps its order under the new epoch, in front of what is appended meanwhile, and is marked", () => {
  const node = open();
  for (const value of [1, 2, 3, 4]) append(node, value, value);
  acknowledge(node, 1, 3);
  node.writes.renewEpoch({ fresh, holds: [], nowMs: 2 });
  expect(append(node, 5)).toBe(8);
  expect(rows(node)).toEqual([
    { epoch: 5, high: 10, delivered: 3, lost: 0, held: 7 },
    { epoch: 7, high: 8, delivered: 0, lost: 0, held: 1 },
  ]);
  expect(node.writes.renumber({}).isDone).toBe(false);
  expect(node.writes.renumber({}).isDone).toBe(true);
  expect(rows(node)).toEqual([
    { epoch: 5, high: 10, delivered: 3, lost: 7, held: 0 },
    { epoch: 7, high: 8, delivered: 0, lost: 0, held: 8 },
  ]);
  const data = node.reads.after({ id: 0, bytesMax: 1e6 }).segments.filter(({ body }) => body !== null);
  expect(data.map(({ epoch, first, items, flags }) => ({ epoch, first, items, flags }))).toEqual([
    { epoch: 7, first: 1, items: 3, flags: segmentFlags.maybeDuplicate },
    { epoch: 7, first: 4, items: 4, flags: segmentFlags.maybeDuplicate },
    { epoch: 7, first: 8, items: 1, flags: 0 },
  ]);
});

test("[O3] numbers set aside for what has gone meanwhile are named as well", () => {
  const node = open();
  for (const value of [1, 2, 3]) append(node, value);
  node.writes.renewEpoch({ fresh, holds: [], nowMs: 2 });
  node.writes.quarantine({ origin: "device-1", epoch: 5, streamId: 1, first: 2, reason: "corrupt", nowMs: 3 });
  while (!node.writes.renumber({}).isDone);
  expect(rows(node)).toEqual([
    { epoch: 5, high: 3, delivered: 0, lost: 3, held: 0 },
    { epoch: 7, high: 3, delivered: 0, lost: 1, held: 2 },
  ]);
});

test("in bounded steps: a long backlog takes several", () => {
  const node = open();
  for (let value = 0; value < 600; value++) append(node, value % 256);
  node.writes.renewEpoch({ fresh, holds: [], nowMs: 2 });
  let steps = 0;
  while (!node.writes.renumber({}).isDone) steps++;
  expect(steps).toBe(3);
  expect(rows(node)).toMatchObject([{ lost: 600 }, { held: 600 }]);
});

test("[O10] another file takes a new epoch before its first append, and keeps what is stored under the old one", () => {
  const node = open();
  const fingerprint = { bootId: "boot-1", file: "8:15", birth: "1" };
  const again = (file: string, epoch: number) =>
    node.writes.open({
      fresh: { uuid: "v", epoch, instance: epoch },
      fingerprint: { ...fingerprint, file },
      streams: [{ name: "data", priority: 2, class: "custody", order: "live-first", policy: "oldest" }],
      nowMs: 1,
      idsAbove: 0,
    });
  expect(again("8:15", 20).renewed).toBeUndefined();
  expect(append(node, 1)).toBe(1);
  expect(again("8:16", 21)).toMatchObject({ renewed: "other-file", identity: { uuid: "u", epoch: 21, instance: 21 } });
  expect(append(node, 2)).toBe(1);
  expect(rows(node)).toEqual([
    { epoch: 5, high: 1, delivered: 0, lost: 0, held: 1 },
    { epoch: 21, high: 1, delivered: 0, lost: 0, held: 1 },
  ]);
});

test("a file that has no room for another segment gives its segments new numbers all the same", () => {
  const node = open(1_000_000);
  const item = { timeMs: 1, topic: "/data/x", payload: new Uint8Array(150_000), retain: false };
  const large = { streamId: 1, items: 1, firstMs: 1, lastMs: 1, body: encodeSegment([item]) };
  for (let count = 0; count < 5; count++) node.writes.append(large);
  expect(() => node.writes.append(large)).toThrow("full");
  node.writes.renewEpoch({ fresh, holds: [], nowMs: 2 });
  while (!node.writes.renumber({}).isDone);
  expect(rows(node)).toEqual([
    { epoch: 5, high: 5, delivered: 0, lost: 5, held: 0 },
    { epoch: 7, high: 5, delivered: 0, lost: 0, held: 5 },
  ]);
  const data = node.reads.after({ id: 0, bytesMax: 1e7 }).segments.filter(({ body }) => body !== null);
  expect(data.map(({ first, body }) => ({ first, body }))).toEqual(
    [1, 2, 3, 4, 5].map((first) => ({ first, body: large.body })),
  );
});

test("[O10] of an earlier epoch: its messages go under the new one, those of the present one stay; streams keep apart by their names", () => {
  const node = open();
  const start = (bootId: string, epoch: number, names: readonly string[]) =>
    node.writes.open({
      fresh: { uuid: "u", epoch, instance: epoch },
      fingerprint: { bootId, file: undefined, birth: undefined },
      streams: names.map((name) => ({ name, priority: 2, class: "custody", order: "live-first", policy: "oldest" })),
      nowMs: 1,
      idsAbove: 0,
    });
  start("boot-1", 5, ["data"]);
  append(node, 1, 3);
  // The configuration has changed: what is stream 1 now was none before.
  expect(start("boot-2", 6, ["alarms", "log"])).toMatchObject({ identity: { epoch: 6 }, streamIds: [1, 2] });
  append(node, 2, 2);
  node.writes.renewEpoch({ fresh, of: 5, holds: [], nowMs: 2 });
  expect(append(node, 3)).toBe(1);
  while (!node.writes.renumber({}).isDone);
  const all = node.reads.accounting({}).map(({ row }) => row);
  expect(all.map(({ epoch, stream, high, held, lost }) => ({ epoch, stream, high, held, lost }))).toEqual([
    { epoch: 5, stream: "data", high: 3, held: 0, lost: 3 },
    { epoch: 6, stream: "alarms", high: 2, held: 2, lost: 0 },
    { epoch: 6, stream: "log", high: 0, held: 0, lost: 0 },
    { epoch: 7, stream: "alarms", high: 1, held: 1, lost: 0 },
    { epoch: 7, stream: "log", high: 0, held: 0, lost: 0 },
    { epoch: 7, stream: "data", high: 3, held: 3, lost: 0 },
  ]);
  for (const row of all) expect({ row, balanced: isBalanced(row) }).toMatchObject({ balanced: true });
});

test("[O3] what an older copy has given up under numbers that its lost original had handed on is lost under new ones", () => {
  const node = open();
  append(node, 1);
  node.writes.meet({ parent: "fog-1", instance: 1 });
  const streams = [{ name: "data", priority: 2, class: "custody", order: "live-first", policy: "oldest" }] as const;
  node.writes.open({ fresh: { uuid: "u", epoch: 5, instance: 6 }, streams, nowMs: 1, idsAbove: 0 });
  // From here on nobody can have a number of this database.
  for (const value of [2, 3, 4, 5, 6]) append(node, value);
  const giveUp = (first: number, reason: "evicted" | "expired") =>
    node.writes.quarantine({ origin: "device-1", epoch: 5, streamId: 1, first, reason, nowMs: 3 });
  for (const first of [1, 2, 3]) giveUp(first, "evicted");
  giveUp(6, "expired");
  node.writes.renewEpoch({ fresh, holds: [{ epoch: 5, streamId: 1, ranges: [[1, 4]] }], nowMs: 2 });
  while (!node.writes.renumber({}).isDone);
  expect(rows(node)).toEqual([
    { epoch: 5, high: 6, delivered: 0, lost: 6, held: 0 },
    { epoch: 7, high: 5, delivered: 0, lost: 3, held: 2 },
  ]);
  const gaps = node.reads
    .accounting({})
    .map((entry) => entry.gaps.map(({ first, last, reason }) => [first, last, reason]));
  // The first one the original had as well: it is lost under the number that it had.
  expect(gaps).toEqual([
    [
      [1, 1, "evicted"],
      [2, 6, "renumbered"],
    ],
    [
      [3, 4, "evicted"],
      [5, 5, "expired"],
    ],
  ]);
  expect(append(node, 7)).toBe(6);
});

test("[O10] [O3] an earlier epoch of which everything was given up waits for its numbers to be compared too", () => {
  const node = open();
  const start = (bootId: string, epoch: number) =>
    node.writes.open({
      fresh: { uuid: "u", epoch, instance: epoch },
      fingerprint: { bootId, file: undefined, birth: undefined },
      streams: [{ name: "data", priority: 2, class: "custody", order: "live-first", policy: "oldest" }],
      nowMs: 1,
      idsAbove: 0,
    });
  start("boot-1", 20);
  append(node, 1);
  node.writes.quarantine({ origin: "device-1", epoch: 5, streamId: 1, first: 1, reason: "evicted", nowMs: 3 });
  start("boot-2", 21);
  const holds = [{ epoch: 5, streamId: 1, ranges: [[1, 3]] }] as const;
  expect(node.reads.evidence({ holds }).own).toMatchObject([{ epoch: 5, high: 1, offered: 0, isWaiting: true }]);
  node.writes.renewEpoch({ fresh, of: 5, holds, nowMs: 2 });
  while (!node.writes.renumber({}).isDone);
  expect(rows(node)).toContainEqual({ epoch: 7, high: 1, delivered: 0, lost: 1, held: 0 });
  expect(node.reads.evidence({ holds }).own).toMatchObject([{ epoch: 5, isWaiting: false }]);
});

test("[O10] a new epoch is taken once: what was given up in the old one, also beyond what the parent has, waits for nothing more", () => {
  const node = open();
  for (const value of [1, 2, 3]) append(node, value);
  for (const first of [1, 3])
    node.writes.quarantine({ origin: "device-1", epoch: 5, streamId: 1, first, reason: "evicted", nowMs: 3 });
  const holds = [{ epoch: 5, streamId: 1, ranges: [[1, 2]] }] as const;
  for (const nothing of [[], holds]) {
    node.writes.renewEpoch({ fresh, of: 5, holds: nothing, nowMs: 2 });
    while (!node.writes.renumber({}).isDone);
    expect(node.reads.evidence({ holds }).own).toMatchObject([{ epoch: 5, isWaiting: false }]);
    expect(rows(node)).toContainEqual({ epoch: 7, high: 3, delivered: 0, lost: 2, held: 1 });
  }
});

test("class final: however much the parent has, only what it has not is looked at, and gets new numbers in order", () => {
  const database = openFile();
  const count = countRows(database);
  const node = operate(database, "final");
  for (let value = 1; value <= 1_000; value++) append(node, value % 256, 2);
  // Of the segments 299…300, 301…302 and 1001…1002 the parent has a part at most, and nothing of the last ten.
  const handed = packRanges([
    [1, 299],
    [302, 1000],
    [1003, 1980],
  ]);
  database.prepare("UPDATE stream SET handed = ?").run(handed);
  count.rows = 0;
  expect(node.reads.evidence({ holds: [{ epoch: 5, streamId: 1, ranges: [[1, 1980]] }] }).own).toMatchObject([
    { epoch: 5, isWaiting: true },
  ]);
  expect(count.rows).toBe(1);
  count.rows = 0;
  node.writes.renewEpoch({ fresh, holds: [], nowMs: 2 });
  while (!node.writes.renumber({}).isDone);
  expect(count.rows).toBe(2 * 13);
  const moved = node.reads.after({ id: 0, bytesMax: 1e7 }).segments.filter(({ epoch, body }) => epoch === 7 && body);
  expect(moved.map(({ first }) => first)).toEqual(Array.from({ length: 13 }, (_, index) => 1 + 2 * index));
  expect(rows(node)).toMatchObject([
    { epoch: 5, held: 1_974, lost: 26 },
    { epoch: 7, held: 26 },
  ]);
});
