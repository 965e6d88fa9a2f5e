// Calls and events that are open here, so that they go on after a restart.
import type { DatabaseSync } from "node:sqlite";

export class MessageRepository {
  readonly #has;
  readonly #put;
  readonly #remove;
  readonly #all;

  constructor(database: DatabaseSync) {
    this.#has = database.prepare("SELECT 1 FROM message WHERE id = ?");
    this.#put = database.prepare("INSERT OR REPLACE INTO message(id, body, deadline_ms) VALUES(?, ?, ?)");
    this.#remove = database.prepare("DELETE FROM message WHERE id = ?");
    this.#all = database.prepare("SELECT body FROM message WHERE id > ? ORDER BY id LIMIT ?");
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
  list(after: Uint8Array, count: number): readonly Uint8Array[] {
    return this.#all
      .all(after, count)
      .map(({ body }) => body)
      .filter((body) => body instanceof Uint8Array);
  }
}
