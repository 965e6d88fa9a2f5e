// Whether a stored block still has the bytes that were stored: disks change bits, and SQLite does not look. Blocks that an earlier
// version has stored have no checksum, and are sound when they can be read whole.
import { scanBody } from "#shared/journal/segment-reader.ts";
import type { CheckedBlocks } from "#shared/system/document-store.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { SqlDatabase, SqlRow } from "#shared/system/sql-database.ts";
import { bytesOf, numberOf, textOf } from "./sql-values.ts";

const blocksPerCheck = 256;
const bytesPerCheck = 1024 * 1024;
/** Damaged blocks that readers have met and that are still to be told; of more the check in their turn tells. */
const metMax = 1_000;

const columns = "block.id AS id, origin.text AS origin, epoch, stream.text AS stream, first, items, crc, body";
const names =
  "CROSS JOIN text AS origin ON origin.id = block.origin CROSS JOIN text AS stream ON stream.id = block.stream";

const selectNext = `
  WITH picked AS MATERIALIZED (SELECT id, length(body) AS bytes FROM block WHERE id > ? ORDER BY id LIMIT ${blocksPerCheck}),
  sized AS (SELECT id, sum(bytes) OVER (ORDER BY id) - bytes AS before FROM picked)
  SELECT ${columns} FROM sized CROSS JOIN block ON block.id = sized.id ${names} WHERE before < ${bytesPerCheck}`;

const selectOne = `SELECT ${columns} FROM block ${names} WHERE block.id = ?`;

export class BlockChecker {
  readonly #database: SqlDatabase;
  readonly #hasher: Hasher;
  /** Arrivals of damaged blocks. */
  readonly #met = new Set<number>();
  readonly #listeners = new Set<() => void>();

  constructor(database: SqlDatabase, hasher: Hasher) {
    this.#database = database;
    this.#hasher = hasher;
  }

  /** What a stored body is compared with. */
  crcOf(body: Uint8Array): number {
    return this.#hasher.crc32(body);
  }

  /** Of a row with `id`, `items`, `crc` and `body`: whether it is sound. One that is not is told by the next check. */
  meet(row: SqlRow): boolean {
    if (this.#isSound(row)) return true;
    const id = numberOf(row, "id");
    if (!this.#met.has(id) && this.#met.size < metMax) {
      this.#met.add(id);
      for (const listener of this.#listeners) listener();
    }
    return false;
  }

  onDamaged(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #isSound(row: SqlRow): boolean {
    const body = bytesOf(row, "body");
    if (row["crc"] === null) return scanBody(body, numberOf(row, "items")) !== undefined;
    return row["crc"] === this.crcOf(body);
  }

  async check(after: number): Promise<CheckedBlocks> {
    const rows = await this.#database.query(selectNext, [after]);
    const damaged = rows.filter((row) => !this.#isSound(row));
    const met = [...this.#met];
    this.#met.clear();
    for (const arrival of met) {
      if (damaged.some((row) => row["id"] === arrival)) continue;
      const found = await this.#database.query(selectOne, [arrival]);
      damaged.push(...found.filter((row) => !this.#isSound(row)));
    }
    const last = rows.reduce((highest, row) => Math.max(highest, numberOf(row, "id")), 0);
    return {
      damaged: damaged.map((row) => ({
        origin: textOf(row, "origin"),
        epoch: numberOf(row, "epoch"),
        stream: textOf(row, "stream"),
        first: numberOf(row, "first"),
        items: numberOf(row, "items"),
        arrival: numberOf(row, "id"),
      })),
      next: rows.length === 0 ? undefined : last,
    };
  }

  /** Its entries among the filters stay, and lead nowhere: they are in the order of the filters. */
  async discard(arrival: number): Promise<void> {
    await this.#database.transact([{ sql: "DELETE FROM block WHERE id = ?", params: [[arrival]] }]);
  }
}
