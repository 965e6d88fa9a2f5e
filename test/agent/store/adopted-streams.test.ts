// A root whose journal knows less than its documents.
import { afterEach, expect, test } from "vitest";
import type { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { inMemory, openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { addInterval, countIntervals, type IntervalSet } from "#shared/journal/interval-set.ts";
import { isBalanced, missingOf } from "#shared/journal/ledger.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import type { DataHolding } from "#shared/system/document-store.ts";

const databases: DatabaseSync[] = [];
afterEach(() => {
  for (const database of databases.splice(0)) database.close();
});

const traits = { priority: 2, class: "custody", order: "live-first", policy: "oldest" } as const;
const own = [{ name: "data", ...traits }] as const;

function root() {
  const database = openDatabase(inMemory, { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  databases.push(database);
  const name = parseNodeName("cloud-1");
  const { writes, reads, rolledBack } = createNodeOperations(database, name, nodeHasher, { isFinal: true });
  const open = (hasDocuments = true, file = "disk") =>
    writes.open({
      fresh: { uuid: "u", epoch: 5, instance: 6 },
      fingerprint: { bootId: "boot", file, birth: undefined },
      streams: own,
      nowMs: 1,
      idsAbove: 0,
      hasDocuments,
    });
  const adopt = (...holdings: readonly DataHolding[]) => writes.adopt({ holdings, isLast: true });
  const describe = (high: number) =>
    writes.hear({
      child: "pump-1",
      streams: [{ origin: "pump-1", epoch: 7, streamId: 3, name: "data", high, ...traits }],
      lows: [],
      nowMs: 2,
    });
  const ingest = (first: number, last: number) => {
    const item = { timeMs: 9, topic: "/data/x", payload: Uint8Array.of(1), retain: false };
    const body = encodeSegment(Array.from({ length: last - first + 1 }, () => item));
    const numbers = { origin: "pump-1", epoch: 7, streamId: 3, first, items: last - first + 1 };
    const segment = { ...numbers, firstMs: 9, lastMs: 9, flags: 0, crc: nodeHasher.crc32(body), body, gap: undefined };
    return writes.ingest({ child: "pump-1", batch: { streams: [], lows: [], segments: [segment] }, nowMs: 3 });
  };
  const rows = () => {
    const all = reads.accounting({ origin: "pump-1" }).map(({ row }) => row);
    for (const row of all) expect({ row, balanced: isBalanced(row) }).toMatchObject({ balanced: true });
    return all;
  };
  return { database, open, adopt, describe, ingest, rows, reads, rolledBack };
}

const holding = (ranges: IntervalSet, stream = "data"): DataHolding => ({ origin: "pump-1", epoch: 7, stream, ranges });

test("[R3] a new database of a root asks for the documents until it has all of them; one without documents, or that is known, does not", () => {
  const { open, adopt } = root();
  expect(open().adopts).toBe(true);
  expect(open().adopts).toBe(true);
  adopt();
  expect(open().adopts).toBe(false);
  expect(root().open(false).adopts).toBe(false);
});

test("[R1] a database that was put back from a copy asks for the documents, too", () => {
  const { open, adopt } = root();
  open();
  adopt();
  expect(open(true, "another disk")).toMatchObject({ renewed: "other-file", adopts: true });
});

test("[R3] what the documents have is in the accounts before anybody has described it, and becomes the stream's own ranges then", () => {
  const { open, adopt, describe, ingest, rows, reads } = root();
  open();
  adopt(
    holding([
      [1, 10],
      [15, 20],
    ]),
  );
  expect(rows()).toMatchObject([{ stream: "data", epoch: 7, high: 20, delivered: 16, held: 0, heardAtMs: 0 }]);
  expect(reads.totals({}).rows.filter(({ origin }) => origin === "pump-1")).toMatchObject([{ delivered: 16 }]);
  expect(reads.holdings({ node: "pump-1" })).toEqual([]);
  describe(25);
  expect(rows()).toMatchObject([{ streamId: 3, high: 25, delivered: 16, heardAtMs: 2 }]);
  expect(ingest(8, 17)).toMatchObject({ stored: 4, duplicates: 6 });
  expect(rows()).toMatchObject([{ high: 25, delivered: 16, held: 4 }]);
  expect(ingest(1, 20)).toMatchObject({ stored: 0, duplicates: 20 });
});

test("[R3] a stream that is known already takes over what it lacks at once, each number once", () => {
  const { open, adopt, describe, ingest, rows } = root();
  open();
  describe(0);
  ingest(5, 8);
  adopt(holding([[1, 10]]));
  adopt(holding([[1, 10]]));
  expect(rows()).toMatchObject([{ high: 10, delivered: 6, held: 4, ranges: [[1, 10]] }]);
});

test("other streams and epochs of the same node stay as they are", () => {
  const { open, adopt, describe, rows } = root();
  open();
  adopt(holding([[1, 4]], "alarms"), { ...holding([[1, 5]]), epoch: 8 });
  describe(2);
  expect(rows().map(({ epoch, stream, delivered }) => [epoch, stream, delivered])).toEqual([
    [7, "data", 0],
    [7, "alarms", 4],
    [8, "data", 5],
  ]);
});

test("a transaction that is rolled back gives back what it took over", () => {
  const { database, open, adopt, describe, rows, rolledBack } = root();
  open();
  adopt(holding([[1, 4]]));
  database.exec("BEGIN");
  describe(4);
  database.exec("ROLLBACK");
  rolledBack();
  describe(4);
  expect(rows()).toMatchObject([{ streamId: 3, delivered: 4 }]);
});

test("[R3] property: whatever the documents have and whatever comes again, every number counts once", () => {
  const range = fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 9 }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), fc.array(range, { maxLength: 8 }), fc.nat(8), (stored, sent, at) => {
      const { open, adopt, describe, ingest, rows } = root();
      const union = (ranges: typeof stored): IntervalSet =>
        ranges.reduce<IntervalSet>((set, [first, more]) => addInterval(set, first, first + more), []);
      open();
      if (at % 2 === 0) describe(0);
      if (stored.length > 0) adopt(holding(union(stored)));
      describe(70);
      for (const [first, more] of sent) ingest(first, first + more);
      const [row] = rows();
      expect(row).toMatchObject({ high: 70, delivered: countIntervals(union(stored)) });
      expect(row && 70 - missingOf(row)).toBe(countIntervals(union([...stored, ...sent])));
      for (const database of databases.splice(0)) database.close();
    }),
    { numRuns: 60 },
  );
});
