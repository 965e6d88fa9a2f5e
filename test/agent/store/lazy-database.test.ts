import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { LazyDatabase } from "#agent/store/lazy-database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";

test("a statement is compiled when it is first used, and then does all that the store asks of one", () => {
  using database = new LazyDatabase(":memory:");
  const insert = database.prepare("INSERT INTO t(a, b) VALUES(?, ?)");
  const rows = database.prepare("SELECT a, b FROM t WHERE a > ? ORDER BY a");
  expect(() => insert.run(1, "x")).toThrow(/no such table/);
  database.exec("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
  expect(insert.run(1, "x")).toMatchObject({ changes: 1, lastInsertRowid: 1 });
  insert.run(2, "y");
  expect(rows.get(0)).toMatchObject({ a: 1, b: "x" });
  expect(rows.get(2)).toBeUndefined();
  expect(rows.all(0)).toHaveLength(2);
  expect([...rows.iterate(1)]).toMatchObject([{ a: 2, b: "y" }]);
});

test("every statement of a node fits its schema", () => {
  using database = new DatabaseSync(":memory:"); // compiles at once
  for (const script of nodeMigrations) database.exec(script);
  expect(() => createNodeOperations(database, parseNodeName("node-1"), nodeHasher)).not.toThrow();
});
