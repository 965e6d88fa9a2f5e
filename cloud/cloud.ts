// What a cloud node adds to an agent. Now: the store that the root's journal drains into.
import { join } from "node:path";
import { documentsFileName, type DocumentStore } from "#shared/system/document-store.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { OpenSqlDatabase } from "#shared/system/sql-database.ts";
import { documentMigrations } from "./storage/document-schema.ts";
import { takeOverRows } from "./storage/row-takeover.ts";
import { createSqliteStore } from "./storage/sqlite-store.ts";

export interface CloudDeps {
  readonly openSqlDatabase: OpenSqlDatabase;
  /** An existing directory. */
  readonly dataDir: string;
  readonly hasher: Hasher;
  readonly log: Logger;
}

export interface Cloud extends AsyncDisposable {
  readonly documents: DocumentStore;
  /** Where they are. */
  readonly file: string;
}

/** Opens `documents.db` in the data directory. Rejects with what `openSqlDatabase` throws. */
export async function startCloud(deps: CloudDeps): Promise<Cloud> {
  await using stack = new AsyncDisposableStack();
  const file = join(deps.dataDir, documentsFileName);
  const database = await deps.openSqlDatabase(file, documentMigrations);
  const documents = stack.use(createSqliteStore(database, deps.hasher));
  await takeOverRows(database, documents, deps.log);
  deps.log.info({ file, lastArrival: await documents.lastArrival() }, "document store open");
  const owned = stack.move();
  return { documents, file, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
