// Segments waiting to be handed on: append, take in, read in order, forget. Every change of a row changes its stream's ledger
// in the same transaction, which the caller opens.
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import {
  addInterval,
  countIntervals,
  highestOf,
  missingFrom,
  type Interval,
  type IntervalSet,
} from "#shared/journal/interval-set.ts";
import { decodeSegment, encodeSegment, segmentFlags } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";
import { lanePriorities, type Lane, type Priority } from "#shared/journal/stream.ts";
import { wireBytes, type WireSegment } from "#shared/link/frames.ts";
import type { Cursors } from "#shared/link/lane.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { StreamKey, StreamRepository } from "./stream-repository.ts";

/** A segment with the id of its row. */
export interface StoredSegment extends WireSegment {
  readonly id: number;
}

interface NewSegment extends Omit<WireSegment, "origin" | "epoch" | "streamId"> {
  readonly key: StreamKey;
  readonly priority: Priority;
}

const columns = `g.id AS id, o.node AS node, o.epoch AS epoch, g.stream AS stream, g.first AS first, g.items AS items,
  g.first_ms AS firstMs, g.last_ms AS lastMs, g.flags AS flags, g.crc AS crc, g.gap_reason AS gapReason, g.gap_bytes AS gapBytes, g.body AS body`;

export class SegmentRepository {
  readonly #streams: StreamRepository;
  readonly #hasher: Hasher;
  readonly #insert: StatementSync;
  readonly #insertGap: StatementSync;
  readonly #overlapping: StatementSync;
  readonly #lostAmong: StatementSync;
  readonly #deleteRange: StatementSync;
  readonly #byPriority: StatementSync;
  readonly #byId: StatementSync;
  readonly #newestId: StatementSync;
  readonly #startIds: StatementSync;
  readonly #raiseIds: StatementSync;
  readonly #lowest: StatementSync;

  constructor(database: DatabaseSync, streams: StreamRepository, hasher: Hasher) {
    this.#streams = streams;
    this.#hasher = hasher;
    this.#insert = database.prepare(
      `INSERT INTO segment(origin, stream, first, items, priority, first_ms, last_ms, flags, crc, gap_reason, gap_bytes, body)
       VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#insertGap = database.prepare(
      "INSERT INTO gap(origin, stream, first, last, reason, bytes, first_ms, last_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
    );
    this.#overlapping = database.prepare(
      `SELECT first, first + items - 1 AS last FROM segment
       WHERE origin = ? AND stream = ? AND first >= ? AND first <= ? AND body IS NOT NULL`,
    );
    this.#lostAmong = database.prepare(
      "SELECT first, last FROM gap WHERE origin = ? AND stream = ? AND first <= ? AND last >= ?",
    );
    // Bounded on both sides, or each acknowledgement would walk the whole backlog.
    this.#deleteRange = database.prepare(
      `DELETE FROM segment WHERE origin = ? AND stream = ? AND first >= ? AND first <= ? AND first + items - 1 <= ?
       RETURNING items, length(body) AS bytes`,
    );
    this.#byPriority = database.prepare(
      `SELECT ${columns} FROM segment g JOIN origin o ON o.id = g.origin WHERE g.priority = ? AND g.id > ? AND g.id <= ? ORDER BY g.id`,
    );
    this.#byId = database.prepare(
      `SELECT ${columns} FROM segment g JOIN origin o ON o.id = g.origin WHERE g.id > ? ORDER BY g.id`,
    );
    this.#newestId = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'segment'");
    this.#startIds = database.prepare(
      "INSERT INTO sqlite_sequence(name, seq) SELECT 'segment', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'segment')",
    );
    this.#raiseIds = database.prepare("UPDATE sqlite_sequence SET seq = ? WHERE name = 'segment' AND seq < ?");
    this.#lowest = database.prepare("SELECT MIN(first) AS first FROM segment WHERE origin = ? AND stream = ?");
  }

  /** Numbers and stores a segment of this node's own messages. Answers its first number. */
  append(key: StreamKey, segment: Omit<NewSegment, "key" | "priority" | "first" | "gap">): number {
    const row = this.#streams.find(key);
    if (row === undefined) throw new Error("assertion failed: own streams are described before they are appended to");
    const first = row.high + 1;
    const last = row.high + segment.items;
    this.#add({ ...segment, key, first, priority: row.priority, gap: undefined });
    // `high` is stored, not derived from the rows: numbers must not come again once all rows are gone [O4].
    this.#streams.change(key, {
      high: last,
      ranges: addInterval(row.ranges, first, last),
      held: segment.items,
      heldBytes: segment.body?.length ?? 0,
    });
    return first;
  }

  /**
   * Takes in what a child sent. New numbers are stored [O2]. Numbers that this node has stored and handed on before are taken again
   * where `isFinal` is false: the child may be the very node that they were handed to, now that the tree was rearranged; the root
   * drops what has come twice. Answers how many were taken.
   */
  ingest(segment: WireSegment, isFinal: boolean): number | "unreadable" | "unknown-stream" {
    const key = { origin: this.#streams.originId(segment.origin, segment.epoch), stream: segment.streamId };
    const row = this.#streams.find(key);
    if (row === undefined) return "unknown-stream";
    const last = segment.first + segment.items - 1;
    const fresh = missingFrom(row.ranges, segment.first, last);
    const again = isFinal || segment.body === null ? [] : this.#handedOn(key, segment, fresh);
    const taken = again.reduce((set, [from, to]) => addInterval(set, from, to), fresh);
    if (taken.length === 0) return 0;
    const parts = splitSegment(segment, taken, this.#hasher);
    if (parts === undefined) return "unreadable";
    let bytes = 0;
    for (const part of parts) {
      this.#add({ ...part, key, priority: row.priority });
      bytes += part.body?.length ?? 0;
    }
    const ranges = fresh.reduce((set, [from, to]) => addInterval(set, from, to), row.ranges);
    const count = countIntervals(taken);
    const counts =
      segment.gap === undefined
        ? { held: count, heldBytes: bytes, delivered: -countIntervals(again) }
        : { lost: count };
    this.#streams.change(key, { ranges, high: highestOf(ranges), ...counts });
    return count;
  }

  /** Of the segment's numbers those that are neither new, nor stored here, nor lost. */
  #handedOn(key: StreamKey, segment: WireSegment, fresh: IntervalSet): IntervalSet {
    const last = segment.first + segment.items - 1;
    let rest = fresh;
    // No data segment is longer than the bound, so none that reaches into this one begins earlier.
    const earliest = segment.first - limits.segmentItems;
    for (const row of this.#overlapping.all(key.origin, key.stream, earliest, last)) {
      rest = addInterval(rest, Number(row["first"]), Number(row["last"]));
    }
    for (const row of this.#lostAmong.all(key.origin, key.stream, last, segment.first)) {
      rest = addInterval(rest, Number(row["first"]), Number(row["last"]));
    }
    return missingFrom(rest, segment.first, last);
  }

  /** Deletes the segments that lie wholly inside `ranges`: they have been handed on. Answers how many messages that were. */
  forget(key: StreamKey, ranges: readonly Interval[]): number {
    let delivered = 0;
    let bytes = 0;
    for (const [first, last] of ranges) {
      for (const row of this.#deleteRange.all(key.origin, key.stream, first, last, last)) {
        if (row["bytes"] === null) continue; // a gap: counted as lost already
        delivered += Number(row["items"]);
        bytes += Number(row["bytes"]);
      }
    }
    if (delivered > 0) this.#streams.change(key, { delivered, held: -delivered, heldBytes: -bytes });
    return delivered;
  }

  /** What a lane sends next behind its cursors: at least one segment if there is one, then up to `bytesMax`. Ids up to `idMax` only. */
  readLane(
    lane: Lane,
    cursors: Cursors,
    bytesMax: number,
    idMax: number,
  ): { readonly segments: readonly StoredSegment[]; readonly cursors: Cursors } {
    const segments: StoredSegment[] = [];
    const next: Partial<Record<Priority, number>> = { ...cursors };
    let bytes = 0;
    for (const priority of lanePriorities[lane]) {
      for (const row of this.#byPriority.iterate(priority, cursors[priority] ?? 0, idMax)) {
        const segment = storedSegment(row);
        if (bytes > 0 && bytes + wireBytes(segment) > bytesMax) return { segments, cursors: next };
        segments.push(segment);
        next[priority] = segment.id;
        bytes += wireBytes(segment);
      }
    }
    return { segments, cursors: next };
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

  /** The largest id ever given to a segment, or 0. */
  newestId(): number {
    return Number(this.#newestId.get()?.["seq"] ?? 0);
  }

  /** Makes all ids to come larger than `id`. */
  raiseIds(id: number): void {
    this.#startIds.run();
    this.#raiseIds.run(id, id);
  }

  /** The lowest number of the stream that is still stored, or undefined. */
  lowestNumber(key: StreamKey): number | undefined {
    const first = this.#lowest.get(key.origin, key.stream)?.["first"];
    return typeof first === "number" ? first : undefined;
  }

  #add(segment: NewSegment): void {
    const { key, gap } = segment;
    const last = segment.first + segment.items - 1;
    this.#insert.run(
      key.origin,
      key.stream,
      segment.first,
      segment.items,
      segment.priority,
      segment.firstMs,
      segment.lastMs,
      segment.flags,
      segment.crc,
      gap?.reasonCode ?? 0,
      gap?.bytes ?? 0,
      segment.body,
    );
    if (gap === undefined) return;
    const { firstMs, lastMs } = segment;
    this.#insertGap.run(key.origin, key.stream, segment.first, last, gap.reasonCode, gap.bytes, firstMs, lastMs);
  }
}

/** The segment as it is when all of it is new; else one of its own for each new part. Undefined when the body cannot be read. */
function splitSegment(
  segment: WireSegment,
  fresh: IntervalSet,
  hasher: Hasher,
): readonly Omit<NewSegment, "key" | "priority">[] | undefined {
  const whole =
    fresh.length === 1 && fresh[0]?.[0] === segment.first && fresh[0][1] === segment.first + segment.items - 1;
  if (whole) return [segment];
  if (segment.body === null) {
    return fresh.map(([first, last]) => ({ ...segment, first, items: last - first + 1 }));
  }
  const items = decodeSegment(segment.body, segment.items);
  if (items === undefined) return undefined;
  return fresh.map(([first, last]) => {
    const part = items.slice(first - segment.first, last - segment.first + 1);
    const body = encodeSegment(part);
    const firstMs = part[0]?.timeMs ?? segment.firstMs;
    const lastMs = part.at(-1)?.timeMs ?? segment.lastMs;
    return { ...segment, first, items: part.length, firstMs, lastMs, body, crc: hasher.crc32(body) };
  });
}

function storedSegment(row: Record<string, SQLOutputValue>): StoredSegment {
  const body = row["body"] instanceof Uint8Array ? row["body"] : null;
  const flags = Number(row["flags"]);
  return {
    id: Number(row["id"]),
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
