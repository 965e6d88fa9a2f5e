import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqlDatabase, salvagingSqlDatabases } from "#agent/store/sql-database.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { startCloud } from "#cloud/cloud.ts";
import { documentAt, insert } from "../fakes/made-documents.ts";
import { silentLogger } from "../fakes/silent-logger.ts";

const log = silentLogger();

test("a cloud keeps its documents in the data directory across a restart", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "fogbank-cloud-"));
  try {
    {
      await using cloud = await startCloud({
        openSqlDatabase,
        dataDir,
        hasher: nodeHasher,
        log,
        drawInstance: () => 1,
      });
      await insert(cloud.documents, [documentAt(1)]);
    }
    await using cloud = await startCloud({ openSqlDatabase, dataDir, hasher: nodeHasher, log, drawInstance: () => 1 });
    expect(await cloud.documents.findData({ limit: 10 })).toEqual([documentAt(1)]);
  } finally {
    rmSync(dataDir, { recursive: true });
  }
});

test("documents that are whole are not taken for damaged, at whichever start", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "fogbank-cloud-"));
  const reports: unknown[] = [];
  const salvaging = salvagingSqlDatabases((report) => reports.push(report));
  try {
    for (let start = 1; start <= 3; start++) {
      await using cloud = await startCloud({
        openSqlDatabase: salvaging,
        dataDir,
        hasher: nodeHasher,
        log,
        drawInstance: () => 1,
      });
      await insert(cloud.documents, [documentAt(start)]);
      expect(await cloud.documents.findData({ limit: 10 })).toHaveLength(start);
    }
    expect(reports).toEqual([]);
  } finally {
    rmSync(dataDir, { recursive: true });
  }
});

test("a data directory that is not there is a clear error", async () => {
  const dataDir = join(tmpdir(), "fogbank-cloud-none", "missing");
  await expect(
    startCloud({ openSqlDatabase, dataDir, hasher: nodeHasher, log, drawInstance: () => 1 }),
  ).rejects.toMatchObject({
    code: "FOGBANK_DATA_DIR",
  });
});
