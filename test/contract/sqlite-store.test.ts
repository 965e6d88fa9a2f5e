import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqlDatabase } from "#agent/store/sql-database.ts";
import { createSqliteStore, documentMigrations, findStatements } from "#cloud/storage/sqlite-store.ts";
import type { DataQuery } from "#shared/system/document-store.ts";
import { documentAt, testDocumentStore } from "./document-store-contract.ts";

testDocumentStore("sqlite", async () => createSqliteStore(await openSqlDatabase(":memory:", documentMigrations)));

test("sqlite: documents are there after the file is opened again", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fogbank-documents-"));
  const open = async () =>
    createSqliteStore(await openSqlDatabase(join(directory, "documents.db"), documentMigrations));
  try {
    {
      await using store = await open();
      await store.insertData([documentAt(1), documentAt(2)]);
    }
    await using store = await open();
    expect(await store.insertData([documentAt(2), documentAt(3)])).toEqual({ inserted: 1, duplicates: 1 });
    expect(await store.findData({ limit: 10 })).toEqual([documentAt(1), documentAt(2), documentAt(3)]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("sqlite: every page is read through an index, and only arrivals are ever sorted", async () => {
  await using database = await openSqlDatabase(":memory:", documentMigrations);
  const whole = { origin: "a", stream: "s", path: "x" };
  const filters: readonly Omit<DataQuery, "limit">[] = [
    {},
    { origin: "a" },
    { stream: "s" },
    { path: "x" },
    { origin: "a", stream: "s" },
    { origin: "a", path: "x" },
    whole,
    { path: "x/#" },
    { origin: "a", path: "x/#" },
    { ...whole, path: "x/#" },
    { path: "#" },
  ];
  for (const filter of filters) {
    for (const { sql, params } of findStatements({ ...filter, after: 5, limit: 10 })) {
      const steps = (await database.query(`EXPLAIN QUERY PLAN ${sql}`, params)).map((row) => String(row["detail"]));
      const scans = steps.filter(
        (step) => step.startsWith("SCAN") && !/^SCAN (below|branch|page|CONSTANT ROW)/.test(step),
      );
      expect(scans, `${JSON.stringify(filter)}: ${steps.join("; ")}`).toEqual([]);
      const isMerge = sql.includes("RECURSIVE");
      expect(steps.filter((step) => step.includes("TEMP B-TREE")).length).toBe(isMerge ? 1 : 0);
    }
  }
});
