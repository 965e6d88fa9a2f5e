// What a cloud node adds to an agent. Now: the store that the root's journal drains into. A database server's driver is loaded only when
// it is configured, and a build may leave it out.
import { join } from "node:path";
import { documentsFileName, type DocumentStore } from "#shared/system/document-store.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { OpenSqlDatabase } from "#shared/system/sql-database.ts";
import { documentMigrations } from "./storage/document-schema.ts";
import type { MongodbSettings } from "./storage/mongodb/mongodb-settings.ts";
import { takeOverRows } from "./storage/row-takeover.ts";
import { createSqliteStore } from "./storage/sqlite-store.ts";

export interface CloudDeps {
  readonly openSqlDatabase: OpenSqlDatabase;
  /** An existing directory. */
  readonly dataDir: string;
  readonly hasher: Hasher;
  readonly log: Logger;
  /** Where the documents are instead of a file. */
  readonly mongodb?: MongodbSettings;
  /** A whole number above 0, for a database that is new. */
  readonly drawInstance: () => number;
}

export interface Cloud extends AsyncDisposable {
  readonly documents: DocumentStore;
  /** Where they are; undefined: at a server, which may be away. */
  readonly file: string | undefined;
}

/**
 * Opens the server's store, which is not asked for anything yet, or `documents.db` in the data directory. Rejects with what
 * `openSqlDatabase` and `createMongodbStore` throw.
 */
export async function startCloud(deps: CloudDeps): Promise<Cloud> {
  if (deps.mongodb !== undefined) return serverStore(deps, deps.mongodb);
  await using stack = new AsyncDisposableStack();
  const file = join(deps.dataDir, documentsFileName);
  const database = await deps.openSqlDatabase(file, documentMigrations);
  const documents = stack.use(createSqliteStore(database, deps.hasher));
  await takeOverRows(database, documents, deps.log);
  deps.log.info({ file, lastArrival: await documents.lastArrival() }, "document store open");
  const owned = stack.move();
  return { documents, file, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function serverStore({ drawInstance, log }: CloudDeps, mongodb: MongodbSettings): Promise<Cloud> {
  const { createMongodbStore } = await import("./storage/mongodb/mongodb-store.ts");
  const documents = createMongodbStore(mongodb, drawInstance);
  log.info({ database: mongodb.database }, "documents are kept in MongoDB");
  return { documents, file: undefined, [Symbol.asyncDispose]: () => documents[Symbol.asyncDispose]() };
}
