import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { DamagedPages } from "#agent/store/salvage-pages.ts";

const insert = `INSERT INTO segment(id, origin, stream, first, items, priority, first_ms, last_ms, flags, crc, body)
  VALUES(?, 1, 1, ?, 1, 2, 0, 0, 0, 0, ?)`;

for (const pageBytes of [2048, 4096]) {
  for (const [rows, bodyBytes] of [
    [0, 0],
    [300, 250],
    [100, 50_000],
  ] as const) {
    test(`pages of ${pageBytes} bytes are known without the header, with ${rows} rows of ${bodyBytes}`, () => {
      const folder = mkdtempSync(join(tmpdir(), "fogbank-pages-"));
      const file = join(folder, "a.db");
      try {
        using database = openDatabase(file, { migrations: nodeMigrations, cacheBytes: 1_000_000, pageBytes });
        database.exec("BEGIN");
        // What a header of a page might look like: type, cells, content.
        const body = new Uint8Array(bodyBytes).map((_, at) => [13, 0, 0, 0, 1, 8, 0, 0][at % 8] ?? 0);
        const statement = database.prepare(insert);
        for (let row = 1; row <= rows; row++) statement.run(row, row, body);
        database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
        const bytes = readFileSync(file);
        writeFileSync(`${file}.copy`, bytes.fill(0, 0, pageBytes));
        using pages = new DamagedPages(`${file}.copy`);
        expect([pages.pageBytes, pages.count]).toEqual([pageBytes, bytes.length / pageBytes]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
}
