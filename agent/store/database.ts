// Opens a SQLite file the way every part of a node wants it: each pragma stated, the schema at its newest version, what is
// not whole refused before anything is written to it. Synchronous: used inside worker threads.
import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";
import { damageMark, finishReplacement, markDamaged } from "./salvage-files.ts";
import { scanWal } from "./salvage-wal.ts";
import { salvageDatabase, type SalvageOptions } from "./salvage.ts";
import { schemaFault, schemasOf } from "./schema-check.ts";

export interface DatabaseOptions {
  /** SQL scripts in order; `user_version` counts those applied. Each runs in a transaction of its own and contains none. */
  readonly migrations: readonly string[];
  /** Bytes of the page cache. */
  readonly cacheBytes: number;
  /** Bytes of a page of a new file: a power of two, 4096 when absent. A file keeps the size that it was made with. */
  readonly pageBytes?: number;
  /** Bytes the main file may grow to; beyond it writes end with FOGBANK_STORE_FULL. No bound when absent. */
  readonly maxBytes?: number;
  /** Bytes of the write-ahead log at which it is moved into the file; 8 MiB when absent. */
  readonly walBytes?: number;
  /** Keep every other process out for as long as the database is open. The operating system lifts the lock when this one dies. */
  readonly exclusive?: boolean;
  /** A damaged file is replaced by what is readable of it. Without this it is left as it is. */
  readonly salvage?: SalvageOptions;
}

/** `file` of a database that lives in memory. */
export const inMemory = ":memory:";

/**
 * Opens or creates `file`; its directory must exist. Throws FOGBANK_DATA_DIR (not writable, no WAL, newer than this program),
 * FOGBANK_STORE_CORRUPT (the file is left as it is), FOGBANK_STORE_FULL or FOGBANK_STORE_FAILED.
 */
export function openDatabase(file: string, options: DatabaseOptions): DatabaseSync {
  const { salvage } = options;
  if (file === inMemory || salvage === undefined) return openWhole(file, options);
  finishReplacement(file, salvage.clock.now());
  try {
    return openWhole(file, options);
  } catch (error) {
    if (!(error instanceof FogbankError) || error.code !== "FOGBANK_STORE_CORRUPT") throw error;
    salvageDatabase(
      file,
      reasonOf(error),
      salvage,
      (into, version, pageBytes) =>
        openWhole(into, {
          migrations: options.migrations.slice(0, version),
          cacheBytes: options.cacheBytes,
          exclusive: true,
          ...(pageBytes !== undefined && { pageBytes }),
        }),
      schemasOf(options.migrations),
    );
  }
  return openWhole(file, options);
}

/** Whether SQLite itself found the damage that `error` tells of: then the file is marked, and the next open salvages it. */
export function markIfDamaged(file: string, error: unknown): boolean {
  if (!(error instanceof FogbankError) || error.code !== "FOGBANK_STORE_CORRUPT" || error.cause === undefined)
    return false;
  markDamaged(file, reasonOf(error));
  return true;
}

function openWhole(file: string, options: DatabaseOptions): DatabaseSync {
  if (file !== inMemory && existsSync(file) && statSync(file).isFile()) inspect(file, options);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    setPragmas(database, file, options);
    migrate(database, options.migrations);
    if (file !== inMemory) emptyLog(database);
    return database;
  } catch (error) {
    database?.close();
    throw translateOpenError(error, file);
  }
}

/** The FogbankError for what node:sqlite threw while it `attempted` (an infinitive with its object) something. */
export function translateSqliteError(error: unknown, attempted: string): FogbankError {
  if (error instanceof FogbankError) return error;
  const text = error instanceof Error ? error.message : String(error);
  switch (failureOf(error, text)) {
    case "full":
      return new FogbankError(
        "FOGBANK_STORE_FULL",
        `could not ${attempted}: the database is at its limit or the disk is full (${text})`,
        { cause: error },
      );
    case "corrupt":
      return new FogbankError("FOGBANK_STORE_CORRUPT", `could not ${attempted}: the database is damaged (${text})`, {
        cause: error,
      });
    case "refused":
      return new FogbankError("FOGBANK_DATA_REFUSED", `could not ${attempted}: ${text}`, { cause: error });
    case "unwritable":
    case "busy":
    case "other":
      return new FogbankError("FOGBANK_STORE_FAILED", `could not ${attempted}: ${text}`, { cause: error });
  }
}

/** Files below this size are checked whole at each open; a larger one would hold up the start. */
const checkedBytesMax = 64 * 1024 * 1024;

const pageBytesPreset = 4_096;
const walBytesPreset = 8 * 1024 * 1024;

/** How long a lock of another process (a backup, a shell) is waited for. */
const busyTimeoutMs = 5_000;

/** Logs above this size are not read before the open: they grow so large only when the disk is full. */
const checkedLogBytesMax = 64 * 1024 * 1024;

/** Looks at an existing file through a read-only connection: closing it neither checkpoints nor repairs. */
function inspect(file: string, { migrations, salvage }: DatabaseOptions): void {
  if (salvage !== undefined) inspectFiles(file);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA trusted_schema = OFF;`);
    const version = readPragma(database, "user_version");
    if (Number(version) > migrations.length) {
      throw new FogbankError(
        "FOGBANK_DATA_DIR",
        `could not open ${file}: it has schema version ${version} and this program knows ${migrations.length}; nothing was changed. Run the newer program again or choose another data directory`,
      );
    }
    const fault = salvage && schemaFault(database, schemasOf(migrations), Number(version));
    if (fault !== undefined) throw corruptError(file, fault, undefined);
    const isSmall = statSync(file).size < checkedBytesMax;
    for (const check of isSmall ? ["quick_check(1)"] : checksOf(database, salvage)) {
      const verdict = readPragma(database, check);
      if (verdict !== "ok") throw corruptError(file, verdict, undefined);
    }
  } catch (error) {
    throw translateOpenError(error, file);
  } finally {
    database?.close();
  }
}

/** Of a large file only some tables. The rest shows its damage when it is used, and is marked then. */
function checksOf(database: DatabaseSync, salvage: SalvageOptions | undefined): readonly string[] {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  return (salvage?.checkedTables ?? [])
    .filter((table) => tables.some(({ name }) => name === table))
    .map((table) => `quick_check("${table}")`);
}

/** What SQLite does not mind: it would go on with an older state of the database. */
function inspectFiles(file: string): void {
  const mark = damageMark(file);
  if (mark !== undefined) throw corruptError(file, mark, undefined);
  const logBytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (logBytes === 0) return;
  if (statSync(file).size === 0) throw corruptError(file, "it is empty, and its write-ahead log is not", undefined);
  if (logBytes <= checkedLogBytesMax && scanWal(`${file}-wal`).verdict === "damaged")
    throw corruptError(file, "its write-ahead log is damaged", undefined);
}

/**
 * Moves what a crash has left in the log into the file, and cuts the log: what stands in it from now on is of this run. On a full disk
 * it stays as it is.
 */
function emptyLog(database: DatabaseSync): void {
  try {
    database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
  } catch (error) {
    if (failureOf(error, error instanceof Error ? error.message : "") !== "full") throw error;
  }
}

function setPragmas(database: DatabaseSync, file: string, options: DatabaseOptions): void {
  // In WAL mode this must be said before the first access, and the first write then takes the lock for good.
  if (options.exclusive === true) database.exec("PRAGMA locking_mode = EXCLUSIVE;");
  // page_size comes first: it is settled by the first write, and journal_mode may be that write.
  database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA page_size = ${options.pageBytes ?? pageBytesPreset};`);
  const walBytes = options.walBytes ?? walBytesPreset;
  const mode = readPragma(database, "journal_mode = WAL");
  if (mode !== "wal" && file !== inMemory) {
    throw new FogbankError(
      "FOGBANK_DATA_DIR",
      `could not open ${file} with a write-ahead log (journal mode is ${mode}): put the data directory on a local disk`,
    );
  }
  const pageBytes = Number(readPragma(database, "page_size"));
  database.exec(`
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -${Math.ceil(options.cacheBytes / 1024)};
    PRAGMA foreign_keys = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA mmap_size = 0;
    PRAGMA trusted_schema = OFF;
    PRAGMA wal_autocheckpoint = ${Math.ceil(walBytes / pageBytes)};
    PRAGMA journal_size_limit = ${Math.ceil(walBytes)};
  `);
  if (options.maxBytes !== undefined) {
    database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(options.maxBytes / pageBytes))};`);
  }
}

/** Applies what is missing. The last turn changes nothing, but its lock shows that the file can be written. */
function migrate(database: DatabaseSync, migrations: readonly string[]): void {
  for (;;) {
    database.exec("BEGIN IMMEDIATE");
    const version = Number(readPragma(database, "user_version"));
    const script = migrations[version];
    if (script === undefined) {
      database.exec("COMMIT");
      return;
    }
    database.exec(script); // a throw closes the database, which rolls back
    database.exec(`PRAGMA user_version = ${version + 1}`);
    database.exec("COMMIT");
  }
}

/** The first column of the first row as text: what these pragmas answer. */
function readPragma(database: DatabaseSync, pragma: string): string {
  const row = database.prepare(`PRAGMA ${pragma}`).get();
  return row === undefined ? "" : String(Object.values(row)[0]);
}

function translateOpenError(error: unknown, file: string): FogbankError {
  if (error instanceof FogbankError) return error;
  const text = error instanceof Error ? error.message : String(error);
  switch (failureOf(error, text)) {
    case "corrupt":
      return corruptError(file, text, error);
    case "unwritable":
      return new FogbankError(
        "FOGBANK_DATA_DIR",
        `could not open ${file} (${text}): check that ${dirname(file)} is a directory and that this user may write there`,
        { cause: error },
      );
    case "busy":
      return new FogbankError(
        "FOGBANK_DATA_DIR",
        `could not open ${file}: another process has it open. Stop that one, or give this node a data directory of its own`,
        { cause: error },
      );
    case "full":
    case "refused":
    case "other":
      return translateSqliteError(error, `open ${file}`);
  }
}

/** What showed the damage, without the advice around it. */
function reasonOf(error: FogbankError): string {
  const { cause, message } = error;
  if (cause instanceof Error) return cause.message;
  return /\(([^]*)\)\. It was left untouched/.exec(message)?.[1] ?? message;
}

function corruptError(file: string, text: string, cause: unknown): FogbankError {
  return new FogbankError(
    "FOGBANK_STORE_CORRUPT",
    `${file} is damaged or not a database (${text}). It was left untouched: move it away, with its -wal and -shm files, to start anew, or put a backup in its place`,
    { cause },
  );
}

type Failure = "full" | "corrupt" | "refused" | "unwritable" | "busy" | "other";

const failureByResultCode: ReadonlyMap<number, Failure> = new Map([
  [3, "unwritable"], // SQLITE_PERM
  [5, "busy"], // SQLITE_BUSY
  [8, "unwritable"], // SQLITE_READONLY
  [11, "corrupt"], // SQLITE_CORRUPT
  [13, "full"], // SQLITE_FULL
  [14, "unwritable"], // SQLITE_CANTOPEN
  [18, "refused"], // SQLITE_TOOBIG
  [19, "refused"], // SQLITE_CONSTRAINT
  [20, "refused"], // SQLITE_MISMATCH
  [26, "corrupt"], // SQLITE_NOTADB
]);

/** SQLITE_IOERR_WRITE and SQLITE_IOERR_SHMSIZE: what a quota or a full disk looks like where the system does not say ENOSPC. */
const fullWhenWriting: readonly number[] = [778, 4874];

/** Some runtimes give the text alone. */
const failureByText: readonly (readonly [part: string, failure: Failure])[] = [
  ["database or disk is full", "full"],
  ["database disk image is malformed", "corrupt"],
  ["file is not a database", "corrupt"],
  ["database is locked", "busy"],
  ["attempt to write a readonly database", "unwritable"],
  ["unable to open database file", "unwritable"],
];

function failureOf(error: unknown, text: string): Failure {
  if (error instanceof Error && "errcode" in error && typeof error.errcode === "number") {
    if (fullWhenWriting.includes(error.errcode)) return "full";
    return failureByResultCode.get(error.errcode & 0xff) ?? "other";
  }
  return failureByText.find(([part]) => text.includes(part))?.[1] ?? "other";
}
