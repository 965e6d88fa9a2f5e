// A node's database file with its operations, in whichever thread it is opened. Knows what to do when the disk is full: give back
// the reserve, move the write-ahead log into the file, let deletes through, refuse what is new until the reserve stands again.
import type { DatabaseSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";
import type { NodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { runCommit } from "./commit-runner.ts";
import { inMemory, openDatabase, translateSqliteError } from "./database.ts";
import { DiskReserve } from "./disk-reserve.ts";
import type { WriteOutcome, WriteRequest } from "./group-commit.ts";
import { nodeMigrations } from "./node-migrations.ts";
import { createNodeOperations, type NodeReads, type NodeWrites } from "./node-operations.ts";
import type { QueueBound } from "./queue-repository.ts";
import { bringsMessages, type EncodedBatch } from "./session-repository.ts";

export interface NodeDatabaseConfig {
  readonly name: NodeName;
  readonly file: string;
  /** Bytes that the file may grow to. */
  readonly maxBytes: number;
  /** This node is a root: what comes here goes no further. */
  readonly isFinal: boolean;
  /** What each MQTT session's queue may hold; that of `limits` when absent. */
  readonly queueBound?: QueueBound;
}

export interface NodeDatabase {
  commit(requests: readonly WriteRequest[]): readonly WriteOutcome[];
  read(request: WriteRequest): unknown;
  close(): void;
}

/** Page cache: the indexes of a large backlog, small enough for a board. */
const cacheBytes = 8 * 1024 * 1024;

/** Whether it brings new data; the rest must go on when the disk is full. */
function takesData({ name, args }: WriteRequest): boolean {
  if (name === ("sessions" satisfies keyof NodeWrites)) return bringsMessages(args as EncodedBatch); // typed where it was requested
  return dataWrites.has(name);
}

const dataWrites: ReadonlySet<string> = new Set<keyof NodeWrites>(["append", "ingest"]);

/** Throws what `openDatabase` throws. */
export function openNodeDatabase(
  deps: { readonly hasher: Hasher; readonly clock: Pick<Clock, "monotonic"> },
  config: NodeDatabaseConfig,
): NodeDatabase {
  const { file, maxBytes, name } = config;
  const reserveBytes = Math.min(limits.diskReserveBytesMax, Math.max(limits.diskReserveBytesMin, maxBytes / 16));
  // The reserve must take in what moving the log into the file needs.
  const walBytes = reserveBytes / 2;
  const database = openDatabase(file, { migrations: nodeMigrations, cacheBytes, maxBytes, walBytes, exclusive: true });
  const reserve = file === inMemory ? undefined : new DiskReserve(deps.clock, `${file}-reserve`, reserveBytes);
  const { writes, reads, rolledBack } = createNodeOperations(database, name, deps.hasher, {
    isFinal: config.isFinal,
    hasReserve: () => reserve?.hold() ?? true,
    ...(config.queueBound && { queueBound: config.queueBound }),
  });
  return {
    commit(requests) {
      const outcomes = runCommit(database, writes, rolledBack, requests);
      if (reserve === undefined || !outcomes.some(isFull)) return outcomes;
      // At its own limit the file is full on purpose: deletes work, the disk is another matter.
      if (!reads.usage({}).full) {
        reserve.release();
        shrinkLog(database);
      }
      return outcomes.map((outcome, index) => {
        const request = requests[index];
        if (!isFull(outcome) || request === undefined || takesData(request)) return outcome;
        return runCommit(database, writes, rolledBack, [request])[0] ?? outcome;
      });
    },
    read(request) {
      try {
        return reads[request.name as keyof NodeReads](request.args as never); // typed where it was requested
      } catch (error) {
        throw translateSqliteError(error, `read "${request.name}" from ${file}`);
      }
    },
    close: () => database.close(),
  };
}

function isFull(outcome: WriteOutcome): boolean {
  return "error" in outcome && outcome.error instanceof FogbankError && outcome.error.code === "FOGBANK_STORE_FULL";
}

/** Moves the write-ahead log into the file and gives its room back. Without the room for that it stays, and the next full disk tries again. */
function shrinkLog(database: DatabaseSync): void {
  try {
    database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
  } catch (error) {
    if (!isFull({ error: translateSqliteError(error, "shrink the write-ahead log") })) throw error;
  }
}
