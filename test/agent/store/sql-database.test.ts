import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDatabase } from "#agent/store/database.ts";
import type { SalvageReport } from "#agent/store/salvage.ts";
import { openSqlDatabase, salvagingSqlDatabases } from "#agent/store/sql-database.ts";
import type { SqlDatabase, SqlStatement, SqlValue } from "#shared/system/sql-database.ts";

const migrations = [
  `CREATE TABLE owner(id INTEGER PRIMARY KEY);
   CREATE TABLE item(id INTEGER PRIMARY KEY, body ANY, owner INTEGER REFERENCES owner(id) DEFERRABLE INITIALLY DEFERRED) STRICT;`,
];

const insertSql = "INSERT INTO item(id, body) VALUES (?, ?)";

function insert(...ids: readonly number[]): SqlStatement {
  return { sql: insertSql, params: ids.map((id) => [id, `item ${id}`]) };
}

async function idsIn(database: SqlDatabase): Promise<readonly SqlValue[]> {
  return (await database.query("SELECT id FROM item ORDER BY id", [])).map((row) => row["id"] ?? null);
}

async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "fogbank-sql-"));
  try {
    await use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("a transaction answers the changed rows of each statement", async () => {
  await using database = await openSqlDatabase(":memory:", migrations);
  const remove = { sql: "DELETE FROM item WHERE id >= ?", params: [[3], [2]] };
  expect(await database.transact([insert(1, 2, 3, 4), remove, insert()])).toEqual([4, 3, 0]);
  expect(await idsIn(database)).toEqual([1]);
});

test("values come back as they went in, and a view stays the caller's", async () => {
  await using database = await openSqlDatabase(":memory:", migrations);
  const view = new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 4);
  const values: readonly SqlValue[] = [7, 1.5, "é\u{1f32b}", new Uint8Array(0), view, Buffer.from("pooled"), null, 12n];
  await database.transact([{ sql: insertSql, params: values.map((value, index) => [index, value]) }]);
  const rows = await database.query("SELECT body FROM item ORDER BY id", []);
  const pooled = new Uint8Array(Buffer.from("pooled"));
  expect(rows.map((row) => row["body"])).toEqual([
    7,
    1.5,
    "é\u{1f32b}",
    new Uint8Array(0),
    new Uint8Array([1, 2, 3]),
    pooled,
    null,
    12,
  ]);
  expect(view.length).toBe(3);
});

test("large values stay the caller's too, and may be given twice", async () => {
  await using database = await openSqlDatabase(":memory:", migrations);
  const whole = new Uint8Array(10_000).fill(3);
  const view = new Uint8Array(30_000).fill(4).subarray(5_000, 15_000);
  const params = [whole, view, whole].map((value, index) => [index, value]);
  const first = database.transact([{ sql: insertSql, params }]);
  const second = database.transact([{ sql: insertSql, params: [[3, whole]] }]);
  await Promise.all([first, second]);
  const rows = await database.query("SELECT body FROM item ORDER BY id", []);
  expect(rows.map((row) => row["body"])).toEqual([whole, view, whole, whole]);
  expect([whole.length, view.length, whole[0], view[0]]).toEqual([10_000, 10_000, 3, 4]);
});

test("a transaction that fails changes nothing", async () => {
  await using database = await openSqlDatabase(":memory:", migrations);
  await database.transact([insert(1)]);
  const failing = database.transact([insert(2, 3), insert(4, 1)]);
  await expect(failing).rejects.toMatchObject({ code: "FOGBANK_DATA_REFUSED" });
  await expect(database.transact([{ sql: "NO SUCH STATEMENT", params: [[]] }])).rejects.toMatchObject({
    code: "FOGBANK_STORE_FAILED",
  });
  expect(await idsIn(database)).toEqual([1]);
});

test("transactions that share a commit fail alone", async () => {
  await using database = await openSqlDatabase(":memory:", migrations);
  // The first is committed by itself; the others meet while it runs.
  const all = [[insert(1)], [insert(2)], [insert(3), insert(1)], [insert(4)], [insert(2)], [insert(5)]];
  const outcomes = await Promise.allSettled(all.map((statements) => database.transact(statements)));
  expect(outcomes.map(({ status }) => status)).toEqual([
    "fulfilled",
    "fulfilled",
    "rejected",
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  expect(await idsIn(database)).toEqual([1, 2, 4, 5]);
});

test("transactions that wait together share one commit", async () => {
  await inDirectory(async (directory) => {
    const file = join(directory, "a.db");
    await using database = await openSqlDatabase(file, migrations);
    const walBytes = () => statSync(`${file}-wal`).size;
    const before = walBytes();
    const changes = await Promise.all(Array.from({ length: 200 }, (_, id) => database.transact([insert(id)])));
    expect(changes.flat().length).toBe(200);
    // Each commit appends the pages that it changed: 200 of them would be 200 pages at least.
    expect(walBytes() - before).toBeLessThan(40 * 4096);
  });
});

test("a transaction that only the commit finds wrong does not take the others with it", async () => {
  await using database = await openSqlDatabase(":memory:", migrations);
  const orphan = { sql: "INSERT INTO item(id, owner) VALUES (?, ?)", params: [[9, 404]] };
  const all = [[insert(1)], [insert(2)], [orphan], [insert(3)]];
  const outcomes = await Promise.allSettled(all.map((statements) => database.transact(statements)));
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  expect(await idsIn(database)).toEqual([1, 2, 3]);
});

test("a full database refuses what does not fit, keeps what does, and takes more after a delete", async () => {
  await using database = await openSqlDatabase(":memory:", migrations);
  await database.query("PRAGMA max_page_count = 64", []);
  const big = (id: number): readonly SqlStatement[] => [{ sql: insertSql, params: [[id, new Uint8Array(40_000)]] }];
  const ids = Array.from({ length: 12 }, (_, index) => index + 1);
  const outcomes = await Promise.allSettled(ids.map((id) => database.transact(big(id))));
  const reasons = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
  expect(reasons.length).toBeGreaterThan(0);
  for (const reason of reasons) expect(reason).toMatchObject({ code: "FOGBANK_STORE_FULL" });
  const kept = ids.filter((_, index) => outcomes[index]?.status === "fulfilled");
  expect(kept.length).toBeGreaterThan(3);
  expect(await idsIn(database)).toEqual(kept);
  await database.transact([{ sql: "DELETE FROM item WHERE id <= ?", params: [[2]] }]);
  expect(await database.transact(big(100))).toEqual([1]);
});

test("more statements than are kept prepared still work", async () => {
  await using database = await openSqlDatabase(":memory:", migrations);
  for (let turn = 0; turn < 250; turn++) {
    expect(await database.query(`SELECT ${turn % 130} AS n`, [])).toEqual([{ n: turn % 130 }]);
  }
});

test("disposing waits for what was asked before, closes the file and refuses what comes later", async () => {
  await inDirectory(async (directory) => {
    const file = join(directory, "a.db");
    const database = await openSqlDatabase(file, migrations);
    const asked = [1, 2, 3, 4].map((id) => database.transact([insert(id)]));
    const disposed = database[Symbol.asyncDispose]();
    const refused = [database.transact([insert(5)]), database.query("SELECT 1", [])];
    for (const late of refused) await expect(late).rejects.toMatchObject({ code: "FOGBANK_STORE_CLOSED" });
    await disposed;
    await database[Symbol.asyncDispose]();
    expect(await Promise.all(asked)).toEqual([[1], [1], [1], [1]]);
    expect(readdirSync(directory)).toEqual(["a.db"]);
    using reopened = openDatabase(file, { migrations, cacheBytes: 0 });
    expect(reopened.prepare("SELECT count(*) AS n FROM item").get()).toEqual({ n: 4 });
  });
});

test("a file that cannot be opened rejects with the reason's code", async () => {
  await inDirectory(async (directory) => {
    const file = join(directory, "a.db");
    writeFileSync(file, "no database ".repeat(1000));
    await expect(openSqlDatabase(file, migrations)).rejects.toMatchObject({ code: "FOGBANK_STORE_CORRUPT" });
    await expect(openSqlDatabase(join(file, "b.db"), migrations)).rejects.toMatchObject({ code: "FOGBANK_DATA_DIR" });
  });
});

test("a damaged database is replaced by what is readable of it where that is wanted", async () => {
  await inDirectory(async (directory) => {
    const file = join(directory, "documents.db");
    {
      await using database = await openSqlDatabase(file, migrations);
      await database.transact([insert(...Array.from({ length: 2_000 }, (_, index) => index + 1))]);
    }
    const bytes = readFileSync(file);
    bytes.fill(0, 5 * 4096, 7 * 4096);
    writeFileSync(file, bytes);
    const reports: SalvageReport[] = [];
    await using database = await salvagingSqlDatabases((report) => reports.push(report))(file, migrations);
    const ids = await idsIn(database);
    expect(ids.length).toBeGreaterThan(1_000);
    expect(ids.length).toBeLessThan(2_000);
    expect(reports).toMatchObject([{ file, rows: { item: ids.length }, damagedTables: ["item"] }]);
    expect(await database.transact([insert(9_999)])).toEqual([1]);
  });
});
