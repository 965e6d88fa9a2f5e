import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqlDatabase } from "#agent/store/sql-database.ts";
import { fetchStatement } from "#cloud/storage/block-pages.ts";
import { documentMigrations } from "#cloud/storage/document-schema.ts";
import { createSqliteStore } from "#cloud/storage/sqlite-store.ts";
import { documentAt, insert } from "../fakes/made-documents.ts";
import { testDocumentStore } from "./document-store-contract.ts";

testDocumentStore("sqlite", async () => createSqliteStore(await openSqlDatabase(":memory:", documentMigrations)));

test("sqlite: documents are there after the file is opened again", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fogbank-documents-"));
  const open = async () =>
    createSqliteStore(await openSqlDatabase(join(directory, "documents.db"), documentMigrations));
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
    await using store = createSqliteStore(await openSqlDatabase(join(directory, file), documentMigrations));
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
