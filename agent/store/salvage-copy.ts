// Copies what can be read of a damaged database into a healthy one with the same schema: first along the trees of its tables, then
// from pages that no tree leads to any more. It knows tables and pages, not what the rows mean.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { SqlValue } from "#shared/system/sql-database.ts";
import type { DamagedPages } from "./salvage-pages.ts";
import { isDistinctive, rowOf, type StoredTree, storedTrees } from "./salvage-schema.ts";
import { TreeReader, type TreeRow } from "./salvage-tree.ts";

export type SalvagedRow = Readonly<Record<string, SqlValue>>;

export interface CopyRules {
  /** Whether the row can be trusted. Undefined: every row that has the table's shape. */
  readonly accepts?: ((table: string, row: SalvagedRow) => boolean) | undefined;
  /**
   * Whether an accepted row proves by itself that it is one of that table. Such rows are taken from stray pages too when nobody knows
   * which pages were free, and may then have been deleted.
   */
  readonly proves?: ((table: string, row: SalvagedRow) => boolean) | undefined;
  /** Indexes whose content is wanted: it is held in memory. */
  readonly indexes: readonly string[];
}

export interface IndexContent {
  readonly rows: readonly SalvagedRow[];
  /** Nothing of it is unreadable. */
  readonly isWhole: boolean;
}

export interface CopyOutcome {
  /** Rows taken over, by table. */
  readonly rows: ReadonlyMap<string, number>;
  /** Tables of which something could not be read. */
  readonly damaged: ReadonlySet<string>;
  /** Rows that were readable and not to be trusted. */
  readonly refused: number;
  /** There may be rows among them that had been deleted. */
  readonly mayBeStale: boolean;
  /** Unreadable pages, and unreadable rows on readable ones. */
  readonly faults: number;
  /** What the wanted indexes of the damaged database say, as far as they can be read. */
  readonly indexes: ReadonlyMap<string, IndexContent>;
}

const rowsPerCommit = 1_000;
const bytesPerCommit = 8 * 1024 * 1024;
const schemaPage = 1;
/** Where SQLite keeps the largest number that each AUTOINCREMENT table has given. */
const sequenceTable = "sqlite_sequence";

/** `into` has the schema and no rows. */
export function copyTables(pages: DamagedPages, into: DatabaseSync, rules: CopyRules): CopyOutcome {
  const trees = storedTrees(into);
  const tree = new TreeReader(pages);
  const roots = rootsOf(tree);
  const inserter = new Inserter(into, rules);
  const damaged = new Set<string>();
  let mayBeStale = false;
  for (const table of trees.filter(({ isTable }) => isTable)) {
    if (table.name.startsWith("sqlite_") && table.name !== sequenceTable) continue;
    const root = roots.get(table.name) ?? guessedRoot(table, trees, roots, rules);
    const mustProve = !roots.has(table.name) && !isDistinctive(table, trees);
    const before = tree.faults;
    const refused = inserter.refused;
    let isInOrder = true;
    let rowid = 0;
    for (const row of root === undefined ? [] : tree.rows(root, table.kind)) {
      if (table.kind === "table") {
        isInOrder &&= row.rowid > rowid;
        ({ rowid } = row);
      }
      inserter.add(table, row, mustProve);
    }
    // What stands in another's place may be a page that was free.
    if (!isInOrder) mayBeStale = true;
    if (!isInOrder || root === undefined || tree.faults > before || inserter.refused > refused) damaged.add(table.name);
  }
  const indexes = readIndexes(tree, trees, roots, rules);
  if (damaged.size > 0) {
    const isFreeKnown = markFreePages(pages, tree);
    const wanted = trees.filter((one) => damaged.has(one.name) && (isDistinctive(one, trees) || rules.proves));
    const mustProve = (one: StoredTree): boolean => !isFreeKnown || !isDistinctive(one, trees);
    const stray = addStrayRows(pages, tree, wanted, inserter, mustProve);
    mayBeStale ||= !isFreeKnown && stray > 0;
  }
  inserter.finish();
  return {
    rows: inserter.rows,
    damaged,
    mayBeStale,
    refused: inserter.refused,
    faults: tree.faults,
    indexes,
  };
}

/** Where each tree begins, as the damaged schema says. */
function rootsOf(tree: TreeReader): ReadonlyMap<string, number> {
  const roots = new Map<string, number>();
  for (const { values } of tree.rows(schemaPage, "table")) {
    const [type, name, , root] = values;
    if ((type === "table" || type === "index") && typeof name === "string" && typeof root === "number")
      roots.set(name, root);
  }
  return roots;
}

/** Where a tree begins in a database that was made in one go, if its rows can be told from those of other trees. */
function guessedRoot(
  one: StoredTree,
  trees: readonly StoredTree[],
  roots: ReadonlyMap<string, number>,
  { proves }: CopyRules,
): number | undefined {
  const isTaken = [...roots.values()].includes(one.root);
  return isTaken || !(isDistinctive(one, trees) || (one.isTable && proves)) ? undefined : one.root;
}

/** Walks all indexes, so that their pages are known not to be stray, and keeps what is wanted. */
function readIndexes(
  tree: TreeReader,
  trees: readonly StoredTree[],
  roots: ReadonlyMap<string, number>,
  rules: CopyRules,
): ReadonlyMap<string, IndexContent> {
  const contents = new Map<string, IndexContent>();
  for (const index of trees.filter(({ isTable }) => !isTable)) {
    const root = roots.get(index.name) ?? guessedRoot(index, trees, roots, rules);
    const isWanted = rules.indexes.includes(index.name);
    const before = tree.faults;
    const rows: SalvagedRow[] = [];
    let misfits = 0;
    let previous: TreeRow | undefined;
    for (const entry of root === undefined ? [] : tree.rows(root, index.kind)) {
      if (!isWanted) continue;
      const row = entry.values.length === index.columns.length ? rowOf(index, entry) : undefined;
      // A page in another's place is readable, and out of order.
      if (row === undefined || (previous !== undefined && !isBefore(previous, entry))) misfits++;
      if (row !== undefined) rows.push(row);
      previous = entry;
    }
    const isWhole = root !== undefined && tree.faults === before && misfits === 0;
    if (isWanted) contents.set(index.name, { rows, isWhole });
  }
  return contents;
}

/** Whether the values of `a` come before those of `b`, all of whose columns are of one type each. */
function isBefore(a: TreeRow, b: TreeRow): boolean {
  for (const [at, value] of a.values.entries()) {
    const other = b.values[at];
    if (value === other) continue;
    if (typeof value === "string" && typeof other === "string")
      return Buffer.compare(Buffer.from(value), Buffer.from(other)) < 0;
    return typeof value === "number" && typeof other === "number" && value < other;
  }
  return false;
}

/** Pages on the list of free ones hold what was deleted. False: the list cannot be read to its end. */
function markFreePages(pages: DamagedPages, tree: TreeReader): boolean {
  const head = pages.page(schemaPage);
  if (head === undefined || new TextDecoder("latin1").decode(head.subarray(0, 15)) !== "SQLite format 3") return false;
  const view = new DataView(head.buffer);
  const expected = view.getUint32(36);
  let found = 0;
  for (let trunk = view.getUint32(32); trunk !== 0;) {
    const page = tree.markVisited(trunk) ? pages.page(trunk) : undefined;
    if (page === undefined) return false;
    const content = new DataView(page.buffer);
    const leaves = content.getUint32(4);
    if (leaves > pages.usableBytes / 4 - 2) return false;
    for (let index = 0; index < leaves; index++) if (!tree.markVisited(content.getUint32(8 + 4 * index))) return false;
    found += 1 + leaves;
    trunk = content.getUint32(0);
  }
  return found === expected;
}

/** Answers how many rows were found. */
function addStrayRows(
  pages: DamagedPages,
  tree: TreeReader,
  wanted: readonly StoredTree[],
  inserter: Inserter,
  mustProve: (table: StoredTree) => boolean,
): number {
  let found = 0;
  if (wanted.length === 0) return found;
  for (let number = 2; number <= pages.count; number++) {
    if (tree.isVisited(number)) continue;
    const stray = tree.rowsOfPage(number);
    for (const row of stray?.rows ?? []) {
      const table = wanted.find((one) => one.kind === stray?.kind && inserter.takes(one, row, mustProve(one)));
      if (table === undefined) continue;
      inserter.add(table, row, mustProve(table));
      found++;
    }
  }
  return found;
}

/** Writes rows in transactions of a bounded size. The first row under a key stays. */
class Inserter {
  readonly #into: DatabaseSync;
  readonly #rules: CopyRules;
  readonly #statements = new Map<string, StatementSync>();
  readonly rows = new Map<string, number>();
  refused = 0;
  readonly #sequences = new Map<string, number>();
  #openRows = 0;
  #openBytes = 0;

  constructor(into: DatabaseSync, rules: CopyRules) {
    this.#into = into;
    this.#rules = rules;
  }

  takes(table: StoredTree, found: TreeRow, mustProve: boolean): boolean {
    return this.#accepted(table, found, mustProve) !== undefined;
  }

  add(table: StoredTree, found: TreeRow, mustProve: boolean): void {
    const row = this.#accepted(table, found, mustProve);
    if (row === undefined) {
      this.refused++;
      return;
    }
    if (table.name === sequenceTable) {
      this.#sequences.set(String(row["name"]), Number(row["seq"]));
      return;
    }
    if (this.#openRows === 0) this.#into.exec("BEGIN");
    const names = Object.keys(row);
    const sql = `INSERT OR IGNORE INTO "${table.name}"(${names.map((name) => `"${name}"`).join(", ")}) VALUES(${names.map(() => "?").join(", ")})`;
    const statement = this.#statements.get(sql) ?? this.#into.prepare(sql);
    this.#statements.set(sql, statement);
    const added = Number(statement.run(...Object.values(row)).changes);
    this.rows.set(table.name, (this.rows.get(table.name) ?? 0) + added);
    this.#openRows++;
    for (const value of Object.values(row)) if (value instanceof Uint8Array) this.#openBytes += value.length;
    if (this.#openRows >= rowsPerCommit || this.#openBytes >= bytesPerCommit) this.#commit();
  }

  #accepted(table: StoredTree, found: TreeRow, mustProve: boolean): SalvagedRow | undefined {
    const row = rowOf(table, found);
    if (row === undefined || this.#rules.accepts?.(table.name, row) === false) return undefined;
    return mustProve && this.#rules.proves?.(table.name, row) !== true ? undefined : row;
  }

  /** Numbers that were given are not given again. */
  finish(): void {
    this.#commit();
    for (const [name, given] of this.#sequences) raiseSequence(this.#into, name, given);
  }

  #commit(): void {
    if (this.#openRows > 0) this.#into.exec("COMMIT");
    this.#openRows = 0;
    this.#openBytes = 0;
  }
}

/** Makes all numbers that the AUTOINCREMENT table `name` gives from now on larger than `given`. */
function raiseSequence(database: DatabaseSync, name: string, given: number): void {
  if (!Number.isSafeInteger(given)) return;
  database
    .prepare(
      "INSERT INTO sqlite_sequence(name, seq) SELECT ?, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?)",
    )
    .run(name, name);
  database.prepare("UPDATE sqlite_sequence SET seq = MAX(seq, ?) WHERE name = ?").run(given, name);
}
