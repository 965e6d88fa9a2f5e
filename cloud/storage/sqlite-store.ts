// DocumentStore on a SqlDatabase: for a root without a database server.
//
// A page costs as much as it is long, however many documents there are. Every index ends in `arrival` (SQLite appends the
// row's key), so one value of a filter is read in order of arrival. Where a filter takes in several values (the paths below
// `x/#`, all streams of an origin) the next arrivals are scanned first. If they hold no full page, each distinct value is one
// branch: found by jumping through the index, read up to the limit, merged.
import { assert } from "#shared/assert.ts";
import type { DataDocument, DataQuery, DocumentStore } from "#shared/system/document-store.ts";
import type { SqlDatabase, SqlRow, SqlValue } from "#shared/system/sql-database.ts";

/** The schema, for whoever opens the database. */
export const documentMigrations: readonly string[] = [
  `
  CREATE TABLE data(
    arrival INTEGER PRIMARY KEY,
    origin TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    stream TEXT NOT NULL,
    seq INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    topic TEXT NOT NULL,
    path TEXT NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX data_identity ON data(origin, epoch, stream, seq);
  CREATE INDEX data_origin_stream ON data(origin, stream);
  CREATE INDEX data_stream ON data(stream);
  CREATE INDEX data_origin_path ON data(origin, path);
  CREATE INDEX data_path ON data(path);
  `,
];

/** Owns `database`, which has `documentMigrations`: disposing the store closes it. */
export function createSqliteStore(database: SqlDatabase): DocumentStore {
  return {
    async insertData(documents) {
      if (documents.length === 0) return { inserted: 0, duplicates: 0 };
      const [inserted] = await database.transact([{ sql: insertSql, params: documents.map(paramsOf) }]);
      assert(inserted !== undefined, "a statement answers its number of changes");
      return { inserted, duplicates: documents.length - inserted };
    },
    async findData(query) {
      if (query.limit <= 0) return [];
      let rows: readonly SqlRow[] = [];
      for (const { sql, params } of findStatements(query)) {
        rows = await database.query(sql, params);
        if (rows.length === query.limit) break;
      }
      return rows.map(documentOf);
    },
    async countData(origin, epoch, stream) {
      const sql = "SELECT count(*) AS n FROM data WHERE origin = ? AND epoch = ? AND stream = ?";
      return onlyNumber(await database.query(sql, [origin, epoch, stream]));
    },
    async lastArrival() {
      return onlyNumber(await database.query("SELECT ifnull(max(arrival), 0) AS n FROM data", []));
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

/** The statements that read a page, to be tried in turn until one answers a full page; the last of them is always right. */
export function findStatements(query: DataQuery): readonly Clause[] {
  const plan = planOf(query);
  const after = query.after ?? 0;
  if (plan.branches !== undefined) {
    // Where the filter takes in much of what arrives, the next few arrivals hold a page and no branch need be read.
    const near = clause("arrival <= ?", after + scannedPerWanted * query.limit);
    return [scanStatement([near, ...plan.filter], query), mergeStatement(plan.branches, query)];
  }
  return [scanStatement(plan.filter, query)];
}

/** A condition or a whole statement, with its parameters. */
interface Clause {
  readonly sql: string;
  readonly params: readonly SqlValue[];
}

interface Plan {
  /** All conditions but that on `arrival`. */
  readonly filter: readonly Clause[];
  /** Absent where one range of an index holds the answer. */
  readonly branches?: Branches;
}

/** The values of an indexed column that are read one by one and merged. */
interface Branches {
  readonly column: "path" | "stream";
  /** Condition on the index's columns before `column`. */
  readonly scope: readonly Clause[];
  /** Bounds of the values that are jumped through. */
  readonly from: readonly Clause[];
  readonly until: readonly Clause[];
  /** One more value, outside these bounds. */
  readonly itself?: string;
  /** Conditions that the index does not serve: looked up in each row of a branch. */
  readonly rest: readonly Clause[];
}

const columns = "arrival, origin, epoch, stream, seq, time_ms, topic, payload";

// `arrival` is not the conflict's target: the same arrival under another identity fails.
const insertSql = `
  INSERT INTO data(arrival, origin, epoch, stream, seq, time_ms, topic, path, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT(origin, epoch, stream, seq) DO NOTHING`;

const dataPrefix = "/data/";

/** Arrivals looked at for each document wanted, before the branches are. */
const scannedPerWanted = 8;

function planOf({ origin, stream, path }: DataQuery): Plan {
  const byOrigin = origin === undefined ? [] : [clause("origin = ?", origin)];
  const byStream = stream === undefined ? [] : [clause("stream = ?", stream)];
  if (path === undefined || path === "#") {
    if (origin === undefined || stream !== undefined) return { filter: [...byOrigin, ...byStream] };
    const branches: Branches = { column: "stream", scope: byOrigin, from: [], until: [], rest: [] };
    return { filter: byOrigin.map(withoutIndex), branches };
  }
  // A path is the narrower one: without this the planner may take the index of the streams.
  const rest = byStream.map(withoutIndex);
  if (!path.endsWith("/#")) return { filter: [...byOrigin, clause("path = ?", path), ...rest] };
  // Text is compared by bytes, and "0" follows "/": between `x/` and `x0` is all that starts with `x/`.
  const itself = path.slice(0, -"/#".length);
  const from = `${itself}/`;
  const until = `${itself}0`;
  const below = clause("(+path = ? OR (+path >= ? AND +path < ?))", itself, from, until);
  return {
    filter: [...byOrigin.map(withoutIndex), below, ...rest],
    branches: {
      column: "path",
      scope: byOrigin,
      from: [clause("path >= ?", from)],
      until: [clause("path < ?", until)],
      itself,
      rest,
    },
  };
}

function scanStatement(filter: readonly Clause[], { after, limit }: DataQuery): Clause {
  const { sql, params } = join([...filter, clause("arrival > ?", after ?? 0)]);
  return {
    sql: `SELECT ${columns} FROM data WHERE ${sql} ORDER BY arrival LIMIT ?`,
    params: [...params, limit],
  };
}

function mergeStatement({ column, scope, from, until, itself, rest }: Branches, { after, limit }: DataQuery): Clause {
  const lowest = join([...scope, ...from, ...until]);
  const next = join([...scope, clause(`${column} > below.value`), ...until]);
  const inBranch = join([...scope, clause(`${column} = branch.value`), ...rest, clause("arrival > ?", after ?? 0)]);
  return {
    sql: `
      WITH RECURSIVE below(value) AS (
        SELECT min(${column}) FROM data WHERE ${lowest.sql}
        UNION ALL
        SELECT (SELECT min(${column}) FROM data WHERE ${next.sql}) FROM below WHERE value IS NOT NULL
      ), branch(value) AS (
        SELECT value FROM below WHERE value IS NOT NULL ${itself === undefined ? "" : "UNION ALL SELECT ?"}
      ), page AS MATERIALIZED (
        SELECT found.arrival FROM branch CROSS JOIN data AS found
        WHERE found.arrival IN (SELECT arrival FROM data WHERE ${inBranch.sql} ORDER BY arrival LIMIT ?)
        ORDER BY found.arrival LIMIT ?
      )
      SELECT ${columns} FROM page CROSS JOIN data USING (arrival) ORDER BY arrival`,
    params: [
      ...lowest.params,
      ...next.params,
      ...(itself === undefined ? [] : [itself]),
      ...inBranch.params,
      limit,
      limit,
    ],
  };
}

function clause(sql: string, ...params: SqlValue[]): Clause {
  return { sql, params };
}

/** The plus keeps the planner from using an index for this condition. */
function withoutIndex({ sql, params }: Clause): Clause {
  return { sql: `+${sql}`, params };
}

function join(clauses: readonly Clause[]): Clause {
  if (clauses.length === 0) return { sql: "true", params: [] };
  return { sql: clauses.map(({ sql }) => sql).join(" AND "), params: clauses.flatMap(({ params }) => params) };
}

function paramsOf(document: DataDocument): readonly SqlValue[] {
  const { arrival, origin, epoch, stream, seq, timeMs, topic, payload } = document;
  const path = topic.startsWith(dataPrefix) ? topic.slice(dataPrefix.length) : topic;
  return [arrival, origin, epoch, stream, seq, timeMs, topic, path, payload];
}

function documentOf(row: SqlRow): DataDocument {
  const payload = row["payload"];
  assert(payload instanceof Uint8Array, "a payload is stored as bytes");
  return {
    origin: textOf(row, "origin"),
    epoch: numberOf(row, "epoch"),
    stream: textOf(row, "stream"),
    seq: numberOf(row, "seq"),
    arrival: numberOf(row, "arrival"),
    timeMs: numberOf(row, "time_ms"),
    topic: textOf(row, "topic"),
    payload,
  };
}

function textOf(row: SqlRow, column: string): string {
  const value = row[column];
  assert(typeof value === "string", "a text column holds text");
  return value;
}

function numberOf(row: SqlRow, column: string): number {
  const value = row[column];
  assert(typeof value === "number", "an integer column holds a number");
  return value;
}

function onlyNumber(rows: readonly SqlRow[]): number {
  const [row] = rows;
  assert(row !== undefined, "an aggregate answers one row");
  return numberOf(row, "n");
}
