// What of a span of time is held or lost in the journal. A long backlog is walked in portions, one a question: between them the store's
// thread commits and answers others.
import type { DatabaseSync } from "node:sqlite";
import { unionOf, type Interval, type IntervalSet } from "#shared/journal/interval-set.ts";
import type { GapRow } from "#shared/journal/ledger.ts";
import { SegmentReader } from "#shared/journal/segment-reader.ts";
import { lossReasonOf } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";

/** Numbers of one stream. */
export interface NumbersAsked {
  readonly epoch: number;
  readonly stream: string;
  readonly ranges: IntervalSet;
}

/** What this node has of one stream with times in a span. */
export interface JournalSpan {
  readonly epoch: number;
  readonly stream: string;
  /** Messages held here, by their own times; those of segments whose first and last times lie inside are taken as a whole. */
  readonly held: number;
  /** Messages in gaps whose times touch the span, or are not known. */
  readonly lost: number;
  /** The first thousand of these gaps. Times in milliseconds since 1970; both 0: not known. */
  readonly gaps: readonly (GapRow & { readonly firstMs: number; readonly lastMs: number })[];
  /** Of the numbers asked for, those that are held here or lost, at whatever time. */
  readonly accounted: IntervalSet;
}

/** The same of some of the stream's segments. What is lost stands in the first part of a stream alone. */
export interface SpanPart extends JournalSpan {
  /** Messages of the whole stream that are lost by now: when that grows between two parts, these do not belong together. */
  readonly lostInAll: number;
}

/** Segments of a stream that begin with number `first` or later, and all streams behind it. */
export interface SpanPlace {
  readonly epoch: number;
  readonly streamId: number;
  readonly first: number;
}

export interface SpanPortion {
  readonly parts: readonly SpanPart[];
  /** Where to go on; null: that was all. */
  readonly next: SpanPlace | null;
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

const gapsMax = 1_000;
const streamsMax = 200;

const touches = "first_ms < ?4 AND last_ms >= ?3";

const beginning: SpanPlace = { epoch: 0, streamId: 0, first: 0 };

export function createSpanReads(database: DatabaseSync) {
  const prepared = prepareAll(database);
  return {
    /** Of each stream of `origin` that this node knows, a portion. `numbers`: whose whereabouts are asked for besides. */
    span(
      args: Span & {
        readonly origin: string;
        readonly stream?: string;
        readonly numbers: readonly NumbersAsked[];
        readonly from: SpanPlace | null;
      },
    ): SpanPortion {
      const from = args.from ?? beginning;
      const rows = prepared.streamsFrom.all(args.origin, from.epoch, from.streamId);
      const parts: SpanPart[] = [];
      let looksLeft: number = limits.spanLooks;
      for (const row of rows) {
        const [epoch, streamId, stream] = [Number(row["epoch"]), Number(row["stream"]), String(row["name"])];
        if (args.stream !== undefined && args.stream !== stream) continue;
        if (looksLeft <= 0) return { parts, next: { epoch, streamId, first: 0 } };
        const key: Key = [Number(row["origin"]), streamId];
        const first = epoch === from.epoch && streamId === from.streamId ? from.first : 0;
        const asked = args.numbers.find((one) => one.epoch === epoch && one.stream === stream)?.ranges ?? [];
        const walk = walkHeld(prepared, key, args, first, looksLeft);
        const lost = first === 0 ? lostIn(prepared, key, args) : { lost: 0, gaps: [] };
        const gone = first === 0 ? lostAmong(prepared, key, asked) : [];
        const accounted = unionOf([...heldAmong(prepared, key, asked, [first, walk.last]), ...gone]);
        parts.push({ epoch, stream, held: walk.held, ...lost, accounted, lostInAll: Number(row["lost"]) });
        if (walk.last !== Number.MAX_SAFE_INTEGER) return { parts, next: { epoch, streamId, first: walk.last + 1 } };
        looksLeft -= walk.looks + 1;
      }
      const last = rows.length < streamsMax ? undefined : rows.at(-1);
      const next = last && { epoch: Number(last["epoch"]), streamId: Number(last["stream"]) + 1, first: 0 };
      return { parts, next: next ?? null };
    },
  };
}

interface Walk {
  readonly held: number;
  readonly looks: number;
  /** It went as far as the segments that begin here; the largest number: to the end. */
  readonly last: number;
}

/** Counts what is held from number `first` on, in at most `looksMax` segments, of which the bodies of some are read. */
function walkHeld(prepared: Prepared, key: Key, { fromMs, toMs }: Span, first: number, looksMax: number): Walk {
  const reach = prepared.reach.get(...key, first, looksMax);
  const looks = Number(reach?.["looks"]);
  let last = looks < looksMax ? Number.MAX_SAFE_INTEGER : Number(reach?.["last"]);
  let held = 0;
  let bytes = 0;
  for (const row of prepared.heldAtEdge.iterate(...key, fromMs, toMs, first, last)) {
    const { body } = row;
    if (!(body instanceof Uint8Array)) continue;
    held += countInside(body, Number(row["items"]), fromMs, toMs);
    bytes += body.length;
    if (bytes < limits.spanBytes) continue;
    last = Number(row["first"]);
    break;
  }
  held += Number(prepared.heldInside.get(...key, fromMs, toMs, first, last)?.["held"]);
  return { held, looks, last };
}

function lostIn(prepared: Prepared, key: Key, { fromMs, toMs }: Span): Pick<JournalSpan, "lost" | "gaps"> {
  const gaps = prepared.gapsTouching.all(...key, fromMs, toMs).map((row) => ({
    first: Number(row["first"]),
    last: Number(row["last"]),
    reason: lossReasonOf(Number(row["reason"])),
    firstMs: Number(row["firstMs"]),
    lastMs: Number(row["lastMs"]),
  }));
  return { lost: Number(prepared.lostTouching.get(...key, fromMs, toMs)?.["lost"]), gaps };
}

/** Of `asked` what is in the segments that begin within first…last. */
function heldAmong(prepared: Prepared, key: Key, asked: IntervalSet, [first, last]: Interval): readonly Interval[] {
  const found: Interval[] = [];
  for (const [from, to] of asked) {
    // No data segment is longer than the bound, so none that reaches into the range begins earlier.
    const [earliest, latest] = [Math.max(first, from - limits.segmentItems), Math.min(last, to)];
    if (earliest > latest) continue;
    for (const row of prepared.heldNumbers.iterate(...key, earliest, latest)) {
      const numbers = intervalOf(row);
      if (numbers[1] >= from) found.push(numbers);
    }
  }
  return found;
}

function lostAmong(prepared: Prepared, key: Key, asked: IntervalSet): readonly Interval[] {
  return asked.flatMap(([first, last]) => prepared.lostNumbers.all(...key, first, last).map(intervalOf));
}

function prepareAll(database: DatabaseSync) {
  return {
    streamsFrom: database.prepare(
      `SELECT o.id AS origin, o.epoch AS epoch, s.stream AS stream, s.name AS name, s.lost AS lost
     FROM origin o JOIN stream s ON s.origin = o.id
     WHERE o.node = ? AND (o.epoch, s.stream) >= (?, ?) ORDER BY o.epoch, s.stream LIMIT ${streamsMax}`,
    ),
    reach: database.prepare(
      `SELECT COUNT(*) AS looks, MAX(first) AS last FROM (SELECT first FROM segment INDEXED BY segment_by_number
       WHERE origin = ? AND stream = ? AND first >= ? ORDER BY first LIMIT ?)`,
    ),
    // A clock that was set back puts the last message of a segment before its first.
    heldInside: database.prepare(
      `SELECT COALESCE(SUM(items), 0) AS held FROM segment WHERE origin = ?1 AND stream = ?2 AND body IS NOT NULL
       AND MIN(first_ms, last_ms) >= ?3 AND MAX(first_ms, last_ms) < ?4 AND first >= ?5 AND first <= ?6`,
    ),
    heldAtEdge: database.prepare(
      `SELECT first, items, body FROM segment WHERE origin = ?1 AND stream = ?2 AND body IS NOT NULL
       AND MIN(first_ms, last_ms) < ?4 AND MAX(first_ms, last_ms) >= ?3
       AND NOT (MIN(first_ms, last_ms) >= ?3 AND MAX(first_ms, last_ms) < ?4) AND first >= ?5 AND first <= ?6 ORDER BY first`,
    ),
    gapsTouching: database.prepare(
      `SELECT first, last, reason, first_ms AS firstMs, last_ms AS lastMs FROM gap
     WHERE origin = ?1 AND stream = ?2 AND (last_ms = 0 OR (${touches})) ORDER BY first LIMIT ${gapsMax}`,
    ),
    lostTouching: database.prepare(
      `SELECT COALESCE(SUM(last - first + 1), 0) AS lost FROM gap WHERE origin = ?1 AND stream = ?2 AND (last_ms = 0 OR (${touches}))`,
    ),
    heldNumbers: database.prepare(
      `SELECT first, first + items - 1 AS last FROM segment
     WHERE origin = ?1 AND stream = ?2 AND first >= ?3 AND first <= ?4 AND body IS NOT NULL`,
    ),
    lostNumbers: database.prepare(
      "SELECT first, last FROM gap WHERE origin = ?1 AND stream = ?2 AND last >= ?3 AND first <= ?4",
    ),
  };
}

type Prepared = ReturnType<typeof prepareAll>;

type Key = readonly [origin: number, stream: number];

function intervalOf(row: Readonly<Record<string, unknown>>): Interval {
  return [Number(row["first"]), Number(row["last"])];
}

/** A body that cannot be walked counts as a whole: it is not known to be outside. */
function countInside(body: Uint8Array, items: number, fromMs: number, toMs: number): number {
  const reader = new SegmentReader(body);
  let count = 0;
  while (reader.next()) if (reader.timeMs >= fromMs && reader.timeMs < toMs) count++;
  return reader.isWhole ? count : items;
}
