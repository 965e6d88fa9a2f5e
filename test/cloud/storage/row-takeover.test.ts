import { expect, test } from "vitest";
import { openSqlDatabase } from "#agent/store/sql-database.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { startCloud } from "#cloud/cloud.ts";
import { documentMigrations } from "#cloud/storage/document-schema.ts";
import { takeOverRows } from "#cloud/storage/row-takeover.ts";
import { createSqliteStore } from "#cloud/storage/sqlite-store.ts";
import type { DataDocument, DocumentStore } from "#shared/system/document-store.ts";
import type { SqlDatabase } from "#shared/system/sql-database.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { documentAt } from "../../fakes/made-documents.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

/** As an earlier version stored them: segments of up to 900 messages of three streams, in turn, one number left out. */
function storedRows(count: number): readonly DataDocument[] {
  const next = new Map<string, number>();
  return Array.from({ length: count }, (_, index) => {
    const segment = Math.floor(index / 900);
    const origin = `plant-${segment % 3}`;
    const seq = (next.get(origin) ?? 0) + (index === 2_000 ? 2 : 1);
    next.set(origin, seq);
    const payload = new Uint8Array(index % 50).fill(index & 255);
    const topic = `/data/room-${index % 7}/temp`;
    return documentAt(segment * 1_024 + 1_024 + (index % 900), { origin, seq, topic, payload });
  });
}

async function fill(database: SqlDatabase, documents: readonly DataDocument[]): Promise<void> {
  const sql = "INSERT INTO data VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
  const rows = documents.map(({ arrival, origin, epoch, stream, seq, timeMs, topic, payload }) => {
    return [arrival, origin, epoch, stream, seq, timeMs, topic, topic.slice("/data/".length), payload];
  });
  await database.transact([{ sql, params: rows }]);
}

/** Uses a database that has `documents` as rows, and the newest schema. */
async function withRows(
  documents: readonly DataDocument[],
  use: (dataDir: string, file: string) => Promise<void>,
): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "fogbank-takeover-"));
  const file = join(dataDir, "documents.db");
  try {
    {
      await using old = await openSqlDatabase(file, documentMigrations.slice(0, 1));
      await fill(old, documents);
    }
    await use(dataDir, file);
  } finally {
    rmSync(dataDir, { recursive: true });
  }
}

test("a database with a row a message is taken over whole: numbers, arrivals, payloads, filters", async () => {
  const documents = storedRows(7_000);
  await withRows(documents, async (dataDir) => {
    for (let start = 0; start < 2; start++) {
      await using cloud = await startCloud({
        openSqlDatabase,
        dataDir,
        hasher: nodeHasher,
        log: silentLogger(),
        drawInstance: () => 1,
      });
      const found = await cloud.documents.findData({ limit: 10_000 });
      expect(found).toEqual(documents);
      const path = "room-3/#";
      expect(await cloud.documents.findData({ path, origin: "plant-1", limit: 5 })).toEqual(
        documents.filter(({ topic, origin }) => topic.includes("room-3") && origin === "plant-1").slice(0, 5),
      );
    }
  });
});

test("a takeover that was interrupted goes on where it was, whichever half of a portion was done", async () => {
  const documents = storedRows(5_000);
  await withRows(documents, async (_dataDir, file) => {
    await using database = await openSqlDatabase(file, documentMigrations);
    const store = createSqliteStore(database, nodeHasher);
    let inserts = 0;
    const failing: DocumentStore = {
      ...store,
      async insertBlocks(blocks) {
        if (++inserts === 2) throw new Error("the power fails before a portion is stored");
        return store.insertBlocks(blocks);
      },
    };
    await expect(takeOverRows(database, failing, silentLogger())).rejects.toThrow("power");
    const cut: SqlDatabase = {
      ...database,
      async transact(statements) {
        if (statements.some(({ sql }) => sql.startsWith("DELETE"))) throw new Error("and before its rows are gone");
        return database.transact(statements);
      },
    };
    await expect(takeOverRows(cut, store, silentLogger())).rejects.toThrow("rows");
    const [left] = await database.query("SELECT count(*) AS n FROM data", []);
    expect(left?.["n"]).toBe(3_000);
    await takeOverRows(database, store, silentLogger());
    expect(await store.findData({ limit: 10_000 })).toEqual(documents);
    expect(await database.query("SELECT arrival FROM data", [])).toEqual([]);
  });
});
