// Ids of segments: they only grow, and none is given twice, since cursors stand at them. They are set aside by the thousand, so that
// giving one writes nothing; a restart leaves out what was set aside and not given.
import type { DatabaseSync, StatementSync } from "node:sqlite";

const setAside = 10_000;

export class SegmentIds {
  readonly #get: StatementSync;
  readonly #set: StatementSync;
  readonly #highest: StatementSync;
  /** The next id, and the last one that may be given; undefined until they are asked for. */
  #next: number | undefined;
  #last = 0;

  constructor(database: DatabaseSync) {
    this.#get = database.prepare("SELECT value FROM meta WHERE key = 'segment-ids'");
    this.#set = database.prepare(
      "INSERT INTO meta(key, value) VALUES('segment-ids', ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
    );
    this.#highest = database.prepare(
      `SELECT MAX(COALESCE((SELECT MAX(id) FROM segment), 0),
         COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'segment'), 0)) AS id`,
    );
  }

  /** Gives an id, in the transaction that the caller opened. */
  next(): number {
    const id = this.#load();
    if (id > this.#last) this.#setAside(id);
    this.#next = id + 1;
    return id;
  }

  /** None that was given is larger; what is given from now on is. */
  newest(): number {
    return this.#load() - 1;
  }

  /** Makes all ids to come larger than `id`. In a transaction. */
  raise(id: number): void {
    if (this.#load() > id) return;
    this.#next = id + 1;
    this.#setAside(id + 1);
  }

  /** Must be called when a transaction was rolled back: it may have set aside what is given now. */
  rolledBack(): void {
    this.#last = 0;
  }

  #setAside(from: number): void {
    this.#last = from + setAside - 1;
    this.#set.run(this.#last);
  }

  #load(): number {
    this.#next ??= Math.max(Number(this.#get.get()?.["value"] ?? 0), Number(this.#highest.get()?.["id"])) + 1;
    return this.#next;
  }
}
