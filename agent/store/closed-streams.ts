// What is left of the streams of old epochs when their rows have gone: which numbers had come, and which of these were lost. Who names one
// of them again, with no number that is new, changes nothing. Of class final somebody may wait for the mark, which only comes for what
// has a row in the ledger; and where messages or new numbers come, the stream gets its row back, all its numbers accounted for.
import type { DatabaseSync } from "node:sqlite";
import {
  addInterval,
  countIntervals,
  coversInterval,
  highestOf,
  missingFrom,
  type IntervalSet,
} from "#shared/journal/interval-set.ts";
import { streamClassCodes, type StreamState } from "#shared/journal/stream.ts";
import type { Loss, LossRepository } from "./loss-repository.ts";
import { unpackRanges } from "./packed-ranges.ts";
import type { StreamRepository } from "./stream-repository.ts";

type StreamName = Pick<StreamState, "origin" | "epoch" | "streamId">;

interface ClosedStream {
  /** Numbers that had come, gaps included. */
  readonly ranges: IntervalSet;
  readonly lost: readonly Loss[];
}

// Old lives of other nodes of which nothing is missing, nothing is stored here, and nobody waits for anything; what tells of losses last.
const selectComplete = `
  WITH life AS (
    SELECT o.id AS id, o.node AS node, MAX(s.heard_ms) AS heardMs, SUM(s.lost) > 0 AS isLossy,
      MAX(s.delivered + s.lost < s.high OR s.held > 0 OR s.segments > 0
        OR (s.class = ${streamClassCodes.final} AND s.final_mark < s.high)) AS isOpen
    FROM origin o JOIN stream s ON s.origin = o.id GROUP BY o.id
  ), latest AS (SELECT node, MAX(heardMs) AS heardMs FROM life GROUP BY node)
  SELECT life.id AS id FROM life JOIN latest ON latest.node = life.node
  WHERE NOT life.isOpen AND life.node <> ?1 AND life.heardMs < latest.heardMs
    AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.origin = life.id)
  ORDER BY life.isLossy, life.heardMs LIMIT ?2`;

/** Inside a transaction. After rows have gone `StreamRepository.forgetOrigins` has to follow. */
export class ClosedStreams {
  readonly #find;
  readonly #take;
  readonly #any;
  readonly #close;
  readonly #complete;
  readonly #deletes;
  /** Whether there are any, so that others pay nothing for them; undefined: to be looked up. */
  #hasAny: boolean | undefined;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare("SELECT ranges, lost FROM closed WHERE node = ? AND epoch = ? AND stream = ?");
    this.#take = database.prepare("DELETE FROM closed WHERE node = ? AND epoch = ? AND stream = ?");
    this.#any = database.prepare("SELECT 1 FROM closed LIMIT 1");
    this.#complete = database.prepare(selectComplete);
    this.#close = database.prepare(
      `INSERT OR REPLACE INTO closed(node, epoch, stream, ranges, lost)
       SELECT o.node, o.epoch, s.stream, s.ranges,
         (SELECT json_group_array(json_array(g.first, g.last, g.reason, g.bytes, g.first_ms, g.last_ms)) FROM gap g
          WHERE g.origin = s.origin AND g.stream = s.stream)
       FROM stream s JOIN origin o ON o.id = s.origin WHERE s.origin = ? AND s.delivered + s.lost > 0`,
    );
    this.#deletes = [
      "DELETE FROM gap WHERE origin = ?",
      "DELETE FROM hole WHERE origin = ?",
      "DELETE FROM stream WHERE origin = ?",
      "DELETE FROM origin WHERE id = ?",
    ].map((sql) => database.prepare(sql));
  }

  /** Of an epoch of which nothing is stored here. */
  close(originId: number): void {
    this.#close.run(originId);
    this.forget(originId);
    this.#hasAny = undefined;
  }

  /** The same, and nothing is left. */
  forget(originId: number): void {
    for (const statement of this.#deletes) statement.run(originId);
  }

  /** Closes complete old epochs of others than `self`, at most `most`; answers how many. */
  closeComplete(self: string, most: number): number {
    const rows = this.#complete.all(self, most);
    for (const row of rows) this.close(Number(row["id"]));
    return rows.length;
  }

  has(stream: StreamName): boolean {
    return this.#closed(stream) !== undefined;
  }

  /** Whether the word of a hello or a heartbeat about the stream says nothing new. */
  isOldNews(stream: StreamState): boolean {
    const closed = this.#closed(stream);
    if (closed === undefined || stream.class === "final") return false;
    return stream.high === 0 || coversInterval(closed.ranges, 1, stream.high);
  }

  /** Gives the stream, which has just been described, its accounts back. Without effect when it is none of these. */
  reopen(stream: StreamName, streams: StreamRepository, losses: LossRepository): void {
    const closed = this.#closed(stream);
    const key = streams.keyOf(stream.origin, stream.epoch, stream.streamId);
    const row = key && streams.find(key);
    if (closed === undefined || key === undefined || row === undefined) return;
    this.#take.run(stream.origin, stream.epoch, stream.streamId);
    const isNew = ({ first, last }: Loss): boolean =>
      countIntervals(missingFrom(row.ranges, first, last)) === last - first + 1;
    const lost = closed.lost.filter(isNew);
    const fresh = closed.ranges.flatMap(([first, last]) => missingFrom(row.ranges, first, last));
    const ranges = fresh.reduce((set, [first, last]) => addInterval(set, first, last), row.ranges);
    const delivered = countIntervals(fresh) - lost.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    streams.change(key, { ranges, high: highestOf(ranges), delivered });
    for (const loss of lost) losses.add(key, row.priority, loss);
  }

  /** Must be called when a transaction was rolled back. */
  rolledBack(): void {
    this.#hasAny = undefined;
  }

  #closed({ origin, epoch, streamId }: StreamName): ClosedStream | undefined {
    this.#hasAny ??= this.#any.get() !== undefined;
    const row = this.#hasAny ? this.#find.get(origin, epoch, streamId) : undefined;
    return row && { ranges: unpackRanges(row["ranges"]), lost: lossesOf(String(row["lost"])) };
  }
}

function lossesOf(text: string): readonly Loss[] {
  const rows = JSON.parse(text) as readonly (readonly [number, number, number, number, number, number])[];
  return rows.map(([first, last, reasonCode, bytes, firstMs, lastMs]) => {
    return { first, last, reasonCode, bytes, firstMs, lastMs };
  });
}
