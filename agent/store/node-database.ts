// A node's database file with its operations, in whichever thread it is opened. Knows what to do when the disk is full: give back
// the reserve, move the write-ahead log into the file, and go on with the room that the file has inside.
import type { DatabaseSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";
import type { NodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { Budget } from "./budget.ts";
import { runCommit } from "./commit-runner.ts";
import { inMemory, markIfDamaged, openDatabase, translateSqliteError } from "./database.ts";
import { bytesOf, withPlainBodies } from "./demands.ts";
import { DiskReserve } from "./disk-reserve.ts";
import type { WriteOutcome, WriteRequest } from "./group-commit.ts";
import { nodeMigrations } from "./node-migrations.ts";
import { createNodeOperations, type NodeReads, type NodeWrites } from "./node-operations.ts";
import type { QueueBound } from "./queue-repository.ts";
import { commitInRoom } from "./roomy-commit.ts";
import { nodeSalvage } from "./salvage-node.ts";
import type { SalvageReport } from "./salvage.ts";
import { bringsMessages, type EncodedBatch } from "./session-repository.ts";

export interface NodeDatabaseConfig {
  readonly name: NodeName;
  readonly file: string;
  /** Bytes that the file may grow to. */
  readonly maxBytes: number;
  /** This node is a root: what comes here goes no further. */
  readonly isFinal: boolean;
  /** Least time from one commit to the next, milliseconds; none when absent. What is urgent does not wait for it. */
  readonly minCommitMs?: number;
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

/**
 * A commit writes a few rows that have a page each, beside the messages: small pages keep that small. Smaller ones still would cost more
 * time for large bodies than they save.
 */
const pageBytes = 2_048;

/** Throws what `openDatabase` throws. */
export function openNodeDatabase(
  deps: {
    readonly hasher: Hasher;
    readonly clock: Pick<Clock, "now" | "monotonic">;
    /** A damaged file was replaced by what was readable of it. */
    readonly onSalvaged?: (report: SalvageReport) => void;
  },
  config: NodeDatabaseConfig,
): NodeDatabase {
  const { file, maxBytes, name } = config;
  const reserveBytes = Math.min(limits.diskReserveBytesMax, Math.max(limits.diskReserveBytesMin, maxBytes / 16));
  // The reserve must take in what moving the log into the file needs.
  const walBytes = reserveBytes / 2;
  const salvage = nodeSalvage(deps, (report) => deps.onSalvaged?.(report));
  const settings = { migrations: nodeMigrations, cacheBytes, pageBytes, maxBytes, walBytes, exclusive: true, salvage };
  const reserve = file === inMemory ? undefined : new DiskReserve(deps.clock, `${file}-reserve`, reserveBytes);
  const database = openOnFullDisk(() => openDatabase(file, settings), reserve);
  const stopIfDamaged = (error: unknown): void => {
    if (file === inMemory || !markIfDamaged(file, error)) return;
    // Not for whoever asked: every answer is in doubt now. The process ends, and its next start salvages.
    throw new Error(`${file} is damaged: it is salvaged at the next start`, { cause: error });
  };
  const budget = new Budget(database);
  const operations = createNodeOperations(database, name, deps.hasher, {
    isFinal: config.isFinal,
    budget,
    monotonic: () => deps.clock.monotonic(),
    ...(config.queueBound && { queueBound: config.queueBound }),
  });
  const { writes, reads, rolledBack } = operations;
  const run = (requests: readonly WriteRequest[]): readonly WriteOutcome[] => {
    const outcomes = runCommit(database, writes, rolledBack, requests);
    for (const outcome of outcomes) if ("error" in outcome) stopIfDamaged(outcome.error);
    return outcomes;
  };
  const { eviction, demandOf } = operations;
  const commit = (requests: readonly WriteRequest[]) => commitInRoom({ eviction, demandOf, run }, requests);
  return {
    commit(asked) {
      const requests = asked.map(withPlainBodies);
      if (reserve !== undefined && requests.some(takesData)) {
        if (reserve.hold()) budget.lift();
        else budget.cap();
      }
      const outcomes = commit(requests);
      if (reserve === undefined || !outcomes.some(saysFull)) return outcomes;
      // Of the reserve's room the log is moved into the file. From here on the file must do with what it has inside, until the
      // reserve stands again.
      reserve.release();
      restartLog(database);
      budget.cap();
      return outcomes.map((outcome, index) => {
        const request = requests[index];
        return request === undefined || !saysFull(outcome) ? outcome : (commit([request])[0] ?? outcome);
      });
    },
    read(request) {
      try {
        return reads[request.name as keyof NodeReads](request.args as never); // typed where it was requested
      } catch (thrown) {
        const error = translateSqliteError(thrown, `read "${request.name}" from ${file}`);
        stopIfDamaged(error);
        throw error;
      }
    },
    close: () => database.close(),
  };
}
/** Writes of calls and events that are kept. */
const callWrites: readonly string[] = ["keepMessage", "remember"] satisfies readonly (keyof NodeWrites)[];

/** Even to look into a database takes some room: the index of its log. A node that cannot start cannot drain. */
function openOnFullDisk(open: () => DatabaseSync, reserve: DiskReserve | undefined): DatabaseSync {
  try {
    return open();
  } catch (error) {
    if (reserve === undefined || !(error instanceof FogbankError) || error.code !== "FOGBANK_STORE_FULL") throw error;
    reserve.release();
    return open();
  }
}

/** Whether it brings new data. */
function takesData(request: WriteRequest): boolean {
  const { name, args } = request;
  if (callWrites.includes(name)) return true;
  if (name === ("sessions" satisfies keyof NodeWrites)) return bringsMessages(args as EncodedBatch); // typed where it was requested
  return bytesOf(request) > 0;
}

/** Whether SQLite found no room. What this node refuses by itself has no cause. */
function saysFull(outcome: WriteOutcome): boolean {
  return isFull(outcome) && "error" in outcome && outcome.error instanceof Error && outcome.error.cause !== undefined;
}

function isFull(outcome: WriteOutcome): boolean {
  return "error" in outcome && outcome.error instanceof FogbankError && outcome.error.code === "FOGBANK_STORE_FULL";
}

/**
 * Moves the write-ahead log into the file and begins it anew, in the room that it has: given back, another program might take that.
 * Without the room in the file it stays as it is, and the next full disk tries again.
 */
function restartLog(database: DatabaseSync): void {
  try {
    database.prepare("PRAGMA wal_checkpoint(RESTART)").get();
  } catch (error) {
    if (!isFull({ error: translateSqliteError(error, "restart the write-ahead log") })) throw error;
  }
}
