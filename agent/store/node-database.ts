// A node's database file with its operations, in whichever thread it is opened.
import type { NodeName } from "#shared/ids.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { runCommit } from "./commit-runner.ts";
import { openDatabase, translateSqliteError } from "./database.ts";
import type { WriteOutcome, WriteRequest } from "./group-commit.ts";
import { nodeMigrations } from "./node-migrations.ts";
import { createNodeOperations, type NodeReads } from "./node-operations.ts";

export interface NodeDatabaseConfig {
  readonly name: NodeName;
  readonly file: string;
  /** Bytes that the file may grow to. */
  readonly maxBytes: number;
}

export interface NodeDatabase {
  commit(requests: readonly WriteRequest[]): readonly WriteOutcome[];
  read(request: WriteRequest): unknown;
  close(): void;
}

/** Page cache: the indexes of a large backlog, small enough for a board. */
const cacheBytes = 8 * 1024 * 1024;

/** Throws what `openDatabase` throws. */
export function openNodeDatabase(config: NodeDatabaseConfig, hasher: Hasher): NodeDatabase {
  const { file, maxBytes, name } = config;
  const database = openDatabase(file, { migrations: nodeMigrations, cacheBytes, maxBytes, exclusive: true });
  const { writes, reads, rolledBack } = createNodeOperations(database, name, hasher);
  return {
    commit: (requests) => runCommit(database, writes, rolledBack, requests),
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
