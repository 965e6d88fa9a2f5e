// What the journal knows of its streams: the ledger and its gaps, what of a span of time is held or lost here, and sums for the metrics.
import type { DatabaseSync } from "node:sqlite";
import { addInterval, type Interval, type IntervalSet } from "#shared/journal/interval-set.ts";
import type { GapRow, LedgerRow } from "#shared/journal/ledger.ts";
import { SegmentReader } from "#shared/journal/segment-reader.ts";
import { lossReasonOf, type LossReason } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";
import type { StreamRepository } from "./stream-repository.ts";

export interface AccountingEntry {
  readonly row: LedgerRow;
  readonly gaps: readonly GapRow[];
}

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

/** Messages of one stream that were lost for one reason. */
export interface LossTotal {
  readonly origin: string;
  readonly stream: string;
  readonly reason: LossReason;
  readonly messages: number;
}

export interface LedgerTotals {
  readonly rows: readonly LedgerRow[];
  /** Time of the message that has waited here longest, milliseconds since 1970. */
  readonly oldestPendingMs: number | undefined;
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

type Nothing = Readonly<Record<string, never>>;

const gapsMax = 1_000;

const touches = "first_ms < ?4 AND last_ms >= ?3";

export function createAccountingReads(database: DatabaseSync, streams: StreamRepository) {
  const prepared = prepareAll(database);
  return {
    accounting(args: { readonly origin?: string }): readonly AccountingEntry[] {
      return streams
        .accounts(args.origin)
        .map((row) => ({ row, gaps: row.lost === 0 ? [] : streams.gaps(row.origin, row.epoch, row.streamId) }));
    },

    /** One entry for each stream of `origin` that this node knows. `numbers`: whose whereabouts are asked for besides. */
    span(
      args: Span & { readonly origin: string; readonly stream?: string; readonly numbers: readonly NumbersAsked[] },
    ): readonly JournalSpan[] {
      return prepared.streamsOf.all(args.origin).flatMap((row) => {
        const [epoch, stream] = [Number(row["epoch"]), String(row["name"])];
        if (args.stream !== undefined && args.stream !== stream) return [];
        const key: Key = [Number(row["origin"]), Number(row["stream"])];
        const asked = args.numbers.find((one) => one.epoch === epoch && one.stream === stream)?.ranges ?? [];
        return [
          {
            epoch,
            stream,
            held: heldIn(prepared, key, args),
            ...lostIn(prepared, key, args),
            accounted: accountedAmong(prepared, key, asked),
          },
        ];
      });
    },

    totals(_args: Nothing): LedgerTotals {
      const ms = prepared.oldest.get()?.["ms"];
      return { rows: streams.accounts(), oldestPendingMs: ms === undefined ? undefined : Number(ms) };
    },

    losses(_args: Nothing): readonly LossTotal[] {
      return prepared.lostByReason.all().map((row) => ({
        origin: String(row["origin"]),
        stream: String(row["stream"]),
        reason: lossReasonOf(Number(row["reason"])),
        messages: Number(row["messages"]),
      }));
    },
  };
}

function heldIn(prepared: Prepared, key: Key, { fromMs, toMs }: Span): number {
  let count = Number(prepared.heldInside.get(...key, fromMs, toMs)?.["held"]);
  for (const row of prepared.heldAtEdge.iterate(...key, fromMs, toMs)) {
    if (row["body"] instanceof Uint8Array) count += countInside(row["body"], Number(row["items"]), fromMs, toMs);
  }
  return count;
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

function accountedAmong(prepared: Prepared, key: Key, asked: IntervalSet): IntervalSet {
  let found: IntervalSet = [];
  for (const [first, last] of asked) {
    // No data segment is longer than the bound, so none that reaches into the range begins earlier.
    const earliest = first - limits.segmentItems;
    for (const row of prepared.heldNumbers.iterate(...key, earliest, last)) found = added(found, row);
    for (const row of prepared.lostNumbers.iterate(...key, first, last)) found = added(found, row);
  }
  return found;
}

function prepareAll(database: DatabaseSync) {
  return {
    streamsOf: database.prepare(
      `SELECT o.id AS origin, o.epoch AS epoch, s.stream AS stream, s.name AS name FROM origin o JOIN stream s ON s.origin = o.id
     WHERE o.node = ? ORDER BY o.epoch, s.stream`,
    ),
    // A clock that was set back puts the last message of a segment before its first.
    heldInside: database.prepare(
      `SELECT COALESCE(SUM(items), 0) AS held FROM segment WHERE origin = ?1 AND stream = ?2 AND body IS NOT NULL
       AND MIN(first_ms, last_ms) >= ?3 AND MAX(first_ms, last_ms) < ?4`,
    ),
    heldAtEdge: database.prepare(
      `SELECT items, body FROM segment WHERE origin = ?1 AND stream = ?2 AND body IS NOT NULL
       AND MIN(first_ms, last_ms) < ?4 AND MAX(first_ms, last_ms) >= ?3
       AND NOT (MIN(first_ms, last_ms) >= ?3 AND MAX(first_ms, last_ms) < ?4)`,
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
    lostByReason: database.prepare(
      `SELECT o.node AS origin, s.name AS stream, g.reason AS reason, TOTAL(g.last - g.first + 1) AS messages
     FROM gap g JOIN origin o ON o.id = g.origin JOIN stream s ON s.origin = g.origin AND s.stream = g.stream
     GROUP BY o.node, s.name, g.reason`,
    ),
    oldest: database.prepare("SELECT first_ms AS ms FROM segment WHERE body IS NOT NULL ORDER BY id LIMIT 1"),
  };
}

type Prepared = ReturnType<typeof prepareAll>;

type Key = readonly [origin: number, stream: number];

function added(set: IntervalSet, row: Readonly<Record<string, unknown>>): IntervalSet {
  const [first, last]: Interval = [Number(row["first"]), Number(row["last"])];
  return addInterval(set, first, last);
}

/** A body that cannot be walked counts as a whole: it is not known to be outside. */
function countInside(body: Uint8Array, items: number, fromMs: number, toMs: number): number {
  const reader = new SegmentReader(body);
  let count = 0;
  while (reader.next()) if (reader.timeMs >= fromMs && reader.timeMs < toMs) count++;
  return reader.isWhole ? count : items;
}
