// Segments waiting to be handed on: append, take in, read in order, forget. Every change of a row changes its stream's ledger
// in the same transaction, which the caller opens.
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import { addInterval, removeInterval, type Interval, type IntervalSet } from "#shared/journal/interval-set.ts";
import { segmentFlags } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";
import type { Priority } from "#shared/journal/stream.ts";
import { wireBytes, type WireSegment } from "#shared/link/frames.ts";
import { SegmentIds } from "./segment-ids.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamChange, StreamRepository } from "./stream-repository.ts";

/** A segment with the id of its row. */
export interface StoredSegment extends WireSegment {
  readonly id: number;
  /** Row of the clock that stamped it, 0: the tree's time. */
  readonly clock: number;
}

/** The same with the clock that its times are from: a row of `clock`, or 0. */
export interface OutgoingRow extends StoredSegment {
  readonly clock: number;
}

/** A stored segment without its body. */
export interface SegmentHead {
  readonly id: number;
  readonly first: number;
  readonly items: number;
  /** Of the body. */
  readonly bytes: number;
}

export interface NewSegment extends Omit<WireSegment, "origin" | "epoch" | "streamId"> {
  readonly key: StreamKey;
  readonly priority: Priority;
  /** Row of the clock that stamped it; absent: the tree's time. */
  readonly clock?: number;
}

/** A segment without its body. */
export interface NumberedSegment {
  readonly id: number;
  readonly stream: number;
  readonly first: number;
  readonly items: number;
  readonly bytes: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

const columns = `g.id AS id, g.origin AS originId, o.node AS node, o.epoch AS epoch, g.stream AS stream, g.first AS first, g.items AS items,
  g.first_ms AS firstMs, g.last_ms AS lastMs, g.flags AS flags, g.crc AS crc, g.gap_reason AS gapReason, g.gap_bytes AS gapBytes, g.clock AS clock, g.body AS body`;

export class SegmentRepository {
  readonly ids: SegmentIds;
  readonly #streams: StreamRepository;
  readonly #insert: StatementSync;
  readonly #overlapping: StatementSync;
  readonly #deleteRange: StatementSync;
  readonly #ascending: StatementSync;
  readonly #descending: StatementSync;
  readonly #unreleased: StatementSync;
  readonly #behind: StatementSync;
  readonly #returned: StatementSync;
  readonly #outgoing: StatementSync;
  readonly #takeOut: StatementSync;
  readonly #among: StatementSync;
  readonly #ending: StatementSync;
  readonly #byNumber: StatementSync;
  readonly #itemsOf: StatementSync;
  readonly #removeById: StatementSync;
  readonly #byId: StatementSync;
  readonly #lowest: StatementSync;
  readonly #upTo: StatementSync;

  constructor(database: DatabaseSync, streams: StreamRepository) {
    this.#streams = streams;
    this.ids = new SegmentIds(database);
    this.#insert = database.prepare(
      `INSERT INTO segment(id, origin, stream, first, items, priority, first_ms, last_ms, flags, crc, clock, body)
       VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#overlapping = database.prepare(
      `SELECT first, first + items - 1 AS last FROM segment
       WHERE origin = ? AND stream = ? AND first >= ? AND first <= ? AND body IS NOT NULL`,
    );
    // Bounded on both sides, or each acknowledgement would walk the whole backlog.
    this.#deleteRange = database.prepare(
      `DELETE FROM segment WHERE origin = ? AND stream = ? AND first >= ? AND first <= ? AND first + items - 1 <= ? AND id <= ?
       RETURNING first, items, crc, clock, length(body) AS bytes`,
    );
    this.#takeOut = database.prepare(
      "DELETE FROM segment WHERE id = ? RETURNING stream, items, priority, first_ms, last_ms, flags, crc, clock, body",
    );
    this.#among = database.prepare(
      `SELECT id, stream, first, items, LENGTH(body) AS bytes, first_ms AS firstMs, last_ms AS lastMs
       FROM segment INDEXED BY segment_by_number
       WHERE origin = ? AND stream = ? AND first >= ? AND first <= ? AND body IS NOT NULL ORDER BY first`,
    );
    this.#ending = database.prepare(
      `SELECT items, crc FROM segment WHERE origin = ?1 AND stream = ?2 AND first <= ?3 AND first > ?3 - ${limits.segmentItems}
         AND first + items - 1 = ?3 AND clock = 0 AND body IS NOT NULL`,
    );
    // The bound on ids is met in the index: rows that it skips are not read.
    const heads = `SELECT id, first, items, LENGTH(body) AS bytes FROM segment INDEXED BY segment_by_number
      WHERE origin = ? AND stream = ? AND first >= ? AND first <= ? AND id <= ?`;
    this.#ascending = database.prepare(`${heads} ORDER BY first`);
    this.#descending = database.prepare(`${heads} ORDER BY first DESC`);
    this.#unreleased = database.prepare(
      `SELECT id FROM segment INDEXED BY segment_by_number
       WHERE origin = ? AND stream = ? AND first >= ? AND first <= ? AND id > ? LIMIT 1`,
    );
    this.#behind = database.prepare(
      `SELECT first, first + items - 1 AS last FROM segment INDEXED BY segment_by_number
       WHERE origin = ? AND stream = ? AND first >= ? AND first <= ? AND id > ?`,
    );
    this.#returned = database.prepare(
      `SELECT first, first + items - 1 AS last FROM segment
       WHERE origin = ? AND stream = ? AND first >= ? AND first <= ? AND clock <> 0 AND body IS NOT NULL`,
    );
    this.#outgoing = database.prepare(
      `SELECT ${columns}, g.clock AS clock FROM segment g JOIN origin o ON o.id = g.origin WHERE g.id = ?`,
    );
    this.#byNumber = database.prepare(
      `SELECT ${columns} FROM segment g JOIN origin o ON o.id = g.origin WHERE g.origin = ? AND g.stream = ? AND g.first = ?`,
    );
    this.#itemsOf = database.prepare("SELECT items FROM segment WHERE origin = ? AND stream = ? AND first = ?");
    this.#removeById = database.prepare("DELETE FROM segment WHERE id = ?");
    this.#byId = database.prepare(
      `SELECT ${columns} FROM segment g JOIN origin o ON o.id = g.origin WHERE g.id > ? ORDER BY g.id`,
    );
    this.#upTo = database.prepare(
      "SELECT first, first + items - 1 AS last FROM segment WHERE origin = ? AND stream = ? AND first <= ? ORDER BY first DESC LIMIT 1",
    );
    this.#lowest = database.prepare("SELECT MIN(first) AS first FROM segment WHERE origin = ? AND stream = ?");
  }

  /** Numbers and stores a segment of this node's own messages. Answers its first number. */
  append(key: StreamKey, segment: Omit<NewSegment, "key" | "priority" | "first" | "gap">): number {
    const row = this.#streams.find(key);
    if (row === undefined) throw new Error("assertion failed: own streams are described before they are appended to");
    const first = row.high + 1;
    const last = row.high + segment.items;
    this.add({ ...segment, key, first, priority: row.priority, gap: undefined });
    // `high` is stored, not derived from the rows: numbers must not come again once all rows are gone [O4].
    this.#streams.change(key, {
      high: last,
      ranges: addInterval(row.ranges, first, last),
      held: segment.items,
      heldBytes: segment.body?.length ?? 0,
      segments: 1,
    });
    return first;
  }

  /** Numbers of first…last that are stored here with their messages. */
  storedAmong(key: StreamKey, first: number, last: number): IntervalSet {
    let stored: IntervalSet = [];
    // No data segment is longer than the bound, so none that reaches into this one begins earlier.
    for (const row of this.#overlapping.all(key.origin, key.stream, first - limits.segmentItems, last)) {
      const from = Math.max(first, Number(row["first"]));
      const to = Math.min(last, Number(row["last"]));
      if (from <= to) stored = addInterval(stored, from, to);
    }
    return stored;
  }

  /** The segment that begins with that number. */
  find(key: StreamKey, first: number): StoredSegment | undefined {
    const row = this.#byNumber.get(key.origin, key.stream, first);
    return row === undefined ? undefined : storedSegment(row);
  }

  /** How many messages the segment has that begins with that number. */
  itemsOf(key: StreamKey, first: number): number | undefined {
    const items = this.#itemsOf.get(key.origin, key.stream, first)?.["items"];
    return typeof items === "number" ? items : undefined;
  }

  /** Deletes that one row. The ledger is the caller's. */
  remove(id: number): void {
    this.#removeById.run(id);
  }

  /**
   * Deletes the segments that lie wholly inside `ranges` and have ids up to `idMax`: they have been handed on. Answers how many messages
   * that were. Of the own streams (`isOwn`) the highest segment is remembered.
   */
  forget(key: StreamKey, ranges: readonly Interval[], isOwn = false, idMax = Number.MAX_SAFE_INTEGER): number {
    let delivered = 0;
    let bytes = 0;
    let rows = 0;
    let mark: StreamChange["mark"];
    for (const [first, last] of ranges) {
      for (const row of this.#deleteRange.all(key.origin, key.stream, first, last, last, idMax)) {
        rows++;
        if (row["bytes"] === null) continue; // a gap: counted as lost already
        delivered += Number(row["items"]);
        bytes += Number(row["bytes"]);
        const end = Number(row["first"]) + Number(row["items"]) - 1;
        // What was stamped by another clock was sent with other times, and another checksum.
        if (isOwn && row["clock"] === 0 && end > (mark?.last ?? 0)) mark = { last: end, ...sizeAndSum(row) };
      }
    }
    const marked = mark === undefined ? {} : { mark };
    if (rows > 0)
      this.#streams.change(key, { delivered, held: -delivered, heldBytes: -bytes, segments: -rows, ...marked });
    return delivered;
  }

  /** The segment stored here that ends with number `last`, if its checksum is that of what was sent. */
  endingWith(key: StreamKey, last: number): { readonly items: number; readonly crc: number } | undefined {
    const row = this.#ending.get(key.origin, key.stream, last);
    return row === undefined ? undefined : sizeAndSum(row);
  }

  /** Segments with messages that begin within the interval, by number. Only to be read while nothing else is done. */
  *among({ origin, stream }: StreamKey, [first, last]: Interval): Iterable<NumberedSegment> {
    for (const row of this.#among.iterate(origin, stream, first, last)) {
      yield {
        id: Number(row["id"]),
        stream: Number(row["stream"]),
        first: Number(row["first"]),
        items: Number(row["items"]),
        bytes: Number(row["bytes"]),
        firstMs: Number(row["firstMs"]),
        lastMs: Number(row["lastMs"]),
      };
    }
  }

  /** Gives a segment other numbers, and marks it as one that may have been delivered before. The ledgers are the caller's. */
  renumber(id: number, { origin, stream }: StreamKey, first: number): void {
    // Not by an update, which writes the new body before it gives the pages of the old one back: a full file has no room for both.
    const row = this.#takeOut.get(id);
    if (row === undefined) return;
    const { items = null, priority = null, first_ms = null, last_ms = null } = row;
    const { crc = null, clock = null, body = null } = row;
    const flags = Number(row["flags"]) | segmentFlags.maybeDuplicate;
    this.#insert.run(id, origin, stream, first, items, priority, first_ms, last_ms, flags, crc, clock, body);
  }

  /** Segments that begin within `interval` with ids up to `idMax`, by number, in either direction. To be read only as far as needed. */
  *heads(key: StreamKey, [first, last]: Interval, idMax: number, isDescending: boolean): Generator<SegmentHead> {
    const statement = isDescending ? this.#descending : this.#ascending;
    for (const row of statement.iterate(key.origin, key.stream, first, last, idMax)) {
      yield {
        id: Number(row["id"]),
        first: Number(row["first"]),
        items: Number(row["items"]),
        bytes: Number(row["bytes"] ?? 0),
      };
    }
  }

  /** `ranges` without the own segments there that have come back from below, or were stamped before the tree's time was known. */
  withoutReturned(key: StreamKey, ranges: IntervalSet): IntervalSet {
    const returned = ranges.flatMap(([first, last]) => this.#returned.all(key.origin, key.stream, first, last));
    return returned.reduce((set, row) => removeInterval(set, Number(row["first"]), Number(row["last"])), ranges);
  }

  /** The id of one that begins within `interval` and lies behind `idMax`, or undefined. */
  idBehind(key: StreamKey, [first, last]: Interval, idMax: number): number | undefined {
    const row = this.#unreleased.get(key.origin, key.stream, first, last, idMax);
    return row === undefined ? undefined : Number(row["id"]);
  }

  /** Numbers of the segments that begin within `interval` and lie behind `idMax`. */
  numbersBehind(key: StreamKey, [first, last]: Interval, idMax: number): readonly Interval[] {
    return this.#behind
      .all(key.origin, key.stream, first, last, idMax)
      .map((row) => [Number(row["first"]), Number(row["last"])]);
  }

  /** The segment with that id. */
  outgoing(id: number): OutgoingRow | undefined {
    const row = this.#outgoing.get(id);
    return row === undefined ? undefined : { ...storedSegment(row), clock: Number(row["clock"]) };
  }

  /** Segments behind `afterId` in order of arrival, at least one if there is one, then up to `bytesMax`. */
  readAfter(afterId: number, bytesMax: number): readonly StoredSegment[] {
    const segments: StoredSegment[] = [];
    let bytes = 0;
    for (const row of this.#byId.iterate(afterId)) {
      const segment = storedSegment(row);
      if (bytes > 0 && bytes + wireBytes(segment) > bytesMax) break;
      segments.push(segment);
      bytes += wireBytes(segment);
    }
    return segments;
  }

  /** No segment has a larger id. */
  newestId(): number {
    return this.ids.newest();
  }

  /** The numbers of the segment, gaps included, that has `number` and the one behind it. */
  across(key: StreamKey, number: number): Interval | undefined {
    const row = this.#upTo.get(key.origin, key.stream, number);
    if (row === undefined || Number(row["last"]) <= number) return undefined;
    return [Number(row["first"]), Number(row["last"])];
  }

  /** The lowest number of the stream that is still stored, or undefined. */
  lowestNumber(key: StreamKey): number | undefined {
    const first = this.#lowest.get(key.origin, key.stream)?.["first"];
    return typeof first === "number" ? first : undefined;
  }

  /** Stores a segment with its messages. The ledger is the caller's. */
  add(segment: NewSegment): void {
    const { key, first, items, priority, firstMs, lastMs, flags, crc, clock = 0, body } = segment;
    const times = [firstMs, lastMs] as const;
    this.#insert.run(
      this.ids.next(),
      key.origin,
      key.stream,
      first,
      items,
      priority,
      ...times,
      flags,
      crc,
      clock,
      body,
    );
  }
}

function sizeAndSum(row: Record<string, SQLOutputValue>): { readonly items: number; readonly crc: number } {
  return { items: Number(row["items"]), crc: Number(row["crc"]) };
}

function storedSegment(row: Record<string, SQLOutputValue>): StoredSegment {
  const body = row["body"] instanceof Uint8Array ? row["body"] : null;
  const flags = Number(row["flags"]);
  return {
    id: Number(row["id"]),
    clock: Number(row["clock"]),
    origin: String(row["node"]),
    epoch: Number(row["epoch"]),
    streamId: Number(row["stream"]),
    first: Number(row["first"]),
    items: Number(row["items"]),
    firstMs: Number(row["firstMs"]),
    lastMs: Number(row["lastMs"]),
    flags,
    crc: Number(row["crc"]),
    body,
    gap:
      (flags & segmentFlags.gap) === 0
        ? undefined
        : { reasonCode: Number(row["gapReason"]), bytes: Number(row["gapBytes"]) },
  };
}
