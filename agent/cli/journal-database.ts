// The database of a node that does not run, as the commands on its journal see it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";
import { systemConfigFile } from "../config/system-file.ts";
import { loadConfig } from "../config/config.ts";
import { openDatabase, translateSqliteError } from "../store/database.ts";
import { nodeMigrations } from "../store/node-migrations.ts";
import type { CliIo } from "./io.ts";

/** Which data directory. */
export interface JournalOptions {
  readonly dataDir?: string;
  readonly config?: string;
}

const cacheBytes = 8 * 1024 * 1024;
const busyTimeoutMs = 200;

/** The node of that directory runs: its database is locked. */
export class NodeIsRunning extends FogbankError {}

/** Opens it for reading; closing it changes nothing. Throws NodeIsRunning, FOGBANK_USAGE when there is none, and what SQLite finds. */
export function openForReading(io: CliIo, options: JournalOptions): DatabaseSync {
  const file = existingFile(io, options);
  return orRunning(file, () => {
    const database = new DatabaseSync(file, { readOnly: true });
    try {
      database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA cache_size = -${cacheBytes / 1024}`);
      const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
      if (version > nodeMigrations.length || version < 1) {
        throw new FogbankError(
          "FOGBANK_DATA_DIR",
          `cannot read ${file}: it has schema version ${version} and this program knows 1 to ${nodeMigrations.length}`,
        );
      }
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/** Opens it for a change, locked against the node. Throws the same. */
export function openForWriting(io: CliIo, options: JournalOptions): DatabaseSync {
  const file = existingFile(io, options);
  return orRunning(file, () => openDatabase(file, { migrations: nodeMigrations, cacheBytes, exclusive: true }));
}

/** Runs `read` and translates what SQLite throws. */
export function reading<T>(attempted: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw readFailure(attempted, error);
  }
}

/** What SQLite threw while it `attempted` something, translated; anything else as it is. */
export function readFailure(attempted: string, error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return "errcode" in error ? translateSqliteError(error, attempted) : error;
}

function existingFile(io: CliIo, { dataDir, config }: JournalOptions): string {
  const directory =
    dataDir ?? loadConfig({ ...io, file: config ?? systemConfigFile(io.readFile), flags: {} }).config.dataDir;
  const file = join(directory, "fogbank.db");
  if (existsSync(file)) return file;
  throw new FogbankError(
    "FOGBANK_USAGE",
    `${directory} is no data directory of a node (it has no fogbank.db): give one with --data-dir, or --config FILE`,
  );
}

function orRunning<T>(file: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (isLocked(error)) {
      throw new NodeIsRunning(
        "FOGBANK_DATA_DIR",
        `${file} is in use: its node runs. Stop the node first (its service, or SIGTERM to its process), and start it again afterwards`,
        { cause: error },
      );
    }
    if (error instanceof FogbankError) throw error;
    throw translateSqliteError(error, `open ${file}`);
  }
}

const busyCode = 5;

function isLocked(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("errcode" in error && typeof error.errcode === "number") return (error.errcode & 0xff) === busyCode;
  return error instanceof FogbankError && isLocked(error.cause);
}
