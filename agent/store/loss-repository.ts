// Numbers that will never be delivered: the record of them for the accounting, and the gap segments that carry it upward. Neighbours
// with the same reason are one gap. Every change of a row changes its stream's ledger in the same transaction.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  addInterval,
  countIntervals,
  emptyIntervals,
  missingFrom,
  type IntervalSet,
} from "#shared/journal/interval-set.ts";
import { limits } from "#shared/limits.ts";
import { segmentFlags } from "#shared/journal/segment.ts";
import type { Priority } from "#shared/journal/stream.ts";
import type { SegmentIds } from "./segment-ids.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository } from "./stream-repository.ts";

/** Numbers first…last, with what is known of the messages that had them. */
export interface Loss {
  readonly first: number;
  readonly last: number;
  readonly reasonCode: number;
  readonly bytes: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

/** Numbers of a stream that are on their way to the next node. */
export type SentNumbers = (key: StreamKey) => IntervalSet;

export class LossRepository {
  readonly #streams: StreamRepository;
  readonly #record: GapTable;
  readonly #pending: GapTable;
  readonly #sentOf: SentNumbers;
  readonly #following: StatementSync;

  constructor(
    database: DatabaseSync,
    streams: StreamRepository,
    ids: Pick<SegmentIds, "next">,
    sentOf: SentNumbers = () => emptyIntervals,
  ) {
    this.#streams = streams;
    this.#sentOf = sentOf;
    this.#record = recordTable(database);
    this.#following = database.prepare(
      `SELECT first, last, reason, bytes, first_ms AS firstMs, last_ms AS lastMs FROM gap
       WHERE origin = ? AND stream = ? AND first >= ? ORDER BY first LIMIT ?`,
    );
    this.#pending = pendingTable(database, ids);
  }

  /** Names the numbers as lost, here and, by a gap segment, above. None of them is stored or named yet. */
  add(key: StreamKey, priority: Priority, loss: Loss): void {
    put(this.#record, key, priority, loss, emptyIntervals);
    const rows = put(this.#pending, key, priority, loss, this.#sentOf(key));
    this.#streams.change(key, { lost: loss.last - loss.first + 1, segments: rows });
  }

  /** Carries a gap upward that is named here already, or whose messages were handed on. */
  passOn(key: StreamKey, priority: Priority, loss: Loss): void {
    this.#streams.change(key, { segments: put(this.#pending, key, priority, loss, this.#sentOf(key)) });
  }

  /** Takes back gap segments of numbers that are not named here: their messages have come, and are handed on instead. */
  recall(key: StreamKey, priority: Priority, numbers: IntervalSet): void {
    const rows = numbers.reduce((sum, [first, last]) => sum + cut(this.#pending, key, priority, first, last), 0);
    if (rows !== 0) this.#streams.change(key, { segments: rows });
  }

  /**
   * Carries upward again what is named here from number `first` on, at most `most` gaps, as far as it is not on its way: another parent
   * may not know. Answers how many it looked at, and where to go on; undefined: that was all.
   */
  repeat(
    key: StreamKey,
    priority: Priority,
    first: number,
    most: number,
  ): { readonly looked: number; readonly next: number | undefined } {
    const found = this.#following.all(key.origin, key.stream, first, most).map(lossOfRow);
    for (const loss of found) this.#passOnAgain(key, priority, loss, loss.first, loss.last);
    const last = found.at(-1);
    return { looked: found.length, next: found.length < most || last === undefined ? undefined : last.last + 1 };
  }

  /** The same of these numbers only, a bounded number of gaps. */
  repeatAmong(key: StreamKey, priority: Priority, ranges: IntervalSet): void {
    for (const [from, to] of ranges) {
      for (const loss of touching(this.#record, key, from, to).slice(0, limits.upkeepLooks))
        this.#passOnAgain(key, priority, loss, Math.max(from, loss.first), Math.min(to, loss.last));
    }
  }

  /** Of first…last, a part of `loss`, what is not on its way. */
  #passOnAgain(key: StreamKey, priority: Priority, loss: Loss, first: number, last: number): void {
    for (const [from, to] of missingFrom(this.pendingAmong(key, first, last), first, last))
      this.passOn(key, priority, partOf(loss, from, to));
  }

  /** Of first…last what a gap segment here is to carry upward. */
  pendingAmong(key: StreamKey, first: number, last: number): IntervalSet {
    return within(touching(this.#pending, key, first, last), first, last);
  }

  /** Of first…last what is named as lost. */
  among(key: StreamKey, first: number, last: number): IntervalSet {
    return within(touching(this.#record, key, first, last), first, last);
  }

  /** The same with what is known of it. */
  recordsAmong(key: StreamKey, first: number, last: number): readonly Loss[] {
    if (first > last) return [];
    const found = touching(this.#record, key, first, last);
    return found.map((loss) => partOf(loss, Math.max(first, loss.first), Math.min(last, loss.last)));
  }

  /** Takes back that these numbers, all of them named, are lost: they have come after all. */
  withdraw(key: StreamKey, priority: Priority, numbers: IntervalSet): void {
    if (numbers.length === 0) return;
    let rows = 0;
    for (const [first, last] of numbers) {
      cut(this.#record, key, priority, first, last);
      rows += cut(this.#pending, key, priority, first, last);
    }
    this.#streams.change(key, { lost: -countIntervals(numbers), segments: rows });
  }
}

/**
 * The two tables that hold gaps, by the same operations. Rows of a stream are disjoint: of those that begin at or below a number only
 * the last one can reach it.
 */
interface GapTable {
  /** {origin, stream, first, last}: rows that touch first…last. */
  readonly touching: StatementSync;
  readonly remove: StatementSync;
  insert(key: StreamKey, priority: Priority, loss: Loss): void;
}

function recordTable(database: DatabaseSync): GapTable {
  const insert = database.prepare(
    "INSERT INTO gap(origin, stream, first, last, reason, bytes, first_ms, last_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
  );
  return {
    touching: database.prepare(
      `SELECT first, last, reason, bytes, first_ms AS firstMs, last_ms AS lastMs FROM gap
       WHERE origin = :origin AND stream = :stream AND first <= :last AND last >= :first AND first >= COALESCE(
         (SELECT MAX(first) FROM gap WHERE origin = :origin AND stream = :stream AND first <= :first), 0)
       ORDER BY first`,
    ),
    remove: database.prepare("DELETE FROM gap WHERE origin = ? AND stream = ? AND first = ?"),
    insert: (key, _priority, { first, last, reasonCode, bytes, firstMs, lastMs }) =>
      void insert.run(key.origin, key.stream, first, last, reasonCode, bytes, firstMs, lastMs),
  };
}

function pendingTable(database: DatabaseSync, ids: Pick<SegmentIds, "next">): GapTable {
  const insert = database.prepare(
    `INSERT INTO segment(id, origin, stream, first, items, priority, first_ms, last_ms, flags, crc, gap_reason, gap_bytes, body)
     VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, NULL)`,
  );
  return {
    touching: database.prepare(
      `SELECT first, first + items - 1 AS last, gap_reason AS reason, gap_bytes AS bytes, first_ms AS firstMs, last_ms AS lastMs
       FROM segment INDEXED BY segment_gap
       WHERE origin = :origin AND stream = :stream AND first <= :last AND first + items - 1 >= :first AND body IS NULL AND first >= COALESCE(
         (SELECT MAX(first) FROM segment INDEXED BY segment_gap
          WHERE origin = :origin AND stream = :stream AND first <= :first AND body IS NULL), 0)
       ORDER BY first`,
    ),
    remove: database.prepare("DELETE FROM segment WHERE origin = ? AND stream = ? AND first = ? AND body IS NULL"),
    insert: (key, priority, { first, last, reasonCode, bytes, firstMs, lastMs }) =>
      void insert.run(
        ids.next(),
        key.origin,
        key.stream,
        first,
        last - first + 1,
        priority,
        firstMs,
        lastMs,
        segmentFlags.gap,
        reasonCode,
        bytes,
      ),
  };
}

function touching(table: GapTable, key: StreamKey, first: number, last: number): readonly Loss[] {
  return table.touching.all({ origin: key.origin, stream: key.stream, first, last }).map(lossOfRow);
}

function lossOfRow(row: Record<string, unknown>): Loss {
  return {
    first: Number(row["first"]),
    last: Number(row["last"]),
    reasonCode: Number(row["reason"]),
    bytes: Number(row["bytes"]),
    firstMs: Number(row["firstMs"]),
    lastMs: Number(row["lastMs"]),
  };
}

/** Of that loss only first…last. Bytes are shared out by count. */
function partOf(loss: Loss, first: number, last: number): Loss {
  const share = (last - first + 1) / (loss.last - loss.first + 1);
  return { ...loss, first, last, bytes: Math.round(loss.bytes * share) };
}

function isAmong(set: IntervalSet, { first, last }: Loss): boolean {
  return set.some(([low, high]) => low <= last && high >= first);
}

function within(gaps: readonly Loss[], first: number, last: number): IntervalSet {
  return gaps.reduce<IntervalSet>(
    (set, gap) => addInterval(set, Math.max(first, gap.first), Math.min(last, gap.last)),
    [],
  );
}

/**
 * Adds a gap, merged with its neighbours of the same reason, but not with those on their way: the acknowledgement names them as they
 * were sent. Answers by how many rows the table has grown.
 */
function put(table: GapTable, key: StreamKey, priority: Priority, loss: Loss, sent: IntervalSet): number {
  let merged = loss;
  let rows = 1;
  for (const row of touching(table, key, loss.first - 1, loss.last + 1)) {
    if (row.reasonCode !== loss.reasonCode || isAmong(sent, row)) continue;
    table.remove.run(key.origin, key.stream, row.first);
    rows--;
    merged = {
      first: Math.min(merged.first, row.first),
      last: Math.max(merged.last, row.last),
      reasonCode: row.reasonCode,
      bytes: Math.min(merged.bytes + row.bytes, Number.MAX_SAFE_INTEGER),
      firstMs: Math.min(merged.firstMs, row.firstMs),
      lastMs: Math.max(merged.lastMs, row.lastMs),
    };
  }
  table.insert(key, priority, merged);
  return rows;
}

/** Takes first…last out of the gaps. Answers by how many rows the table has grown. */
function cut(table: GapTable, key: StreamKey, priority: Priority, first: number, last: number): number {
  let rows = 0;
  for (const row of touching(table, key, first, last)) {
    table.remove.run(key.origin, key.stream, row.first);
    rows--;
    for (const [from, to] of missingFrom([[first, last]], row.first, row.last)) {
      table.insert(key, priority, partOf(row, from, to));
      rows++;
    }
  }
  return rows;
}
