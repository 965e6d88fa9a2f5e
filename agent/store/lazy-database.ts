// A database whose statements are compiled when they are first used. A node has two hundred, of which an idle one uses a few: compiled,
// they take several KiB each.
import {
  DatabaseSync,
  type SQLInputValue,
  type SQLOutputValue,
  type StatementResultingChanges,
  type StatementSync,
} from "node:sqlite";

type Row = Record<string, SQLOutputValue>;

/** Of a statement, what the store uses. A fault in its text shows when it is first used. */
class LazyStatement {
  readonly #prepare: () => StatementSync;
  #statement: StatementSync | undefined;

  constructor(prepare: () => StatementSync) {
    this.#prepare = prepare;
  }

  get(...values: SQLInputValue[]): Row | undefined {
    return (this.#statement ??= this.#prepare()).get(...values);
  }

  all(...values: SQLInputValue[]): Row[] {
    return (this.#statement ??= this.#prepare()).all(...values);
  }

  run(...values: SQLInputValue[]): StatementResultingChanges {
    return (this.#statement ??= this.#prepare()).run(...values);
  }

  iterate(...values: SQLInputValue[]): NodeJS.Iterator<Row> {
    return (this.#statement ??= this.#prepare()).iterate(...values);
  }
}

export class LazyDatabase extends DatabaseSync {
  /** Has `get`, `all`, `run` and `iterate` alone. */
  override prepare(sql: string): StatementSync {
    return new LazyStatement(() => super.prepare(sql)) as unknown as StatementSync;
  }
}
