// Segments that could not be handed on: their numbers are named as lost, their bodies stay for a while for whoever wants to look.
import type { DatabaseSync } from "node:sqlite";
import { limits } from "#shared/limits.ts";
import type { StoredSegment } from "./segment-repository.ts";
import type { StreamKey } from "./stream-key.ts";

export class QuarantineRepository {
  readonly #insert;
  readonly #size;
  readonly #removeOldest;
  readonly #bytesMax: number;

  /** `budgetBytes`: what the whole database may have. */
  constructor(database: DatabaseSync, budgetBytes: number) {
    this.#bytesMax = Math.min(limits.quarantinedBytes, budgetBytes * limits.quarantinedShare);
    this.#insert = database.prepare(
      "INSERT INTO quarantine(origin, stream, first, items, reason, crc, at_ms, body) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
    );
    this.#size = database.prepare("SELECT COUNT(*) AS rows, COALESCE(SUM(LENGTH(body)), 0) AS bytes FROM quarantine");
    this.#removeOldest = database.prepare("DELETE FROM quarantine WHERE id = (SELECT MIN(id) FROM quarantine)");
  }

  /** Keeps the segment's body; the oldest ones make room. */
  keep(key: StreamKey, segment: StoredSegment, reasonCode: number, nowMs: number): void {
    if (segment.body === null) return;
    const { first, items, crc, body } = segment;
    this.#insert.run(key.origin, key.stream, first, items, reasonCode, crc, nowMs, body);
    for (;;) {
      const { rows, bytes } = this.#total();
      if (rows <= limits.quarantinedSegments && bytes <= this.#bytesMax) return;
      this.removeOldest();
    }
  }

  /** Bytes of all bodies that are kept. */
  bytes(): number {
    return this.#total().bytes;
  }

  /** Answers whether there was one. */
  removeOldest(): boolean {
    return this.#removeOldest.run().changes !== 0;
  }

  #total(): { readonly rows: number; readonly bytes: number } {
    const size = this.#size.get();
    return { rows: Number(size?.["rows"]), bytes: Number(size?.["bytes"]) };
  }
}
