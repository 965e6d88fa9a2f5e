// How the tables of a database lie in its file, asked of a healthy database with the same schema.
import type { DatabaseSync } from "node:sqlite";
import type { SqlValue } from "#shared/system/sql-database.ts";
import type { TreeKind, TreeRow } from "./salvage-tree.ts";

export interface StoredColumn {
  readonly name: string;
  readonly type: "integer" | "text" | "blob" | "any";
  readonly mayBeNull: boolean;
  /** Rows written before the column was added do not have it. */
  readonly hasDefault: boolean;
}

export interface StoredTree {
  readonly name: string;
  readonly isTable: boolean;
  readonly kind: TreeKind;
  /** Its first page in the healthy database. */
  readonly root: number;
  /** In the order in which a record has them. */
  readonly columns: readonly StoredColumn[];
  /** Place among `columns` of the one that is the row's number and is not in the record; -1: there is none. */
  readonly rowidAt: number;
}

/** All tables and indexes of `database`, the table of the schema itself apart. */
export function storedTrees(database: DatabaseSync): readonly StoredTree[] {
  const entries = database.prepare("SELECT type, name, tbl_name AS owner, rootpage AS root FROM sqlite_schema").all();
  const withoutRowid = new Set(
    database
      .prepare("PRAGMA table_list")
      .all()
      .filter((row) => row["wr"] === 1)
      .map((row) => String(row["name"])),
  );
  return entries.flatMap((entry) => {
    const [name, owner, root] = [String(entry["name"]), String(entry["owner"]), Number(entry["root"])];
    if (entry["type"] === "index") return [indexTree(database, name, owner, root)];
    return entry["type"] === "table" ? [tableTree(database, name, root, withoutRowid.has(name))] : [];
  });
}

/** The row as columns and values, or undefined when it is none of that tree. What a short record lacks is left out. */
export function rowOf(tree: StoredTree, row: TreeRow): Readonly<Record<string, SqlValue>> | undefined {
  if (row.values.length > tree.columns.length) return undefined;
  const found: Record<string, SqlValue> = {};
  for (const [at, column] of tree.columns.entries()) {
    const stored = row.values[at];
    if (stored === undefined) {
      if (!column.hasDefault && !column.mayBeNull) return undefined;
      continue;
    }
    if (at === tree.rowidAt && stored !== null) return undefined;
    const value = at === tree.rowidAt ? row.rowid : stored;
    if (!fits(column, value)) return undefined;
    found[column.name] = value;
  }
  return found;
}

/** Whether a row of `tree` cannot be taken for one of another tree of `trees`. */
export function isDistinctive(tree: StoredTree, trees: readonly StoredTree[]): boolean {
  return trees.every((other) => {
    if (other === tree || other.kind !== tree.kind) return true;
    const least = (one: StoredTree): number => one.columns.filter((column) => !column.hasDefault).length;
    if (least(tree) > other.columns.length || least(other) > tree.columns.length) return true;
    return tree.columns.some((column, at) => {
      const type = other.columns[at]?.type;
      return type !== undefined && type !== "any" && column.type !== "any" && type !== column.type;
    });
  });
}

function fits({ type, mayBeNull }: StoredColumn, value: SqlValue): boolean {
  if (value === null) return mayBeNull;
  switch (type) {
    case "integer":
      return typeof value === "bigint" || Number.isInteger(value);
    case "text":
      return typeof value === "string";
    case "blob":
      return value instanceof Uint8Array;
    case "any":
      return true;
  }
}

function tableTree(database: DatabaseSync, name: string, root: number, isWithoutRowid: boolean): StoredTree {
  const infos = database.prepare("SELECT * FROM pragma_table_info(?)").all(name);
  const keys = infos.filter((info) => Number(info["pk"]) > 0).toSorted((a, b) => Number(a["pk"]) - Number(b["pk"]));
  const inOrder = isWithoutRowid ? [...keys, ...infos.filter((info) => Number(info["pk"]) === 0)] : infos;
  const isAlias = !isWithoutRowid && keys.length === 1 && keys[0]?.["type"] === "INTEGER";
  return {
    name,
    isTable: true,
    kind: isWithoutRowid ? "index" : "table",
    root,
    columns: inOrder.map((info) => ({
      name: String(info["name"]),
      type: typeOf(info["type"]),
      mayBeNull: info["notnull"] === 0 && !(isWithoutRowid && Number(info["pk"]) > 0),
      hasDefault: info["dflt_value"] !== null,
    })),
    rowidAt: isAlias ? inOrder.findIndex((info) => info === keys[0]) : -1,
  };
}

function indexTree(database: DatabaseSync, name: string, owner: string, root: number): StoredTree {
  const types = new Map(
    database
      .prepare("SELECT name, type FROM pragma_table_info(?)")
      .all(owner)
      .map((info) => [String(info["name"]), typeOf(info["type"])]),
  );
  const columns = database.prepare("SELECT * FROM pragma_index_xinfo(?)").all(name);
  return {
    name,
    isTable: false,
    kind: "index",
    root,
    columns: columns.map((info) => {
      const column = info["name"] === null ? (info["cid"] === -1 ? "rowid" : "expression") : String(info["name"]);
      return {
        name: column,
        type: info["cid"] === -1 ? "integer" : (types.get(column) ?? "any"),
        mayBeNull: true,
        hasDefault: false,
      };
    }),
    rowidAt: -1,
  };
}

function typeOf(declared: unknown): StoredColumn["type"] {
  switch (declared) {
    case "INTEGER":
      return "integer";
    case "TEXT":
      return "text";
    case "BLOB":
      return "blob";
    default:
      return "any";
  }
}
