// Makes the sessions of a salvaged database agree with their queues and spools: what dangles goes, what is gone is counted as lost.
import type { DatabaseSync } from "node:sqlite";
import { addInterval, countIntervals, type Interval, missingFrom } from "#shared/journal/interval-set.ts";
import { decodeEntries, decodeSpooled } from "#shared/mqtt/spool.ts";
import { packRanges } from "./packed-ranges.ts";
import { unionOf } from "./salvage-ledger.ts";
import { rangesIn } from "./salvage-rows.ts";
import { placeIn, type StoredBody } from "./stored-body.ts";

export interface SessionRepair {
  /** Messages that waited for a session and are not readable. */
  readonly lostMessages: number;
}

/** Inside a transaction, after the rows have been copied. */
export function repairSessions(database: DatabaseSync): SessionRepair {
  for (const table of ["subscription", "received", "queue"]) {
    database.exec(`DELETE FROM ${table} WHERE session NOT IN (SELECT id FROM session)`);
  }
  dropUnreadable(database);
  rebuildSpools(database);
  let lostMessages = 0;
  for (const row of database.prepare("SELECT id, cursor, done, last, lost FROM session").all()) {
    lostMessages += settleSession(database, row);
  }
  return { lostMessages };
}

/** Rows of the queue whose messages cannot be read. */
function dropUnreadable(database: DatabaseSync): void {
  const rows = database.prepare("SELECT session, first, entries FROM queue WHERE spool = ?");
  const drop = database.prepare("DELETE FROM queue WHERE session = ? AND first = ?");
  const find = database.prepare("SELECT body, kept FROM spool_body WHERE id = ?");
  for (const { spool } of database.prepare("SELECT DISTINCT spool FROM queue").all()) {
    const found = find.get(Number(spool));
    const body = found === undefined ? undefined : storedBody(found);
    for (const { session, first, entries } of rows.all(Number(spool))) {
      if (!areReadable(body, entries)) drop.run(Number(session), Number(first));
    }
  }
}

function storedBody({ body, kept }: Record<string, unknown>): StoredBody | undefined {
  if (!(body instanceof Uint8Array)) return undefined;
  if (kept === null) return { bytes: body, kept: null };
  const ranges = kept instanceof Uint8Array ? rangesIn(kept) : undefined;
  return ranges && { bytes: body, kept: ranges };
}

function areReadable(body: StoredBody | undefined, entries: unknown): boolean {
  const decoded = entries instanceof Uint8Array ? decodeEntries(entries) : undefined;
  if (body === undefined || decoded === undefined) return false;
  return decoded.every(({ place }) => {
    const at = placeIn(body, place);
    return at >= 0 && decodeSpooled(body.bytes, at) !== undefined;
  });
}

/** A spool says how many rows point to it: it follows from them. */
function rebuildSpools(database: DatabaseSync): void {
  database.exec(`
    DELETE FROM spool_body WHERE id NOT IN (SELECT spool FROM queue);
    DELETE FROM spool WHERE id NOT IN (SELECT spool FROM queue);
    INSERT OR IGNORE INTO spool(id, refs) SELECT DISTINCT spool, 0 FROM queue;
    UPDATE spool SET
      refs = (SELECT COUNT(*) FROM queue WHERE queue.spool = spool.id),
      live = (SELECT SUM(bytes) FROM queue WHERE queue.spool = spool.id);
    UPDATE spool SET weight = MIN(live, (SELECT LENGTH(body) FROM spool_body WHERE spool_body.id = spool.id));
  `);
}

/** Numbers that no row has any more count as done, or the session's cursor would wait for them forever. Answers how many. */
function settleSession(database: DatabaseSync, row: Record<string, unknown>): number {
  const [id, cursor] = [Number(row["id"]), Number(row["cursor"])];
  const waiting: Interval[] = [];
  let messages = 0;
  let bytes = 0;
  for (const queue of database.prepare("SELECT first, count, bytes FROM queue WHERE session = ?").iterate(id)) {
    const last = Number(queue["first"]) + Number(queue["count"]) - 1;
    waiting.push([Number(queue["first"]), last]);
    messages += Number(queue["count"]);
    bytes += Number(queue["bytes"]);
  }
  const readable = unionOf(waiting);
  const last = Math.max(Number(row["last"]), readable.at(-1)?.[1] ?? 0);
  let done = row["done"] instanceof Uint8Array ? (rangesIn(row["done"]) ?? []) : [];
  const gone = missingFrom(unionOf([...readable, ...done]), cursor + 1, last);
  for (const [from, to] of gone) done = addInterval(done, from, to);
  const lost = countIntervals(gone);
  database
    .prepare("UPDATE session SET done = ?, last = ?, lost = lost + ?, queued = ?, queued_bytes = ? WHERE id = ?")
    .run(packRanges(done), last, lost, messages, bytes, id);
  return lost;
}
