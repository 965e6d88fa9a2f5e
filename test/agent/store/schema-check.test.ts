import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { isDistinctive, storedTrees } from "#agent/store/salvage-schema.ts";
import { schemaFault, schemasOf, versionLike } from "#agent/store/schema-check.ts";
import { append, openStore, own } from "./salvage-scene.ts";

const migrations = [
  "CREATE TABLE data(id INTEGER PRIMARY KEY, topic TEXT NOT NULL)",
  "ALTER TABLE data ADD COLUMN note TEXT NOT NULL DEFAULT ''; CREATE INDEX by_topic ON data(topic)",
  "UPDATE data SET note = 'none'",
];
const schemas = schemasOf(migrations);

function migrated(version: number, more = ""): DatabaseSync {
  const database = new DatabaseSync(":memory:");
  onTestFinished(() => database.close());
  for (const script of [...migrations.slice(0, version), more]) database.exec(script);
  return database;
}

test("a schema is as its migrations make it, whatever else somebody has put beside it", () => {
  for (const version of [0, 1, 2, 3]) expect(schemaFault(migrated(version), schemas, version)).toBeUndefined();
  expect(schemaFault(migrated(3, "CREATE INDEX mine ON data(note)"), schemas, 3)).toBeUndefined();
  expect(schemaFault(migrated(3, "DROP INDEX by_topic"), schemas, 3)).toContain("index by_topic");
  expect(schemaFault(migrated(2), schemas, 1)).toContain("table data");
  expect(schemaFault(migrated(1), schemas, 0)).toContain("table data");
});

test("the version of a schema is told by what is left of it, and by the stated one where several are alike", () => {
  const entries = (database: DatabaseSync) =>
    database
      .prepare("SELECT type, name, tbl_name AS owner, sql FROM sqlite_schema")
      .all()
      .map(({ type, name, owner, sql }) => ({ type, name, owner, sql }));
  expect([1, 2, 3].map((version) => versionLike(entries(migrated(version)), schemas, 0))).toEqual([1, 3, 3]);
  expect(versionLike(entries(migrated(2)), schemas, 2)).toBe(2);
  expect(versionLike(entries(migrated(3)), schemas, 1)).toBe(3);
  expect(versionLike(entries(migrated(3)).slice(0, 1), schemas, 77)).toBe(3);
  expect(versionLike([], schemas, 2)).toBeUndefined();
  expect(versionLike([{ type: "table", name: "other", owner: "other", sql: "" }], schemas, 2)).toBeUndefined();
});

/** Wherever it stands: pages keep what was written there before. */
function misspell(file: Buffer, right: string, wrong: string): void {
  for (let at = file.indexOf(right); at !== -1; at = file.indexOf(right, at + 1)) file.write(wrong, at);
}

/** The file of a node that has stored four messages, changed, as the next start finds it. */
function openedAfter(change: (file: Buffer) => void) {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-schema-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "fogbank.db");
  const store = openStore(file, own.epoch);
  for (const first of [1, 3]) append(store, first);
  store.database.close();
  const bytes = readFileSync(file);
  change(bytes);
  writeFileSync(file, bytes);
  const again = openStore(file, 6);
  onTestFinished(() => again.database.close());
  return {
    reasons: again.reports.map(({ reason }) => reason),
    firsts: again.read("after", { id: 0, bytesMax: 1e9 }).segments.map(({ first, body }) => body !== null && first),
  };
}

test("[O3] a damaged letter in the schema is damage like any other: nothing that is readable is lost", () => {
  const spelt = openedAfter((file) => misspell(file, "flags INTEGER", "flagz INTEGER"));
  expect(spelt).toEqual({ reasons: ["the schema of table segment is another one"], firsts: [1, 3] });
  const named = openedAfter((file) => misspell(file, "CREATE TABLE stream", "CREATE TABLE streak"));
  expect(named.reasons.length).toBe(1);
  expect(named.firsts).toEqual([1, 3]);
});

test("[O3] a page of the schema that is gone makes no row unreadable, with pages of either size", () => {
  for (const pageBytes of [2048, 4096]) {
    const folder = mkdtempSync(join(tmpdir(), "fogbank-schema-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "fogbank.db");
    openDatabase(file, { migrations: nodeMigrations, cacheBytes: 1_000_000, pageBytes }).close();
    const store = openStore(file, own.epoch);
    for (const first of [1, 3]) append(store, first);
    store.database.close();
    for (const page of schemaPagesOf(file)) {
      const copy = join(folder, `without-${page}.db`);
      writeFileSync(copy, readFileSync(file).fill(0xa5, (page - 1) * pageBytes, page * pageBytes));
      const again = openStore(copy, 6);
      expect(again.reports.length, `page ${page}`).toBe(1);
      const { segments } = again.read("after", { id: 0, bytesMax: 1e9 });
      const firsts = segments.map(({ first, body }) => body !== null && first);
      expect(firsts, `page ${page} of ${pageBytes} bytes`).toEqual([1, 3]);
      again.database.close();
      using salvaged = new DatabaseSync(copy, { readOnly: true });
      expect(salvaged.prepare("PRAGMA page_size").get()).toEqual({ page_size: pageBytes });
    }
  }
});

function schemaPagesOf(file: string): readonly number[] {
  using database = new DatabaseSync(file, { readOnly: true });
  const rows = database.prepare("SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'").all();
  return rows.map(({ pageno }) => Number(pageno));
}

test("a damaged number of the schema's version makes no row another one", () => {
  const versionAt = 60;
  for (const version of [0, 2, 4]) {
    const { reasons, firsts } = openedAfter((file) => void file.writeUInt32BE(version, versionAt));
    expect([version, reasons.length, firsts]).toEqual([version, 1, [1, 3]]);
  }
});

test("rows of the tables that the journal cannot do without are told from those of all others, also without a schema", () => {
  const database = new DatabaseSync(":memory:");
  onTestFinished(() => database.close());
  for (const script of nodeMigrations) database.exec(script);
  const trees = storedTrees(database);
  const alike = trees.filter(({ isTable }) => isTable).filter((tree) => !isDistinctive(tree, trees));
  const needed = ["origin", "stream", "segment", "gap", "session", "queue", "spool_body"];
  expect(alike.map(({ name }) => name).filter((name) => needed.includes(name))).toEqual([]);
});
