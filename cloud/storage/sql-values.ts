// Values of a row, with the type that the column has.
import { assert } from "#shared/assert.ts";
import type { SqlRow } from "#shared/system/sql-database.ts";

export function textOf(row: SqlRow, column: string): string {
  const value = row[column];
  assert(typeof value === "string", "a text column holds text");
  return value;
}

export function numberOf(row: SqlRow, column: string): number {
  const value = row[column];
  assert(typeof value === "number", "an integer column holds a number");
  return value;
}

export function bytesOf(row: SqlRow, column: string): Uint8Array {
  const value = row[column];
  assert(value instanceof Uint8Array, "a blob column holds bytes");
  return value;
}

/** The column `n` of an aggregate's only row. */
export function onlyNumber(rows: readonly SqlRow[]): number {
  const [row] = rows;
  assert(row !== undefined, "an aggregate answers one row");
  return numberOf(row, "n");
}
