import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqlDatabase } from "#agent/store/sql-database.ts";
import { startCloud } from "#cloud/cloud.ts";
import { documentAt, insert } from "../fakes/made-documents.ts";
import { silentLogger } from "../fakes/silent-logger.ts";

const log = silentLogger();

test("a cloud keeps its documents in the data directory across a restart", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "fogbank-cloud-"));
  try {
    {
      await using cloud = await startCloud({ openSqlDatabase, dataDir, log });
      await insert(cloud.documents, [documentAt(1)]);
    }
    await using cloud = await startCloud({ openSqlDatabase, dataDir, log });
    expect(await cloud.documents.findData({ limit: 10 })).toEqual([documentAt(1)]);
  } finally {
    rmSync(dataDir, { recursive: true });
  }
});

test("a data directory that is not there is a clear error", async () => {
  const dataDir = join(tmpdir(), "fogbank-cloud-none", "missing");
  await expect(startCloud({ openSqlDatabase, dataDir, log })).rejects.toMatchObject({ code: "FOGBANK_DATA_DIR" });
});
