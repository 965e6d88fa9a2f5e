import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqlDatabase } from "#agent/store/sql-database.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { fetchStatement } from "#cloud/storage/block-pages.ts";
import { documentMigrations } from "#cloud/storage/document-schema.ts";
import { createSqliteStore } from "#cloud/storage/sqlite-store.ts";
import { documentAt, insert } from "../fakes/made-documents.ts";
import { testDocumentStore } from "./document-store-contract.ts";

testDocumentStore("sqlite", async () =>
  createSqliteStore(await openSqlDatabase(":memory:", documentMigrations), nodeHasher),
);

test("sqlite: documents are there after the file is opened again", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fogbank-documents-"));
  const open = async () =>
    createSqliteStore(await openSqlDatabase(join(directory, "documents.db"), documentMigrations), nodeHasher);
  try {
    {
      await using store = await open();
      await insert(store, [documentAt(1), documentAt(2)]);
    }
    await using store = await open();
    expect(await insert(store, [documentAt(2), documentAt(3)])).toEqual({ inserted: 1, duplicates: 1 });
    expect(await store.findData({ limit: 10 })).toEqual([documentAt(1), documentAt(2), documentAt(3)]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("sqlite: each file has an instance of its own, and keeps it", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fogbank-documents-"));
  const instanceOf = async (file: string) => {
    await using store = createSqliteStore(await openSqlDatabase(join(directory, file), documentMigrations), nodeHasher);
    return store.instance();
  };
  try {
    const [one, other, again] = [await instanceOf("one.db"), await instanceOf("other.db"), await instanceOf("one.db")];
    expect(other).not.toBe(one);
    expect(again).toBe(one);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("sqlite: a block whose bits have changed is not served, and told, by the next check and by that which gets there", async () => {
  await using database = await openSqlDatabase(":memory:", documentMigrations);
  const store = createSqliteStore(database, nodeHasher);
  for (const arrival of [1, 2, 3]) await insert(store, [documentAt(arrival, { payload: new Uint8Array(40).fill(1) })]);
  const damage = (arrival: number) =>
    database.transact([
      {
        sql: "UPDATE block SET body = CAST(substr(body, 1, length(body) - 1) || x'55' AS BLOB) WHERE id = ?",
        params: [[arrival]],
      },
    ]);
  await damage(2);
  const told = [{ origin: "plant-1", epoch: 7, stream: "data", first: 2, items: 1, arrival: 2 }];
  expect(await store.checkBlocks(0)).toEqual({ damaged: told, next: 3 });
  expect(await store.checkBlocks(3)).toEqual({ damaged: [], next: undefined });
  let met = 0;
  using _ = store.onDamaged(() => met++);
  expect((await store.findData({ limit: 10 })).map(({ seq }) => seq)).toEqual([1, 3]);
  expect((await store.findData({ limit: 10 })).map(({ seq }) => seq)).toEqual([1, 3]);
  expect(met).toBe(1);
  expect(await store.checkBlocks(3)).toEqual({ damaged: told, next: undefined });
  await store.discardBlock(2);
  expect(await store.checkBlocks(0)).toEqual({ damaged: [], next: 3 });
  expect(await store.countData("plant-1", 7, "data")).toBe(2);
  // It comes again from below, even in its old place.
  expect(await insert(store, [documentAt(2)])).toEqual({ inserted: 1, duplicates: 0 });
  expect((await store.findData({ limit: 10 })).map(({ seq }) => seq)).toEqual([1, 2, 3]);
});

test("sqlite: what was stored without a checksum is damaged when it cannot be read whole", async () => {
  await using database = await openSqlDatabase(":memory:", documentMigrations);
  const store = createSqliteStore(database, nodeHasher);
  await insert(store, [documentAt(1)]);
  await insert(store, [documentAt(2)]);
  const run = (sql: string) => database.transact([{ sql, params: [[]] }]);
  await run("UPDATE block SET crc = NULL");
  expect(await store.checkBlocks(0)).toEqual({ damaged: [], next: 2 });
  await run("UPDATE block SET body = zeroblob(length(body)) WHERE id = 2");
  expect(await store.checkBlocks(0)).toMatchObject({ damaged: [{ first: 2 }] });
  expect((await store.findData({ limit: 10 })).map(({ seq }) => seq)).toEqual([1]);
});

test("sqlite: a page, a count and a span are each one range of an index, and nothing large is sorted", async () => {
  await using database = await openSqlDatabase(":memory:", documentMigrations);
  const selections = [
    { origin: 0, filter: undefined, stream: undefined },
    { origin: 0, filter: 5, stream: undefined },
    { origin: 3, filter: 5, stream: undefined },
    { origin: 3, filter: 5, stream: 4 },
  ];
  for (const selection of selections) {
    const { sql, params } = fetchStatement(selection, 5_000, 10);
    const steps = (await database.query(`EXPLAIN QUERY PLAN ${sql}`, params)).map((row) => String(row["detail"]));
    const scans = steps.filter(
      (step) => step.startsWith("SCAN") && !/^SCAN (picked|sized|\(subquery-\d+\))/.test(step),
    );
    expect(scans, steps.join("; ")).toEqual([]);
    const first = steps.find((step) => step.startsWith("SEARCH"));
    if (selection.filter === undefined) expect(first).toContain("SEARCH at USING INTEGER PRIMARY KEY (rowid>?)");
    else expect(first).toContain("SEARCH entry USING PRIMARY KEY (origin=? AND filter=? AND block>?)");
    // What is put in order is the few numbers of `picked`.
    expect(steps.filter((step) => step.includes("TEMP B-TREE")).length).toBeLessThanOrEqual(1);
  }
});
