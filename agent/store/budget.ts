// How much room the node's database has: what its own limit leaves, or on a full disk what the file has inside.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";

const accountsShare = 1 - limits.journalReserveShare / 2;

export class Budget {
  readonly #database: DatabaseSync;
  readonly #pageBytes: number;
  readonly #maxPages: number;
  readonly #pages: StatementSync;
  readonly #freePages: StatementSync;
  /** Pages of the file when the disk became full: it grows no further. */
  #cappedPages: number | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#pageBytes = Number(database.prepare("PRAGMA page_size").get()?.["page_size"]);
    this.#maxPages = Number(database.prepare("PRAGMA max_page_count").get()?.["max_page_count"]);
    this.#pages = database.prepare("PRAGMA page_count");
    this.#freePages = database.prepare("PRAGMA freelist_count");
  }

  /** Bytes that the file may grow to. */
  get maxBytes(): number {
    return this.#maxPages * this.#pageBytes;
  }

  /** Bytes that may be in use before what is new has to wait: the rest is for deletes and gap rows. */
  get roomBytes(): number {
    return (this.#cappedPages ?? this.#maxPages) * (1 - limits.journalReserveShare) * this.#pageBytes;
  }

  /** The disk is full: nothing can be had but what the file has inside. */
  get isCapped(): boolean {
    return this.#cappedPages !== undefined;
  }

  /** Two cached pragmas: cheap enough to ask before every append. Inside a transaction, with what it has changed. */
  usedBytes(): number {
    return (this.#pageCount() - Number(this.#freePages.get()?.["freelist_count"])) * this.#pageBytes;
  }

  isFull(): boolean {
    return this.usedBytes() >= this.roomBytes;
  }

  /**
   * Whether another row of the accounting may be written because of what children say. Half of what is left for deletes and gap rows is
   * for that: a child with a new epoch must be let in while the journal is full, and what fills it goes up through this node. So must
   * a call that waits for somebody: with it the node can be told what to do about a full journal.
   */
  hasRoomForAccounts(): boolean {
    return this.usedBytes() < (this.#cappedPages ?? this.#maxPages) * accountsShare * this.#pageBytes;
  }

  /** Throws FOGBANK_STORE_FULL when there is no room. `attempted`: an infinitive with its object. */
  refuseWhenFull(attempted: string): void {
    if (this.isFull()) this.#refuse(attempted);
  }

  /** Throws FOGBANK_STORE_FULL where there is no room for accounts either. */
  refuseWithoutRoomForAccounts(attempted: string): void {
    if (!this.hasRoomForAccounts()) this.#refuse(attempted);
  }

  /** Keeps the file at its size. Not inside a transaction. */
  cap(): void {
    if (this.#cappedPages !== undefined) return;
    this.#cappedPages = this.#pageCount();
    this.#setMaxPages(this.#cappedPages);
  }

  /** The disk has room again. Not inside a transaction. */
  lift(): void {
    if (this.#cappedPages === undefined) return;
    this.#cappedPages = undefined;
    this.#setMaxPages(this.#maxPages);
  }

  #refuse(attempted: string): never {
    const full = this.isCapped ? "the disk is full" : `the database has reached its limit of ${this.maxBytes} bytes`;
    throw new FogbankError("FOGBANK_STORE_FULL", `could not ${attempted}: ${full}`);
  }

  #pageCount(): number {
    return Number(this.#pages.get()?.["page_count"]);
  }

  #setMaxPages(pages: number): void {
    this.#database.exec(`PRAGMA max_page_count = ${pages};`);
  }
}
