// Reads messages in order of arrival. One index range names the blocks in which a query finds something; they are fetched a few at a
// time and decoded, so that a page costs as much as it is long.
import { SegmentReader } from "#shared/journal/segment-reader.ts";
import { readerFlags } from "#shared/journal/segment.ts";
import type { DataDocument, DataQuery } from "#shared/system/document-store.ts";
import type { SqlDatabase, SqlRow, SqlValue } from "#shared/system/sql-database.ts";
import { filterOfQuery, matchesPath } from "./block-filters.ts";
import { bytesOf, numberOf, textOf } from "./sql-values.ts";
import type { TextDictionary } from "./text-dictionary.ts";

/** Blocks of the first fetch; each further one may be eight times as large, within the bytes. */
const blocksFirst = 2;
const growth = 8;
const blocksMax = 2_048;
const bytesPerFetch = 4 * 1024 * 1024;

/** The query's names as numbers. */
interface Selection {
  /** 0: any. */
  readonly origin: number;
  /** Undefined: all blocks. */
  readonly filter: number | undefined;
  /** Where the filter does not say it. */
  readonly stream: number | undefined;
}

/** Leaves out blocks that are not `isSound`: of a row with `id`, `items`, `crc` and `body`. */
export async function findData(
  database: SqlDatabase,
  dictionary: TextDictionary,
  query: DataQuery,
  isSound: (row: SqlRow) => boolean,
): Promise<readonly DataDocument[]> {
  const selection = query.limit <= 0 ? undefined : await selectionOf(dictionary, query);
  if (selection === undefined) return [];
  const found: DataDocument[] = [];
  let after = query.after ?? 0;
  for (let blocks = blocksFirst, seen = 0; ; blocks = Math.min(blocksMax, blocks * growth)) {
    // As many as the blocks so far let expect. Each has something, but for the first, of which the rest may have nothing.
    const left = query.limit - found.length;
    const expected = found.length === 0 ? left : Math.ceil((left * seen) / found.length);
    const { sql, params } = fetchStatement(selection, after, Math.min(blocks, expected + 1));
    const blocksFound = await database.query(sql, params);
    const rows = blocksFound.toSorted((a, b) => numberOf(a, "id") - numberOf(b, "id"));
    seen += rows.length;
    for (const row of rows) {
      if (isSound(row)) collect(row, query, found);
      if (found.length >= query.limit) return found;
      after = numberOf(row, "id") + numberOf(row, "items") - 1;
    }
    if (rows.length === 0) return found;
  }
}

/** Undefined when one of the names stands nowhere. */
async function selectionOf(dictionary: TextDictionary, query: DataQuery): Promise<Selection | undefined> {
  const { origin, stream, path } = query;
  const filter = filterOfQuery(query);
  const originId = origin === undefined ? 0 : await dictionary.find(origin);
  const filterId = filter === undefined ? undefined : await dictionary.find(filter);
  const isByPath = path !== undefined && path !== "#";
  const streamId = stream === undefined || !isByPath ? undefined : await dictionary.find(stream);
  if (originId === undefined || (filter !== undefined && filterId === undefined)) return undefined;
  if (stream !== undefined && isByPath && streamId === undefined) return undefined;
  return { origin: originId, filter: filterId, stream: streamId };
}

/** The next blocks that reach beyond `after`, at most so many, in no order (sorting would copy their bodies). Exported for the test of its plan. */
export function fetchStatement(
  { origin, filter, stream }: Selection,
  after: number,
  blocks: number,
): { readonly sql: string; readonly params: readonly SqlValue[] } {
  // A block that begins at or before `after` may reach beyond it: only the last of these can.
  const from = "ifnull((SELECT max(id) FROM block WHERE id <= ?), 0)";
  const isLeft = `at.id + at.items - 1 > ? ${stream === undefined ? "" : "AND at.stream = ?"}`;
  const streams = stream === undefined ? [] : [stream];
  const [picked, params] =
    filter === undefined
      ? [`block AS at WHERE at.id >= ${from} AND ${isLeft} ORDER BY at.id`, [after, after, ...streams, blocks]]
      : [
          `block_filter AS entry CROSS JOIN block AS at ON at.id = entry.block
           WHERE entry.origin = ? AND entry.filter = ? AND entry.block >= ${from} AND ${isLeft} ORDER BY entry.block`,
          [origin, filter, after, after, ...streams, blocks],
        ];
  return {
    sql: `
      WITH picked AS MATERIALIZED (SELECT at.id AS id, length(at.body) AS bytes FROM ${picked} LIMIT ?),
      sized AS (SELECT id, sum(bytes) OVER (ORDER BY id) - bytes AS before FROM picked)
      SELECT block.id AS id, origin.text AS origin, epoch, stream.text AS stream, first, items, flags, crc, body
      FROM sized CROSS JOIN block ON block.id = sized.id
        CROSS JOIN text AS origin ON origin.id = block.origin CROSS JOIN text AS stream ON stream.id = block.stream
      WHERE before < ${bytesPerFetch}`,
    params,
  };
}

/** Adds what the query finds in the block, up to its limit. */
function collect(row: SqlRow, query: DataQuery, found: DataDocument[]): void {
  const [origin, epoch, stream] = [textOf(row, "origin"), numberOf(row, "epoch"), textOf(row, "stream")];
  const [id, first] = [numberOf(row, "id"), numberOf(row, "first")];
  const flags = numberOf(row, "flags") & readerFlags;
  const reader = new SegmentReader(bytesOf(row, "body"));
  const after = query.after ?? 0;
  const verdicts = new Map<string, boolean>();
  for (let index = 0; found.length < query.limit && reader.next(); index++) {
    const arrival = id + index;
    if (arrival <= after) continue;
    const topic = reader.topic();
    let matches = verdicts.get(topic);
    if (matches === undefined) verdicts.set(topic, (matches = matchesPath(query.path, topic)));
    if (!matches) continue;
    // A copy: a message must not keep its whole block in memory.
    const payload = new Uint8Array(reader.payload());
    found.push({
      origin,
      epoch,
      stream,
      seq: first + index,
      arrival,
      timeMs: reader.timeMs,
      topic,
      payload,
      flags,
    });
  }
}
