// Ids of calls that this node has begun to run, with what became of them. An unexpired id is never forgotten: when there are too many,
// new ones are refused.
import type { DatabaseSync } from "node:sqlite";
import { limits } from "#shared/limits.ts";

/** How long past its deadline an id is kept: clocks of a tree differ a little. */
const graceMs = 60_000;

/** `new`: nothing was known. `outcome`: null while it runs, or when this node stopped in the middle. */
export type SeenCall = "new" | "full" | { readonly outcome: Uint8Array | null };

export class CallRepository {
  readonly #find;
  readonly #insert;
  readonly #settle;
  readonly #expire;
  readonly #sizes;
  /** Ids kept, and the bytes of their outcomes; undefined: to be counted. */
  #size: { count: number; bytes: number } | undefined;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare("SELECT outcome FROM seen WHERE id = ?");
    this.#insert = database.prepare("INSERT INTO seen(id, deadline_ms) VALUES(?, ?)");
    this.#settle = database.prepare("UPDATE seen SET outcome = ? WHERE id = ?");
    this.#expire = database.prepare("DELETE FROM seen WHERE deadline_ms < ?");
    this.#sizes = database.prepare("SELECT COUNT(*) AS count, COALESCE(SUM(LENGTH(outcome)), 0) AS bytes FROM seen");
  }

  /** Must be called when a transaction was rolled back. */
  recount(): void {
    this.#size = undefined;
  }

  recall(id: Uint8Array): SeenCall {
    const row = this.#find.get(id);
    if (row === undefined) return "new";
    const outcome = row["outcome"];
    return { outcome: outcome instanceof Uint8Array ? outcome : null };
  }

  remember(id: Uint8Array, deadlineMs: number, nowMs: number): SeenCall {
    const known = this.recall(id);
    if (known !== "new") return known;
    const size = this.#measured();
    // Kept for as long as there is room: a client may repeat what it published long ago.
    if (size.count >= limits.seenCalls) this.#removeExpired(nowMs);
    if (this.#measured().count >= limits.seenCalls) return "full";
    this.#insert.run(id, deadlineMs);
    this.#measured().count++;
    return "new";
  }

  /** `brief`: what is kept when there is no room for all of it within `bytesMax`. */
  settle(
    id: Uint8Array,
    { outcome, brief }: { readonly outcome: Uint8Array; readonly brief: Uint8Array },
    { deadlineMs, nowMs, bytesMax }: { readonly deadlineMs: number; readonly nowMs: number; readonly bytesMax: number },
  ): void {
    if (this.remember(id, deadlineMs, nowMs) === "full") return;
    if (this.#measured().bytes + outcome.length > bytesMax) this.#removeExpired(nowMs);
    const size = this.#measured();
    const kept = size.bytes + outcome.length > bytesMax ? brief : outcome;
    size.bytes += kept.length;
    this.#settle.run(kept, id);
  }

  #removeExpired(nowMs: number): void {
    if (this.#expire.run(nowMs - graceMs).changes > 0) this.#size = undefined;
  }

  #measured(): { count: number; bytes: number } {
    if (this.#size === undefined) {
      const row = this.#sizes.get();
      this.#size = { count: Number(row?.["count"]), bytes: Number(row?.["bytes"]) };
    }
    return this.#size;
  }
}
