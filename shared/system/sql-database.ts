// A small database for parts that need rows and transactions but no logic inside the transaction. It runs beside the event loop.

export type SqlValue = number | bigint | string | Uint8Array | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

/** One statement, run once for each list of parameters. */
export interface SqlStatement {
  readonly sql: string;
  readonly params: readonly (readonly SqlValue[])[];
}

export interface SqlDatabase extends AsyncDisposable {
  /** Runs all statements in one durable transaction; answers the number of changed rows of each. Rejects with FOGBANK_STORE_FULL, FOGBANK_STORE_FAILED, or FOGBANK_DATA_REFUSED when a rule of the schema forbids it; nothing changed. */
  transact(statements: readonly SqlStatement[]): Promise<readonly number[]>;
  query(sql: string, params: readonly SqlValue[]): Promise<readonly SqlRow[]>;
}

/** Opens `file`, brings it to the newest of `migrations` (each a script, counted by `user_version`). */
export type OpenSqlDatabase = (file: string, migrations: readonly string[]) => Promise<SqlDatabase>;
