// Makes the journal of a salvaged database agree with itself: who the origins are, what each ledger row says, and what is lost.
import type { DatabaseSync } from "node:sqlite";
import {
  countIntervals,
  highestOf,
  type Interval,
  type IntervalSet,
  missingFrom,
} from "#shared/journal/interval-set.ts";
import { lossReasonCodes, segmentFlags } from "#shared/journal/segment.ts";
import { placeholderName } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import { packRanges } from "./packed-ranges.ts";
import { type CopyOutcome, type IndexContent } from "./salvage-copy.ts";
import { common, type LedgerAfter, type LedgerBefore, settleLedger, unionOf, without } from "./salvage-ledger.ts";
import { redirectRenumbering } from "./salvage-renumbering.ts";
import { SegmentIds } from "./segment-ids.ts";
import { rangesIn } from "./salvage-rows.ts";

/** Indexes that say what the table itself no longer tells. */
export const journalIndexes = {
  origins: "sqlite_autoindex_origin_1",
  numbers: "segment_by_number",
} as const;

/** What one stream has lost. */
export interface SalvagedLoss {
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
  /** At least. */
  readonly messages: number;
  /** They are among these numbers; named up to a bound. */
  readonly ranges: readonly Interval[];
}

export interface JournalRepair {
  readonly lost: readonly SalvagedLoss[];
  /** Ledger rows that were made again from what is left. */
  readonly rebuiltStreams: number;
  /** Segments whose origin nobody can tell any more. */
  readonly nameless: number;
}

const rangesReported = 100;

/** Inside a transaction, after the rows have been copied. */
export function repairJournal(database: DatabaseSync, copied: CopyOutcome): JournalRepair {
  // Numbers that were given after the last readable commit must not come again: the life of these numbers ends here.
  // The file is another one because of the salvage: that makes it no copy. A note of what was sent may be older than what was.
  database.exec("DELETE FROM meta WHERE key IN ('epoch', 'instance', 'file', 'birth', 'offered')");
  const nameless = nameOrigins(database, copied);
  redirectRenumbering(database);
  dropDoubtful(database, copied);
  raiseIds(database, copied);
  const lost: SalvagedLoss[] = [];
  let rebuiltStreams = 0;
  const index = copied.indexes.get(journalIndexes.numbers);
  const lostFirsts = lostFirstsByKey(database, index);
  const mayBeStale = copied.mayBeStale || (index?.isWhole === true && hasUnlisted(database, index));
  for (const key of streamKeys(database)) {
    const row = ledgerRowOf(database, key);
    if (row === undefined) rebuiltStreams++;
    const loss = settleStream(database, key, row, {
      lostFirsts: lostFirsts.get(keyText(key)) ?? [],
      isIndexWhole: index?.isWhole ?? false,
      isDamaged: copied.damaged.has("segment"),
      mayBeStale,
    });
    if (loss !== undefined) lost.push(loss);
  }
  settleRest(database);
  return { lost, rebuiltStreams, nameless };
}

interface Key {
  readonly origin: number;
  readonly stream: number;
}

/** What is known of the unreadable segments of one stream. */
interface SegmentDamage {
  readonly lostFirsts: readonly number[];
  readonly isIndexWhole: boolean;
  /** Something of the table is unreadable. */
  readonly isDamaged: boolean;
  readonly mayBeStale: boolean;
}

interface LedgerFacts {
  readonly before: LedgerBefore;
  /** Numbers that the parent has and that are kept here all the same. */
  readonly handed: IntervalSet;
  readonly heldBytes: number;
  readonly heardMs: number;
}

/** Origins that the index still knows come back. What belongs to the others goes. Answers how many segments these were. */
function nameOrigins(database: DatabaseSync, copied: CopyOutcome): number {
  const add = database.prepare("INSERT OR IGNORE INTO origin(id, node, epoch) VALUES(?, ?, ?)");
  for (const { node, epoch, rowid } of copied.indexes.get(journalIndexes.origins)?.rows ?? []) {
    if (typeof node === "string" && typeof epoch === "number" && typeof rowid === "number") add.run(rowid, node, epoch);
  }
  const unnamed = "origin NOT IN (SELECT id FROM origin)";
  const nameless = Number(database.prepare(`DELETE FROM segment WHERE ${unnamed}`).run().changes);
  database.exec(`DELETE FROM stream WHERE ${unnamed}; DELETE FROM gap WHERE ${unnamed};`);
  return nameless;
}

/**
 * A body has a checksum, the numbers beside it have none: where the index gives a segment another place, only its neighbours can tell.
 * Of two segments with the same number the older one stays.
 */
function dropDoubtful(database: DatabaseSync, copied: CopyOutcome): void {
  const find = database.prepare("SELECT origin, stream, first, items FROM segment WHERE id = ?");
  const joins = database.prepare(
    "SELECT 1 FROM segment WHERE origin = ? AND stream = ? AND id <> ? AND (first + items = ? OR first = ?) LIMIT 1",
  );
  const drop = database.prepare("DELETE FROM segment WHERE id = ?");
  for (const { origin, stream, first, rowid } of copied.indexes.get(journalIndexes.numbers)?.rows ?? []) {
    if (typeof rowid !== "number") continue;
    const row = find.get(rowid);
    if (row === undefined) continue;
    if (row["origin"] === origin && row["stream"] === stream && row["first"] === first) continue;
    const [from, items] = [Number(row["first"]), Number(row["items"])];
    const hasNeighbour = joins.get(Number(row["origin"]), Number(row["stream"]), rowid, from, from + items);
    if (hasNeighbour === undefined) drop.run(rowid);
  }
  const inOrder = database.prepare(
    "SELECT id, origin, stream, first, items FROM segment WHERE body IS NOT NULL ORDER BY origin, stream, first",
  );
  let end: { readonly origin: unknown; readonly stream: unknown; readonly last: number } = {
    origin: 0,
    stream: 0,
    last: 0,
  };
  const overlapping: number[] = [];
  for (const { id, origin, stream, first, items } of inOrder.iterate()) {
    if (end.origin === origin && end.stream === stream && Number(first) <= end.last) overlapping.push(Number(id));
    else end = { origin, stream, last: Number(first) + Number(items) - 1 };
  }
  for (const id of overlapping) drop.run(id);
}

/** Cursors stand at ids: none that was given may come again. */
function raiseIds(database: DatabaseSync, copied: CopyOutcome): void {
  const known = (copied.indexes.get(journalIndexes.numbers)?.rows ?? []).map(({ rowid }) => Number(rowid));
  const newest = known.reduce((max, id) => Math.max(max, id), 0);
  const cursors = database.prepare("SELECT MAX(value) AS id FROM meta WHERE key LIKE 'cursor-%'").get()?.["id"];
  new SegmentIds(database).raise(Math.max(newest, Number(cursors ?? 0)));
}

function streamKeys(database: DatabaseSync): readonly Key[] {
  return database
    .prepare(
      `SELECT origin, stream FROM stream UNION SELECT DISTINCT origin, stream FROM segment
       UNION SELECT DISTINCT origin, stream FROM gap ORDER BY origin, stream`,
    )
    .all()
    .map(({ origin, stream }) => ({ origin: Number(origin), stream: Number(stream) }));
}

function ledgerRowOf(database: DatabaseSync, { origin, stream }: Key): LedgerFacts | undefined {
  const row = database.prepare("SELECT * FROM stream WHERE origin = ? AND stream = ?").get(origin, stream);
  const ranges = rangesIn(row?.["ranges"]);
  if (row === undefined || ranges === undefined) return undefined;
  return {
    before: { ranges, high: Number(row["high"]), delivered: Number(row["delivered"]), lost: Number(row["lost"]) },
    handed: rangesIn(row["handed"]) ?? [],
    heldBytes: Number(row["held_bytes"]),
    heardMs: Number(row["heard_ms"]),
  };
}

function settleStream(
  database: DatabaseSync,
  key: Key,
  known: LedgerFacts | undefined,
  { lostFirsts, isIndexWhole, isDamaged, mayBeStale }: SegmentDamage,
): SalvagedLoss | undefined {
  const { origin, stream } = key;
  addRowsOfGaps(database, key);
  const held = rangesOf(database, "segment", key, "body IS NOT NULL");
  const sent = rangesOf(database, "segment", key, "body IS NULL");
  const gaps = rangesOf(database, "(SELECT *, last - first + 1 AS items FROM gap)", key, "TRUE");
  const left = database
    .prepare(
      `SELECT COALESCE(SUM(LENGTH(body)), 0) AS bytes, COALESCE(MAX(last_ms), 0) AS newestMs, COALESCE(MIN(priority), 2) AS priority
       FROM segment WHERE origin = ? AND stream = ?`,
    )
    .get(origin, stream);
  const heldBytes = Number(left?.["bytes"]);
  const seen = Math.max(highestOf(held), highestOf(gaps), lostFirsts.at(-1) ?? 0);
  const facts = known ?? rebuilt(seen, Number(left?.["newestMs"]));
  const after = settleLedger(facts.before, {
    held,
    gaps,
    lostFirsts: isIndexWhole ? lostFirsts : undefined,
    itemsMax: limits.segmentItems,
    mayBeStale,
  });
  if (known === undefined) addRow(database, key, Number(left?.["priority"]), facts);
  // What is not readable is to be handed on as a gap, though the parent may have it.
  const handed = common(facts.handed, unionOf([...held, ...sent]));
  writeRow(database, key, after, { held: countIntervals(held), heldBytes, handed });
  nameLost(database, key, after.named, Math.max(0, facts.heldBytes - heldBytes), facts.heardMs);
  // Where gaps on their way up may be among what is unreadable, all of them go up again.
  if (isDamaged) sendGaps(database, key, without(gaps, sent));
  if (after.named.length === 0) return undefined;
  const named = { messages: after.newlyLost, ranges: after.named.slice(0, rangesReported) };
  return { ...titleOf(database, key), ...named };
}

function titleOf(database: DatabaseSync, { origin, stream }: Key): Pick<SalvagedLoss, "origin" | "epoch" | "stream"> {
  const row = database
    .prepare(
      "SELECT o.node, o.epoch, s.name FROM stream s JOIN origin o ON o.id = s.origin WHERE s.origin = ? AND s.stream = ?",
    )
    .get(origin, stream);
  return { origin: String(row?.["node"]), epoch: Number(row?.["epoch"]), stream: String(row?.["name"]) };
}

/** Without the row, what was delivered is not known: all up to the highest number that was seen had been here. */
function rebuilt(seen: number, heardMs: number): LedgerFacts {
  const ranges: IntervalSet = seen === 0 ? [] : [[1, seen]];
  return { before: { ranges, high: seen, delivered: undefined, lost: 0 }, handed: [], heldBytes: 0, heardMs };
}

function rangesOf(database: DatabaseSync, table: string, key: Key, condition: string): IntervalSet {
  return unionOf(rowsOf(database, table, key, condition));
}

function rowsOf(database: DatabaseSync, table: string, { origin, stream }: Key, condition: string): Interval[] {
  const ranges: Interval[] = [];
  const rows = database.prepare(`SELECT first, items FROM ${table} WHERE origin = ? AND stream = ? AND ${condition}`);
  for (const { first, items } of rows.iterate(origin, stream)) {
    ranges.push([Number(first), Number(first) + Number(items) - 1]);
  }
  return ranges;
}

/** Where a gap is on its way up and its row is gone, the row is made again, beside those that are left: rows of a stream are disjoint. */
function addRowsOfGaps(database: DatabaseSync, { origin, stream }: Key): void {
  const named = database.prepare(
    `SELECT first, last FROM gap WHERE origin = :origin AND stream = :stream AND first <= :last AND last >= :first
     AND first >= COALESCE((SELECT MAX(first) FROM gap WHERE origin = :origin AND stream = :stream AND first <= :first), 0) ORDER BY first`,
  );
  const add = database.prepare(
    `INSERT INTO gap(origin, stream, first, last, reason, bytes, first_ms, last_ms)
     SELECT origin, stream, :from, :to, gap_reason, CAST(gap_bytes * :share AS INTEGER), first_ms, last_ms FROM segment
     WHERE origin = :origin AND stream = :stream AND first = :first AND body IS NULL`,
  );
  for (const [first, last] of rowsOf(database, "segment", { origin, stream }, "body IS NULL")) {
    const rows = named.all({ origin, stream, first, last });
    const known = rows.map((row): Interval => [Number(row["first"]), Number(row["last"])]);
    for (const [from, to] of missingFrom(known, first, last)) {
      add.run({ origin, stream, first, from, to, share: (to - from + 1) / (last - first + 1) });
    }
  }
}

/** Per stream the first numbers, ascending, of segments that the index knows and the table has no more. */
function lostFirstsByKey(
  database: DatabaseSync,
  index: IndexContent | undefined,
): ReadonlyMap<string, readonly number[]> {
  const find = database.prepare("SELECT 1 FROM segment WHERE origin = ? AND stream = ? AND first = ?");
  const firsts = new Map<string, number[]>();
  for (const { origin, stream, first } of index?.rows ?? []) {
    if (typeof origin !== "number" || typeof stream !== "number" || typeof first !== "number" || first < 1) continue;
    if (find.get(origin, stream, first) !== undefined) continue;
    const key = keyText({ origin, stream });
    const known = firsts.get(key);
    if (known === undefined) firsts.set(key, [first]);
    else known.push(first);
  }
  for (const known of firsts.values()) known.sort((a, b) => a - b);
  return firsts;
}

/** Whether there are segments that the index does not know: it forgets those that are deleted. */
function hasUnlisted(database: DatabaseSync, { rows }: IndexContent): boolean {
  const listed = new Set(rows.map(({ rowid }) => rowid));
  for (const { id } of database.prepare("SELECT id FROM segment").iterate()) {
    if (typeof id === "number" && !listed.has(id)) return true;
  }
  return false;
}

function keyText({ origin, stream }: Key): string {
  return `${origin} ${stream}`;
}

/**
 * What the stream was is told by who numbers it; until then its name is its number. Of the own ones nobody tells: an own stream is what
 * the one with its number was in another epoch.
 */
function addRow(database: DatabaseSync, { origin, stream }: Key, priority: number, { heardMs }: LedgerFacts): void {
  const namesake = database
    .prepare(
      `SELECT s.name AS name, s.class AS class, s.strict_order AS strict, s.policy AS policy
       FROM stream s JOIN origin o ON o.id = s.origin
       WHERE s.stream = ? AND o.node = (SELECT node FROM origin WHERE id = ?) AND o.node = (SELECT value FROM meta WHERE key = 'name')
       ORDER BY s.heard_ms DESC LIMIT 1`,
    )
    .get(stream, origin);
  const traits = [namesake?.["class"], namesake?.["strict"], namesake?.["policy"]].map((value) => Number(value ?? 0));
  database
    .prepare(
      `INSERT OR REPLACE INTO stream(origin, stream, name, priority, class, strict_order, policy, high, ranges, low, delivered, lost, held, held_bytes, final_mark, digest, heard_ms)
       VALUES(?, ?, ?, ?, ?, ?, ?, 0, ?, 1, 0, 0, 0, 0, 0, 0, ?)`,
    )
    .run(
      origin,
      stream,
      String(namesake?.["name"] ?? placeholderName(stream)),
      priority,
      ...traits,
      packRanges([]),
      heardMs,
    );
}

function writeRow(
  database: DatabaseSync,
  key: Key,
  after: LedgerAfter,
  { held, heldBytes, handed }: { readonly held: number; readonly heldBytes: number; readonly handed: IntervalSet },
): void {
  database
    .prepare(
      "UPDATE stream SET high = ?, ranges = ?, delivered = ?, lost = ?, held = ?, held_bytes = ?, handed = ? WHERE origin = ? AND stream = ?",
    )
    .run(
      after.high,
      packRanges(after.ranges),
      after.delivered,
      after.lost,
      held,
      heldBytes,
      handed.length === 0 ? null : packRanges(handed),
      key.origin,
      key.stream,
    );
}

/** What follows from the rows that are left, and columns that no sum covers. */
function settleRest(database: DatabaseSync): void {
  const adrift = segmentFlags.unsynced | segmentFlags.adrift;
  database.exec(`
    UPDATE stream SET
      segments = (SELECT COUNT(*) FROM segment WHERE segment.origin = stream.origin AND segment.stream = stream.stream),
      final_mark = IIF(final_mark BETWEEN 0 AND high, final_mark, 0);
    UPDATE stream SET waiting = segments > 0;
    UPDATE stream SET digest_at = 0, digest_items = 0, digest = 0 WHERE digest_at NOT BETWEEN 0 AND high;
    -- Nobody can tell any more by which clock these were stamped, and its row's number is given again.
    UPDATE segment SET clock = 0, flags = flags | ${adrift} WHERE clock <> 0 AND clock NOT IN (SELECT id FROM clock);
    DELETE FROM quarantine WHERE origin NOT IN (SELECT id FROM origin);
  `);
}

/** Gap rows, and gaps that travel up. Their times are those of the readable neighbours: questions about a time find them. */
function nameLost(database: DatabaseSync, key: Key, named: IntervalSet, bytes: number, heardMs: number): void {
  const before = database.prepare(
    "SELECT last_ms AS ms FROM segment WHERE origin = ? AND stream = ? AND first < ? ORDER BY first DESC LIMIT 1",
  );
  const behind = database.prepare(
    "SELECT first_ms AS ms FROM segment WHERE origin = ? AND stream = ? AND first > ? ORDER BY first LIMIT 1",
  );
  const add = database.prepare(
    "INSERT OR IGNORE INTO gap(origin, stream, first, last, reason, bytes, first_ms, last_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const all = countIntervals(named);
  for (const [first, last] of named) {
    const share = Math.floor((bytes * (last - first + 1)) / all);
    const lastMs = Number(behind.get(key.origin, key.stream, last)?.["ms"] ?? heardMs);
    const firstMs = Number(before.get(key.origin, key.stream, first)?.["ms"] ?? lastMs);
    add.run(
      key.origin,
      key.stream,
      first,
      last,
      lossReasonCodes.corrupt,
      share,
      Math.min(firstMs, lastMs),
      Math.max(firstMs, lastMs),
    );
  }
  sendGaps(database, key, named);
}

/** Puts the gap rows that lie in `ranges` on their way up. */
function sendGaps(database: DatabaseSync, { origin, stream }: Key, ranges: IntervalSet): void {
  const send = database.prepare(
    `INSERT OR IGNORE INTO segment(origin, stream, first, items, priority, first_ms, last_ms, flags, crc, gap_reason, gap_bytes, body)
     SELECT g.origin, g.stream, g.first, g.last - g.first + 1, s.priority, g.first_ms, g.last_ms, ?, 0, g.reason, g.bytes, NULL
     FROM gap g JOIN stream s ON s.origin = g.origin AND s.stream = g.stream
     WHERE g.origin = ? AND g.stream = ? AND g.first >= ? AND g.last <= ? ORDER BY g.first`,
  );
  for (const [first, last] of ranges) send.run(segmentFlags.gap, origin, stream, first, last);
}
