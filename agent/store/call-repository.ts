// Ids of calls that this node has begun to run. An unexpired id is never forgotten: when there are too many, new ones are refused.
import type { DatabaseSync } from "node:sqlite";
import { limits } from "#shared/limits.ts";

/** How long past its deadline an id is kept: clocks of a tree differ a little. */
const graceMs = 60_000;

export class CallRepository {
  readonly #find;
  readonly #insert;
  readonly #expire;
  readonly #count;
  /** Ids kept; undefined: to be counted. */
  #size: number | undefined;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare("SELECT 1 FROM seen WHERE id = ?");
    this.#insert = database.prepare("INSERT INTO seen(id, deadline_ms) VALUES(?, ?)");
    this.#expire = database.prepare("DELETE FROM seen WHERE deadline_ms < ?");
    this.#count = database.prepare("SELECT COUNT(*) AS count FROM seen");
  }

  /** Must be called when a transaction was rolled back. */
  recount(): void {
    this.#size = undefined;
  }

  remember(id: Uint8Array, deadlineMs: number, nowMs: number): "new" | "known" | "full" {
    if (this.#find.get(id) !== undefined) return "known";
    this.#size ??= Number(this.#count.get()?.["count"]);
    // Kept for as long as there is room: a client may repeat what it published long ago.
    if (this.#size >= limits.seenCalls) this.#size -= Number(this.#expire.run(nowMs - graceMs).changes);
    if (this.#size >= limits.seenCalls) return "full";
    this.#insert.run(id, deadlineMs);
    this.#size++;
    return "new";
  }
}
