// What waits for sessions: spools, each message once, and per session rows of entries that point into them. A row leaves when its
// session is done with all of it, a spool with the last row that points to it; before that it is thinned out when little of it is left.
// Counters stand in the session's row, so that nothing walks a backlog; every change is part of the transaction that the caller opens.
import type { DatabaseSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";
import {
  addInterval,
  countIntervals,
  missingFrom,
  type Interval,
  type IntervalSet,
} from "#shared/journal/interval-set.ts";
import { decodeEntries, decodeSpooled, type SpoolEntry } from "#shared/mqtt/spool.ts";
import type { DroppedRange, QueuedMessage, Spool, SpoolQueue } from "#shared/system/session-store.ts";
import { packRanges, unpackRanges } from "./packed-ranges.ts";
import { placeIn, thinned, type StoredBody } from "./stored-body.ts";

/** What one session's queue may hold: entries, and bytes of their topics and payloads. */
export interface QueueBound {
  readonly messages: number;
  readonly bytes: number;
}

/** What one step may thin out beside as much as it has added twice over: a body that comes in can become sparse only so often. */
const thinnedSpools = 16;
const thinnedBytes = 1024 * 1024;

export interface QueueTotals {
  readonly queuedMessages: number;
  readonly queuedBytes: number;
}

interface QueueRow {
  readonly session: number;
  readonly first: number;
  readonly count: number;
  readonly spool: number;
  readonly entries: Uint8Array;
}

export class QueueRepository {
  readonly #bound: QueueBound;
  readonly #statements;
  /** Over all sessions; undefined: to be counted. */
  #totals: { messages: number; bytes: number } | undefined;
  /** By how much the references to each spool, and their bytes, fall at the end of this step. */
  readonly #unreferenced = new Map<number, { refs: number; bytes: number }>();

  constructor(database: DatabaseSync, bound: QueueBound) {
    this.#bound = bound;
    this.#statements = prepareStatements(database);
  }

  /** Must be called when a transaction was rolled back. */
  rolledBack(): void {
    this.#totals = undefined;
    this.#unreferenced.clear();
  }

  totals(): QueueTotals {
    const { messages, bytes } = this.#counted();
    return { queuedMessages: messages, queuedBytes: bytes };
  }

  /** Takes the rows of `session` whose last number is `cursor` or below. `deleteSpools` is to follow. */
  release(session: number, cursor: number): void {
    // Bounded on both sides, or each acknowledgement would walk the whole backlog.
    const rows = this.#statements.release.all(session, cursor, cursor);
    if (rows.length > 0) this.#shrink(session, rows);
  }

  /** Takes all rows of `session`. `deleteSpools` is to follow. */
  clear(session: number): void {
    const rows = this.#statements.clear.all(session);
    if (rows.length > 0) this.#shrink(session, rows);
  }

  /** Deletes the spools that nobody waits for any more. Once for many rows: they share spools. */
  deleteSpools(): void {
    for (const [spool, { refs, bytes }] of this.#unreferenced) {
      if (refs === 0 && bytes === 0) continue;
      const left = this.#statements.unreference.get(refs, bytes, spool)?.["refs"];
      if (left !== 0) continue;
      this.#statements.deleteSpool.run(spool);
      this.#statements.deleteBody.run(spool);
    }
    this.#unreferenced.clear();
  }

  /** Takes out of bodies what nobody waits for any more, as far as it is worth it. True: there is more to do. */
  thinOut(added: readonly Spool[]): boolean {
    let spools = thinnedSpools + 2 * added.length;
    let bytes = thinnedBytes + 2 * added.reduce((sum, { body }) => sum + body.length, 0);
    for (; spools > 0 && bytes > 0; spools--) {
      const spool = this.#statements.sparse.get()?.["id"];
      if (spool === undefined) return false;
      bytes -= this.#thin(Number(spool));
    }
    return this.#statements.sparse.get() !== undefined;
  }

  /** Stores what sessions that exist wait for; then every queue is cut to its bound. Answers in order of the sessions' ids. */
  add(spools: readonly Spool[]): readonly DroppedRange[] {
    const overfull = new Set<number>();
    for (const spool of spools) this.#addSpool(spool, overfull);
    if (overfull.size === 0) return [];
    const sentBySession = new Map<number, number>();
    for (const { queues } of spools) {
      for (const { session, sent } of queues) {
        if (overfull.has(session)) sentBySession.set(session, Math.max(sent, sentBySession.get(session) ?? 0));
      }
    }
    const inOrder = [...sentBySession].toSorted(([a], [b]) => a - b);
    const dropped = inOrder.flatMap(([session, sent]) => this.#cut(session, sent) ?? []);
    this.deleteSpools();
    return dropped;
  }

  /** What waits from number `from` on, in order: at least one if there is one, then what fits into `bytesMax`. */
  read(session: number, from: number, bytesMax: number): readonly QueuedMessage[] {
    const state = this.#statements.find.get(session);
    if (state === undefined) return [];
    const next = Math.max(from, Number(state["cursor"]) + 1);
    const done = unpackRanges(state["done"]);
    const found: QueuedMessage[] = [];
    let bytes = 0;
    for (const record of this.#statements.behind.iterate(session, session, next, next)) {
      const row = queueRow(session, record);
      let body: StoredBody | undefined;
      for (const [number, entry] of waitingIn(row, next, done)) {
        if (found.length > 0 && bytes + entry.bytes > bytesMax) return found;
        body ??= this.#bodyOf(row.spool);
        found.push(queuedMessage(number, entry, body));
        bytes += entry.bytes;
      }
    }
    return found;
  }

  #addSpool(spool: Spool, overfull: Set<number>): void {
    const stored = spool.queues.filter((queue) => this.#grow(queue, overfull));
    if (stored.length === 0) return;
    const live = stored.reduce((sum, { bytes }) => sum + bytes, 0);
    const weight = Math.min(live, spool.body.length);
    const id = Number(this.#statements.addSpool.run(stored.length, live, weight).lastInsertRowid);
    this.#statements.addBody.run(id, spool.body);
    for (const { session, first, count, bytes, entries } of stored) {
      this.#statements.add.run(session, first, count, bytes, id, entries);
    }
  }

  /** Counts the queue in its session's row. False when nothing of it waits: the session is gone, or done with it all already. */
  #grow({ session, first, count, bytes }: SpoolQueue, overfull: Set<number>): boolean {
    const last = first + count - 1;
    const totals = this.#counted();
    const row = this.#statements.grow.get(last, last, count, last, bytes, session);
    if (row === undefined || last <= Number(row["cursor"])) return false;
    totals.messages += count;
    totals.bytes += bytes;
    const isOver = Number(row["queued"]) > this.#bound.messages || Number(row["queuedBytes"]) > this.#bound.bytes;
    if (isOver) overfull.add(session);
    return true;
  }

  /** Drops the oldest entries that cannot be on their way, as many as the queue has too many. */
  #cut(session: number, sent: number): DroppedRange | undefined {
    this.#trim(session);
    const state = this.#statements.find.get(session);
    if (state === undefined) return undefined;
    const before = unpackRanges(state["done"]);
    let from = Math.max(sent, Number(state["sent"]), Number(state["cursor"])) + 1;
    let messages = Number(state["queued"]) - this.#bound.messages;
    let bytes = Number(state["queuedBytes"]) - this.#bound.bytes;
    let done = before;
    const lost: Interval[] = [];
    while (messages > 0 || bytes > 0) {
      const record = this.#statements.behind.get(session, session, from, from);
      if (record === undefined) break;
      const row = queueRow(session, record);
      const entries = entriesOf(row);
      const first = Math.max(from, row.first);
      let end = first;
      for (; end < row.first + row.count && (messages > 0 || bytes > 0); end++) {
        messages--;
        bytes -= entries[end - row.first]?.bytes ?? 0;
      }
      this.#remove(row, entries, first, end);
      lost.push(...missingFrom(before, first, end - 1));
      done = addInterval(done, first, end - 1);
      from = end;
    }
    if (done === before) return undefined;
    this.#statements.markDone.run(packRanges(done), session);
    const [oldest, newest] = [lost[0], lost.at(-1)];
    if (oldest === undefined || newest === undefined) return undefined;
    return { session, first: oldest[0], last: newest[1], messages: countIntervals(lost) };
  }

  /** Frees the entries that the session is done with in the one row that its cursor may stand in. */
  #trim(session: number): void {
    const next = Number(this.#statements.find.get(session)?.["cursor"]) + 1;
    const record = this.#statements.behind.get(session, session, next, next);
    if (record === undefined) return;
    const row = queueRow(session, record);
    if (row.first < next) this.#remove(row, entriesOf(row), row.first, next);
  }

  /** Takes the numbers from `first` to before `end` out of a row; what is before and behind them become rows of their own. */
  #remove(row: QueueRow, entries: readonly SpoolEntry[], first: number, end: number): void {
    this.#shrink(row.session, this.#statements.remove.all(row.session, row.first));
    const keep = (from: number, to: number): void => {
      const kept = entries.slice(from - row.first, to - row.first);
      if (kept.length === 0) return;
      const bytes = kept.reduce((sum, entry) => sum + entry.bytes, 0);
      const encoded = row.entries.subarray(entries[from - row.first - 1]?.end ?? 0, kept.at(-1)?.end);
      this.#statements.add.run(row.session, from, kept.length, bytes, row.spool, encoded);
      this.#statements.count.run(kept.length, bytes, row.session);
      this.#unreference(row.spool, -1, -bytes);
      const totals = this.#counted();
      totals.messages += kept.length;
      totals.bytes += bytes;
    };
    keep(row.first, first);
    keep(end, row.first + row.count);
  }

  /** Takes deleted rows off the counters and off their spools. */
  #shrink(session: number, rows: readonly Record<string, unknown>[]): void {
    const totals = this.#counted();
    let messages = 0;
    let bytes = 0;
    for (const row of rows) {
      this.#unreference(Number(row["spool"]), 1, Number(row["bytes"]));
      messages += Number(row["count"]);
      bytes += Number(row["bytes"]);
    }
    this.#statements.count.run(-messages, -bytes, session);
    totals.messages -= messages;
    totals.bytes -= bytes;
  }

  #unreference(spool: number, refs: number, bytes: number): void {
    const fall = this.#unreferenced.get(spool);
    if (fall === undefined) this.#unreferenced.set(spool, { refs, bytes });
    else {
      fall.refs += refs;
      fall.bytes += bytes;
    }
  }

  /** Writes the body again with the messages that rows point to. Answers the bytes that were read for it. */
  #thin(spool: number): number {
    const places = new Set<number>();
    const body = this.#findBody(spool);
    let isWhole = body !== undefined;
    for (const row of this.#statements.pointing.iterate(spool)) {
      const entries = row["entries"] instanceof Uint8Array ? decodeEntries(row["entries"]) : undefined;
      if (entries === undefined) isWhole = false;
      for (const { place } of entries ?? []) places.add(place);
    }
    const inOrder = [...places].toSorted((a, b) => a - b);
    const left = body !== undefined && isWhole ? thinned(body, inOrder) : undefined;
    // What cannot be read is told to who wants it, and stays as it is.
    this.#statements.weigh.run(left?.bytes.length ?? 0, spool);
    if (left !== undefined) this.#statements.replaceBody.run(left.bytes, packRanges(left.kept ?? []), spool);
    return body?.bytes.length ?? 0;
  }

  /** To be asked before a session's counters change: a sum that is taken later would have the change in it. */
  #counted(): { messages: number; bytes: number } {
    if (this.#totals === undefined) {
      const row = this.#statements.sum.get();
      this.#totals = { messages: Number(row?.["messages"]), bytes: Number(row?.["bytes"]) };
    }
    return this.#totals;
  }

  #bodyOf(spool: number): StoredBody {
    const body = this.#findBody(spool);
    if (body !== undefined) return body;
    throw damaged(`spool ${spool} is missing`);
  }

  #findBody(spool: number): StoredBody | undefined {
    const row = this.#statements.body.get(spool);
    const bytes = row?.["body"];
    if (!(bytes instanceof Uint8Array)) return undefined;
    return { bytes, kept: row?.["kept"] === null ? null : unpackRanges(row?.["kept"]) };
  }
}

function prepareStatements(database: DatabaseSync) {
  return {
    find: database.prepare("SELECT cursor, done, sent, queued, queued_bytes AS queuedBytes FROM session WHERE id = ?"),
    grow: database.prepare(
      `UPDATE session SET last = MAX(last, ?), queued = queued + IIF(? > cursor, ?, 0),
         queued_bytes = queued_bytes + IIF(? > cursor, ?, 0)
       WHERE id = ? RETURNING cursor, queued, queued_bytes AS queuedBytes`,
    ),
    count: database.prepare("UPDATE session SET queued = queued + ?, queued_bytes = queued_bytes + ? WHERE id = ?"),
    markDone: database.prepare("UPDATE session SET done = ? WHERE id = ?"),
    sum: database.prepare(
      "SELECT COALESCE(SUM(queued), 0) AS messages, COALESCE(SUM(queued_bytes), 0) AS bytes FROM session",
    ),
    addSpool: database.prepare("INSERT INTO spool(refs, live, weight) VALUES(?, ?, ?)"),
    addBody: database.prepare("INSERT INTO spool_body(id, body) VALUES(?, ?)"),
    unreference: database.prepare("UPDATE spool SET refs = refs - ?, live = live - ? WHERE id = ? RETURNING refs"),
    // Word by word the condition of an index.
    sparse: database.prepare("SELECT id FROM spool WHERE weight > 2 * live + 512 * refs LIMIT 1"),
    weigh: database.prepare("UPDATE spool SET weight = MIN(live, ?) WHERE id = ?"),
    pointing: database.prepare("SELECT entries FROM queue WHERE spool = ?"),
    replaceBody: database.prepare("UPDATE spool_body SET body = ?, kept = ? WHERE id = ?"),
    deleteSpool: database.prepare("DELETE FROM spool WHERE id = ?"),
    deleteBody: database.prepare("DELETE FROM spool_body WHERE id = ?"),
    body: database.prepare("SELECT body, kept FROM spool_body WHERE id = ?"),
    add: database.prepare("INSERT INTO queue(session, first, count, bytes, spool, entries) VALUES(?, ?, ?, ?, ?, ?)"),
    release: database.prepare(
      "DELETE FROM queue WHERE session = ? AND first <= ? AND first + count - 1 <= ? RETURNING spool, count, bytes",
    ),
    clear: database.prepare("DELETE FROM queue WHERE session = ? RETURNING spool, count, bytes"),
    remove: database.prepare("DELETE FROM queue WHERE session = ? AND first = ? RETURNING spool, count, bytes"),
    // From the row that a number falls into, found by the key.
    behind: database.prepare(
      `SELECT first, count, spool, entries FROM queue
       WHERE session = ? AND first >= COALESCE((SELECT MAX(first) FROM queue WHERE session = ? AND first <= ?), 0)
         AND first + count > ? ORDER BY first`,
    ),
  };
}

function queueRow(session: number, record: Record<string, unknown>): QueueRow {
  const entries = record["entries"];
  const numbers = { first: Number(record["first"]), count: Number(record["count"]), spool: Number(record["spool"]) };
  if (entries instanceof Uint8Array) return { session, ...numbers, entries };
  throw damaged(`the queue of session ${session} has no entries at ${numbers.first}`);
}

function entriesOf({ session, first, count, entries }: QueueRow): readonly SpoolEntry[] {
  const decoded = decodeEntries(entries);
  if (decoded?.length === count) return decoded;
  throw damaged(`the queue of session ${session} cannot be read at ${first}`);
}

/** The entries of a row from number `from` on that its session is not done with. */
function* waitingIn(row: QueueRow, from: number, done: IntervalSet): Generator<readonly [number, SpoolEntry]> {
  const entries = entriesOf(row);
  for (const [first, last] of missingFrom(done, Math.max(from, row.first), row.first + row.count - 1)) {
    for (let number = first; number <= last; number++) {
      const entry = entries[number - row.first];
      if (entry !== undefined) yield [number, entry];
    }
  }
}

/** With bytes of its own: a view would take the whole body to whoever asked. */
function queuedMessage(number: number, entry: SpoolEntry, body: StoredBody): QueuedMessage {
  const message = decodeSpooled(body.bytes, placeIn(body, entry.place));
  if (message === undefined) throw damaged(`a spool has no message at ${entry.place}`);
  const { qos, retain, subscriptionIds, group } = entry;
  const own = { ...message, payload: message.payload.slice(), properties: message.properties.slice() };
  return { number, message: own, qos, retain, subscriptionIds, ...(group !== "" && { group }) };
}

function damaged(what: string): FogbankError {
  return new FogbankError(
    "FOGBANK_STORE_CORRUPT",
    `could not read the queue of a session: the database is damaged (${what})`,
  );
}
