// What is stored of a stream: by times, exactly, and by numbers. Only blocks at the edges of a span of time are decoded; the rest is
// answered from the index.
import { missingFrom, type Interval, type IntervalSet } from "#shared/journal/interval-set.ts";
import { SegmentReader } from "#shared/journal/segment-reader.ts";
import type { DataHolding, DataSpan, SpanQuery } from "#shared/system/document-store.ts";
import type { SqlDatabase, SqlRow, SqlValue } from "#shared/system/sql-database.ts";
import { bytesOf, numberOf, textOf } from "./sql-values.ts";
import type { TextDictionary } from "./text-dictionary.ts";

/** Blocks at an edge that are in memory at once. */
const edgesPerQuery = 8;

const selectInside = `SELECT epoch, stream, sum(items) AS stored, min(first) AS first, max(first + items - 1) AS last FROM block
  WHERE origin = ?1 AND (?2 IS NULL OR stream = ?2) AND min_ms >= ?3 AND max_ms < ?4 GROUP BY epoch, stream`;

const selectEdges = `SELECT id, epoch, stream, first, items, crc, body FROM block
  WHERE origin = ?1 AND (?2 IS NULL OR stream = ?2) AND max_ms >= ?3 AND min_ms < ?4 AND (min_ms < ?3 OR max_ms >= ?4)
    AND (epoch, stream, first) > (?5, ?6, ?7)
  ORDER BY epoch, stream, first LIMIT ${edgesPerQuery}`;

// Neighbours become one range: a block that begins where the one before it ends belongs to its island.
const selectRanges = `
  SELECT min(first) AS first, max(last) AS last FROM (
    SELECT first, last, sum(is_new) OVER (ORDER BY first) AS island FROM (
      SELECT first, first + items - 1 AS last, first IS NOT lag(first + items) OVER (ORDER BY first) AS is_new FROM block
      WHERE origin = ?1 AND epoch = ?2 AND stream = ?3 AND first <= ?5
        AND first >= ifnull((SELECT max(first) FROM block WHERE origin = ?1 AND epoch = ?2 AND stream = ?3 AND first <= ?4), 0)
    )
  ) GROUP BY island ORDER BY first`;

const selectNextStream = `SELECT origin, epoch, stream, names.text AS originName, streams.text AS streamName FROM (
    SELECT origin, epoch, stream FROM block WHERE (origin, epoch, stream) > (?, ?, ?) ORDER BY origin, epoch, stream LIMIT 1
  ) CROSS JOIN text AS names ON names.id = origin CROSS JOIN text AS streams ON streams.id = stream`;

type Counted = { stored: number; first: number; last: number };

/** Leaves out blocks at the edges that are not `isSound`: of a row with `id`, `items`, `crc` and `body`. */
export async function findSpans(
  database: SqlDatabase,
  dictionary: TextDictionary,
  { origin, stream, fromMs, toMs }: SpanQuery,
  isSound: (row: SqlRow) => boolean,
): Promise<readonly DataSpan[]> {
  const originId = await dictionary.find(origin);
  const streamId = stream === undefined ? null : await dictionary.find(stream);
  if (originId === undefined || streamId === undefined) return [];
  const asked = [originId, streamId, fromMs, toMs] as const;
  const byStream = new Map<string, Counted>();
  const count = (key: string, stored: number, first: number, last: number): void => {
    const before = byStream.get(key) ?? { stored: 0, first: Infinity, last: 0 };
    before.stored += stored;
    before.first = Math.min(before.first, first);
    before.last = Math.max(before.last, last);
    byStream.set(key, before);
  };
  for (const row of await database.query(selectInside, asked)) {
    count(keyOf(row), numberOf(row, "stored"), numberOf(row, "first"), numberOf(row, "last"));
  }
  for await (const row of edgesOf(database, asked)) {
    if (!isSound(row)) continue;
    const reader = new SegmentReader(bytesOf(row, "body"));
    for (let number = numberOf(row, "first"); reader.next(); number++) {
      if (reader.timeMs >= fromMs && reader.timeMs < toMs) count(keyOf(row), 1, number, number);
    }
  }
  const spans: DataSpan[] = [];
  for (const [key, counted] of byStream) {
    const [epoch = 0, id = 0] = key.split(" ").map(Number);
    const ranges = await rangesOf(database, [originId, epoch, id], [counted.first, counted.last]);
    const [name] = await database.query("SELECT text FROM text WHERE id = ?", [id]);
    if (name !== undefined) spans.push({ epoch, stream: textOf(name, "text"), ...counted, ranges });
  }
  return spans;
}

export async function* allHoldings(database: SqlDatabase): AsyncGenerator<DataHolding> {
  let at: readonly [number, number, number] = [0, 0, 0];
  for (;;) {
    const [row] = await database.query(selectNextStream, at);
    if (row === undefined) return;
    at = [numberOf(row, "origin"), numberOf(row, "epoch"), numberOf(row, "stream")];
    const ranges = await rangesOf(database, at, [1, Number.MAX_SAFE_INTEGER]);
    yield { origin: textOf(row, "originName"), epoch: at[1], stream: textOf(row, "streamName"), ranges };
  }
}

function keyOf(row: SqlRow): string {
  return `${numberOf(row, "epoch")} ${numberOf(row, "stream")}`;
}

/** Blocks that lie in the span in part, as far as their first and last times tell. */
async function* edgesOf(database: SqlDatabase, asked: readonly SqlValue[]): AsyncGenerator<SqlRow> {
  let at: readonly number[] = [-1, 0, 0];
  for (;;) {
    const rows = await database.query(selectEdges, [...asked, ...at]);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < edgesPerQuery) return;
    at = [numberOf(last, "epoch"), numberOf(last, "stream"), numberOf(last, "first")];
  }
}

/** The numbers from `first` to `last` that are stored. */
async function rangesOf(
  database: SqlDatabase,
  key: readonly SqlValue[],
  [first, last]: Interval,
): Promise<IntervalSet> {
  const rows = await database.query(selectRanges, [...key, first, last]);
  const stored = rows.map((row): Interval => [numberOf(row, "first"), numberOf(row, "last")]);
  return missingFrom(missingFrom(stored, first, last), first, last);
}
