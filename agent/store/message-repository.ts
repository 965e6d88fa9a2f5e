// Calls and events that are open here, so that they go on after a restart.
import type { DatabaseSync } from "node:sqlite";

export interface OpenMessageRow {
  readonly id: Uint8Array;
  /** CBOR, unless the disk has damaged it. */
  readonly body: Uint8Array;
}

export class MessageRepository {
  readonly #has;
  readonly #put;
  readonly #remove;
  readonly #all;

  constructor(database: DatabaseSync) {
    this.#has = database.prepare("SELECT 1 FROM message WHERE id = ?");
    this.#put = database.prepare("INSERT OR REPLACE INTO message(id, body, deadline_ms) VALUES(?, ?, ?)");
    this.#remove = database.prepare("DELETE FROM message WHERE id = ?");
    this.#all = database.prepare("SELECT id, body FROM message WHERE id > ? ORDER BY id LIMIT ?");
  }

  has(id: Uint8Array): boolean {
    return this.#has.get(id) !== undefined;
  }

  put(id: Uint8Array, body: Uint8Array, deadlineMs: number): void {
    this.#put.run(id, body, deadlineMs);
  }

  remove(id: Uint8Array): void {
    this.#remove.run(id);
  }

  /** Some of them in the order of their ids, from the one behind `after` on. */
  list(after: Uint8Array, count: number): readonly OpenMessageRow[] {
    return this.#all
      .all(after, count)
      .flatMap(({ id, body }) => (id instanceof Uint8Array ? [{ id, body: bytesOf(body) }] : []));
  }
}

function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}
