// Ids of calls that this node has begun to run, with what became of them. An unexpired id is never forgotten: when there are too many,
// new ones are refused.
import type { DatabaseSync } from "node:sqlite";

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
  readonly #countMax: number;
  /** Ids kept, and the bytes of their outcomes; undefined: to be counted. */
  #size: { count: number; bytes: number } | undefined;

  /** `countMax`: ids that are kept. */
  constructor(database: DatabaseSync, countMax: number) {
    this.#countMax = countMax;
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
    if (size.count >= this.#countMax) this.#removeExpired(nowMs);
    if (this.#measured().count >= this.#countMax) return "full";
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
    const known = this.remember(id, deadlineMs, nowMs);
    if (known === "full") return;
    const before = known === "new" ? 0 : (known.outcome?.length ?? 0);
    const added = outcome.length - before;
    if (this.#measured().bytes + added > bytesMax) this.#removeExpired(nowMs);
    const size = this.#measured();
    const kept = size.bytes + added > bytesMax ? brief : outcome;
    size.bytes += kept.length - before;
    // Unless it was itself one of those whose time is over.
    if (this.#settle.run(kept, id).changes === 0) this.#size = undefined;
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
