import { expect, test } from "vitest";
import { checkLimit } from "#agent/journal/limit-check.ts";
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import type { NodeStore } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";

test.each([
  ["below the size of the file: a warning that names both", 1_000, 1],
  ["that the file can keep: nothing", 100_000_000, 0],
])("a limit %s", async (_, maxBytes, warnings) => {
  using database = openDatabase(":memory:", { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / 4_096))};`); // as at an opening of a file that is there
  const { reads } = createNodeOperations(database, parseNodeName("device-1"), nodeHasher);
  const store = { read: async () => reads.usage({}) } as unknown as Pick<NodeStore, "read">;
  const warned: unknown[] = [];
  await checkLimit({ store, log: { warn: (fields) => void warned.push(fields) } }, maxBytes);
  expect(warned).toHaveLength(warnings);
  if (warnings > 0) expect(warned).toEqual([{ limitBytes: maxBytes, fileBytes: reads.usage({}).maxBytes }]);
});
