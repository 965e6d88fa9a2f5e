// The thread behind sql-database.ts: one open database, its prepared statements, and commits of several transactions at once.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { parentPort } from "node:worker_threads";
import { assert } from "#shared/assert.ts";
import type { ErrorCode, FogbankError } from "#shared/errors.ts";
import type { SqlRow, SqlStatement, SqlValue } from "#shared/system/sql-database.ts";
import { serveWorker } from "#shared/system/worker-rpc.ts";
import { systemClock } from "../system/system-clock.ts";
import { markIfDamaged, openDatabase, translateSqliteError } from "./database.ts";
import type { SalvageReport } from "./salvage.ts";

/** How one transaction of a group ended. */
export type TransactOutcome =
  | { readonly type: "committed"; readonly changes: readonly number[] }
  | { readonly type: "failed"; readonly code: ErrorCode; readonly message: string };

/** The calls of this worker: `open` comes first and once, `close` last. */
export type SqlWorkerHandlers = {
  /** With `salvage` a damaged file is replaced by what is readable of it; answers what that was. */
  open(args: {
    readonly file: string;
    readonly migrations: readonly string[];
    readonly salvage: boolean;
  }): SalvageReport | null;
  /** Runs each transaction whole or not at all; those that succeed share one commit. In the order given. */
  commit(transactions: readonly (readonly SqlStatement[])[]): readonly TransactOutcome[];
  query(args: { readonly sql: string; readonly params: readonly SqlValue[] }): readonly SqlRow[];
  close(args: undefined): void;
};

interface Opened {
  readonly file: string;
  readonly salvage: boolean;
  readonly database: DatabaseSync;
  readonly statementsBySql: Map<string, StatementSync>;
}

const cacheBytes = 8 * 1024 * 1024;

/** Prepared statements kept: more than any part has; the least recently used goes first. */
const statementsMax = 100;

/** SQLITE_IOERR: after a failed sync nobody knows what is on disk, and a second try might only look as if it had worked. */
const ioErrorCode = 10;

function createHandlers(): SqlWorkerHandlers {
  let opened: Opened | undefined;
  const use = (): Opened => {
    assert(opened !== undefined, "a database is open");
    return opened;
  };
  return {
    open({ file, migrations, salvage }) {
      let salvaged: SalvageReport | null = null;
      const rules = { indexes: [] };
      const onSalvaged = (report: SalvageReport): void => void (salvaged = report);
      const options = { clock: systemClock, checkedTables: [], rules, onSalvaged };
      const database = openDatabase(file, { migrations, cacheBytes, ...(salvage && { salvage: options }) });
      opened = { file, salvage, database, statementsBySql: new Map() };
      return salvaged;
    },
    commit: (transactions) => commitGroup(use(), transactions),
    query: ({ sql, params }) => {
      try {
        return prepare(use(), sql).all(...params);
      } catch (error) {
        throw seen(use(), translateSqliteError(error, `query ${use().file}`));
      }
    },
    close() {
      const { database, file } = use();
      try {
        database.close();
      } catch (error) {
        throw translateSqliteError(error, `close ${file}`);
      }
    },
  };
}

function commitGroup(opened: Opened, transactions: readonly (readonly SqlStatement[])[]): readonly TransactOutcome[] {
  if (transactions.length > 1) {
    const outcomes = tryGroup(opened, transactions);
    if (outcomes !== "apart") return outcomes;
  }
  return transactions.map((statements) => commitOne(opened, statements));
}

/** All in one transaction, each in a savepoint. `apart` when the whole was rolled back and each has to stand alone. */
function tryGroup(
  opened: Opened,
  transactions: readonly (readonly SqlStatement[])[],
): readonly TransactOutcome[] | "apart" {
  const { database } = opened;
  const outcomes: TransactOutcome[] = [];
  try {
    database.exec("BEGIN IMMEDIATE");
    for (const statements of transactions) {
      database.exec("SAVEPOINT one");
      try {
        outcomes.push({ type: "committed", changes: runAll(opened, statements) });
      } catch (error) {
        outcomes.push(failed(opened, error));
        // Throws when the failure has already ended the transaction, as a full disk may.
        database.exec("ROLLBACK TO one");
      }
      database.exec("RELEASE one");
    }
    database.exec("COMMIT");
    return outcomes;
  } catch (error) {
    rollBack(database);
    if (!isIoError(error)) return "apart";
    const failure = failed(opened, error);
    return transactions.map(() => failure);
  }
}

function commitOne(opened: Opened, statements: readonly SqlStatement[]): TransactOutcome {
  const { database } = opened;
  try {
    database.exec("BEGIN IMMEDIATE");
    const changes = runAll(opened, statements);
    database.exec("COMMIT");
    return { type: "committed", changes };
  } catch (error) {
    rollBack(database);
    return failed(opened, error);
  }
}

function runAll(opened: Opened, statements: readonly SqlStatement[]): readonly number[] {
  return statements.map(({ sql, params }) => {
    const statement = prepare(opened, sql);
    let changes = 0;
    for (const values of params) changes += Number(statement.run(...values).changes);
    return changes;
  });
}

function prepare({ database, statementsBySql }: Opened, sql: string): StatementSync {
  const statement = statementsBySql.get(sql) ?? database.prepare(sql);
  // A Map keeps insertion order: setting it again makes it the newest.
  statementsBySql.delete(sql);
  statementsBySql.set(sql, statement);
  for (const oldest of statementsBySql.keys()) {
    if (statementsBySql.size <= statementsMax) break;
    statementsBySql.delete(oldest);
  }
  return statement;
}

/** Ends the transaction if the failure has not already done so. */
function rollBack(database: DatabaseSync): void {
  if (database.isTransaction) database.exec("ROLLBACK");
}

/** Damage ends the thread, and with it the process: the next start salvages the file, which is marked now. */
function seen({ file, salvage }: Opened, error: FogbankError): FogbankError {
  if (salvage && markIfDamaged(file, error)) {
    throw new Error(`${file} is damaged: it is salvaged at the next start`, { cause: error });
  }
  return error;
}

function failed(opened: Opened, error: unknown): TransactOutcome {
  const { code, message } = seen(opened, translateSqliteError(error, `write to ${opened.file}`));
  return { type: "failed", code, message };
}

function isIoError(error: unknown): boolean {
  return (
    error instanceof Error &&
    "errcode" in error &&
    typeof error.errcode === "number" &&
    (error.errcode & 0xff) === ioErrorCode
  );
}

assert(parentPort !== null, "sql-worker.ts runs in a worker thread");
serveWorker(parentPort, createHandlers());
