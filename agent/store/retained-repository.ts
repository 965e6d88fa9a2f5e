// Retained messages by topic, encoded as in a spool's body.
import type { DatabaseSync } from "node:sqlite";

export interface EncodedRetained {
  readonly topic: string;
  /** Null: there is none any more. */
  readonly message: Uint8Array | null;
}

export class RetainedRepository {
  readonly #put;
  readonly #delete;
  readonly #behind;

  constructor(database: DatabaseSync) {
    this.#put = database.prepare(
      "INSERT INTO retained(topic, message) VALUES(?, ?) ON CONFLICT(topic) DO UPDATE SET message = excluded.message",
    );
    this.#delete = database.prepare("DELETE FROM retained WHERE topic = ?");
    this.#behind = database.prepare("SELECT topic, message FROM retained WHERE topic > ? ORDER BY topic");
  }

  put({ topic, message }: EncodedRetained): void {
    if (message === null) this.#delete.run(topic);
    else this.#put.run(topic, message);
  }

  /** In order of the topics' UTF-8 bytes behind `after`: at least one if there is one, then what fits into `bytesMax`. */
  page(after: string, bytesMax: number): readonly EncodedRetained[] {
    const found: EncodedRetained[] = [];
    let bytes = 0;
    for (const row of this.#behind.iterate(after)) {
      const message = row["message"];
      if (!(message instanceof Uint8Array)) continue;
      bytes += message.length;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push({ topic: String(row["topic"]), message });
    }
    return found;
  }
}
