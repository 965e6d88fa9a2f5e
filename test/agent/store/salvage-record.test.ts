import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { DamagedPages } from "#agent/store/salvage-pages.ts";
import { decodeRecord, readVarint } from "#agent/store/salvage-record.ts";
import { TreeReader } from "#agent/store/salvage-tree.ts";

const value = fc.oneof(
  fc.constant(null),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 60n, max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true, noInteger: true }),
  fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
  fc.uint8Array({ maxLength: 200 }),
  fc.integer({ min: 900, max: 20_000 }).map((length) => new Uint8Array(length).fill(length % 251)),
);

test("reads what SQLite has written: every kind of value, on one page or on many", () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-record-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  let turn = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(value, value, value), { minLength: 1, maxLength: 60 }), (rows) => {
      const file = join(folder, `${turn++}.db`);
      {
        using database = new DatabaseSync(file);
        database.exec("PRAGMA page_size = 4096; PRAGMA synchronous = OFF; CREATE TABLE t(a, b, c)");
        database.exec("BEGIN");
        const insert = database.prepare("INSERT INTO t(a, b, c) VALUES(?, ?, ?)");
        for (const row of rows) insert.run(...row);
        database.exec("COMMIT");
      }
      using pages = new DamagedPages(file);
      const tree = new TreeReader(pages);
      const found = [...tree.rows(2, "table")];
      expect(tree.faults).toBe(0);
      expect(found.map(({ rowid }) => rowid)).toEqual(rows.map((_, index) => index + 1));
      expect(found.map(({ values }) => values.map(comparable))).toEqual(rows.map((row) => row.map(comparable)));
    }),
    { numRuns: 25 },
  );
});

/** Minus zero is stored as zero. */
function comparable(one: unknown): unknown {
  if (one instanceof Uint8Array) return Buffer.from(one).toString("hex");
  return typeof one === "number" && one === 0 ? 0 : one;
}

test("noise is refused and never read beyond its end", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const values = decodeRecord(bytes);
      if (values !== undefined) expect(values.length).toBeLessThan(bytes.length + 1);
      const varint = readVarint(bytes, 0);
      if (varint !== undefined) expect(varint.end).toBeLessThanOrEqual(bytes.length);
    }),
  );
});

test("a record that is cut off is none", () => {
  // Head of three bytes: a text of two bytes, then NULL.
  const record = Uint8Array.of(3, 17, 0, 104, 105);
  expect(decodeRecord(record)).toEqual(["hi", null]);
  for (let length = 1; length < record.length; length++) expect(decodeRecord(record.slice(0, length))).toBeUndefined();
});
