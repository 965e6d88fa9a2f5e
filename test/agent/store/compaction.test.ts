import fc from "fast-check";
import { expect, test } from "vitest";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { emptyIntervals, type IntervalSet } from "#shared/journal/interval-set.ts";
import { isBalanced } from "#shared/journal/ledger.ts";
import { decodeSegment, encodeSegment } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";

function world(options: { readonly isFinal?: boolean; readonly sent?: IntervalSet } = {}) {
  const { isFinal = false, sent = emptyIntervals } = options;
  const database = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  const operations = createNodeOperations(database, parseNodeName("node-1"), nodeHasher, {
    isFinal,
    sentOf: () => sent,
  });
  const { writes, reads } = operations;
  const traits = { priority: 2, class: "custody", order: "live-first", policy: "oldest" } as const;
  const fresh = { uuid: "u", epoch: 5, instance: 6 };
  writes.open({ fresh, streams: [{ name: "data", ...traits }], nowMs: 1, idsAbove: 0 });
  let number = 0;
  const node = {
    database,
    writes,
    append(items: number, bytes = 20) {
      const list = Array.from({ length: items }, () => {
        const payload = new Uint8Array(bytes);
        new DataView(payload.buffer).setUint32(0, ++number);
        return { timeMs: number, topic: "/data/x", payload, retain: false };
      });
      const times = { firstMs: list[0]?.timeMs ?? 0, lastMs: list.at(-1)?.timeMs ?? 0 };
      writes.append({ streamId: 1, items, ...times, body: encodeSegment(list) });
    },
    /** Says that local subscribers have heard everything up to that id. */
    published: (id: number) => writes.moveCursor({ cursor: "fan-out", id }),
    compactAll() {
      let turns = 0;
      while (writes.compact({}).more) if (++turns > 10_000) throw new Error("it does not end");
      return turns;
    },
    segments: () => reads.after({ id: 0, bytesMax: 1e9 }).segments.toSorted((a, b) => a.first - b.first),
    numbers: () =>
      node
        .segments()
        .flatMap(({ body, items }) => (body === null ? [] : (decodeSegment(body, items) ?? [])))
        .map(({ payload }) => new DataView(payload.buffer, payload.byteOffset).getUint32(0)),
    row: () => {
      const [entry] = reads.accounting({});
      if (entry === undefined) throw new Error("there is no stream");
      return entry.row;
    },
    rows: () => Number(database.prepare("SELECT segments FROM stream").get()?.["segments"]),
  };
  return node;
}

test("a transaction makes a bounded number of segments, and the next goes on", () => {
  const node = world();
  for (let count = 0; count < 12_000; count++) node.append(1);
  node.published(12_000);
  const portions: number[] = [];
  for (let more = true; more; portions.push(node.rows())) ({ more } = node.writes.compact({}));
  expect(portions).toEqual([4_008, 12]);
});

test("small segments become full ones; what may still grow stays as it is", () => {
  const node = world();
  for (let count = 0; count < 3_500; count++) node.append(1);
  node.published(3_500);
  node.compactAll();
  const segments = node.segments();
  expect(segments.filter(({ items }) => items > 1).map(({ first, items }) => [first, items])).toEqual([
    [1, 1_000],
    [1_001, 1_000],
    [2_001, 1_000],
  ]);
  expect(node.rows()).toBe(503);
  expect(segments).toHaveLength(503);
  expect(segments[1]).toMatchObject({ firstMs: 1_001, lastMs: 2_000 });
  for (const { body, crc } of segments) expect(body !== null && nodeHasher.crc32(body)).toBe(crc);
  expect(node.numbers()).toEqual(Array.from({ length: 3_500 }, (_, index) => index + 1));
  expect(isBalanced(node.row())).toBe(true);
  expect(node.writes.compact({}).more).toBe(false);
});

test("a full segment ends at its bytes, too", () => {
  const node = world();
  for (let count = 0; count < 2_000; count++) node.append(1, 4_000);
  node.published(2_000);
  node.compactAll();
  const merged = node.segments().filter(({ items }) => items > 1);
  expect(merged.length).toBeGreaterThan(10);
  for (const { body } of merged) expect(body?.length).toBeLessThanOrEqual(limits.segmentBytes);
  expect(node.numbers()).toHaveLength(2_000);
});

test("few segments are left alone, and at a root all are: their ids count arrivals", () => {
  const few = world();
  for (let count = 0; count < 1_000; count++) few.append(1);
  few.published(1_000);
  expect(few.writes.compact({}).more).toBe(false);
  const root = world({ isFinal: true });
  for (let count = 0; count < 1_500; count++) root.append(1);
  root.published(1_500);
  expect(root.writes.compact({}).more).toBe(false);
});

test("what local subscribers have not heard, or is on its way, keeps its bounds", () => {
  const node = world({ sent: [[1_200, 1_300]] });
  for (let count = 0; count < 3_000; count++) node.append(1);
  node.published(2_000);
  node.compactAll();
  for (const { first, items, id } of node.segments()) {
    if (first > 2_000 || (first >= 1_200 && first <= 1_300)) expect(items).toBe(1);
    expect(id).toBe(first);
  }
  expect(
    node
      .segments()
      .filter(({ items }) => items > 1)
      .map(({ first, items }) => [first, items]),
  ).toEqual([
    [1, 1_000],
    [1_001, 199],
    [1_301, 700],
  ]);
});

test("a body that does not match its checksum is not covered up", () => {
  const node = world();
  for (let count = 0; count < 1_500; count++) node.append(1);
  node.published(1_500);
  node.database.exec("UPDATE segment SET crc = crc + 1 WHERE first = 500");
  node.compactAll();
  const damaged = node.segments().find(({ first }) => first === 500);
  expect(damaged).toMatchObject({ items: 1 });
  expect(damaged?.body && nodeHasher.crc32(damaged.body)).not.toBe(damaged?.crc);
  for (const { first, body, crc } of node.segments())
    if (first !== 500) expect(body !== null && nodeHasher.crc32(body)).toBe(crc);
});

test("[O3] whatever is merged, handed on and given up: every number is there once, in order, and the ledger sums", () => {
  const step = fc.tuple(
    fc.constantFrom("append", "append", "compact", "forget", "quarantine"),
    fc.integer({ min: 1, max: 900 }),
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 15 }), (steps) => {
      const node = world();
      for (let count = 0; count < 1_200; count++) node.append(1 + (count % 3 === 0 ? 1 : 0));
      for (const [what, size] of steps) {
        if (what === "append") node.append(size);
        if (what === "compact") {
          node.published(node.segments().at(-1)?.id ?? 0);
          for (let turn = 0; turn < size % 4; turn++) node.writes.compact({});
        }
        const acked = { origin: "node-1", epoch: 5, streamId: 1, ranges: [[1, size]] as const };
        if (what === "forget") node.writes.forget({ acked: [acked] });
        const first = node.segments()[size % 100]?.first ?? 0;
        const given = { origin: "node-1", epoch: 5, streamId: 1, first, reason: "corrupt", nowMs: 1 } as const;
        if (what === "quarantine") node.writes.quarantine(given);
        const numbers = node.numbers();
        expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        expect(new Set(numbers).size).toBe(numbers.length);
        expect(node.row().held).toBe(numbers.length);
        expect(node.rows()).toBe(node.segments().length);
        expect(isBalanced(node.row())).toBe(true);
      }
    }),
    { numRuns: 8 },
  );
});
