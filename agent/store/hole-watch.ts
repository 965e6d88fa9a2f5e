// Holes in the numbers of streams. A root closes those that nothing has come into for long: their numbers are presumed lost, and stored
// after all if they come [O6]. Anywhere, a stream whose numbers have come in too many pieces is told of.
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import {
  addInterval,
  countIntervals,
  highestOf,
  missingFrom,
  type Interval,
  type IntervalSet,
} from "#shared/journal/interval-set.ts";
import { lossReasonCodes } from "#shared/journal/segment.ts";
import { streamClassCodes, type Priority } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import type { LossRepository } from "./loss-repository.ts";
import { unpackRanges } from "./packed-ranges.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository } from "./stream-repository.ts";

/** A stream whose numbers have come in that many pieces. */
export interface ScatteredStream {
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
  readonly ranges: number;
}

export interface HoleReview {
  /** Where the next review begins; null: this was all. */
  readonly next: StreamKey | null;
  /** Numbers named as lost now. */
  readonly presumedLost: number;
  readonly scattered: readonly ScatteredStream[];
}

interface IncompleteStream {
  readonly key: StreamKey;
  readonly title: Omit<ScatteredStream, "ranges">;
  readonly priority: Priority;
  readonly ranges: IntervalSet;
  /** Up to here nobody who is known to have numbers may still send them; 0: not watched. */
  readonly watchedTo: number;
}

const streamsPerReview = 64;

// Whoever is or was a child of this node has said from which number on it may still send, however long it has been away. Of anybody
// else only what is overtaken by later numbers can be missing: the rest may lie safe below. Of class final, the origin keeps what is
// not stored yet.
const selectIncomplete = `
  SELECT s.origin AS origin, s.stream AS stream, o.node AS node, o.epoch AS epoch, s.name AS name, s.priority AS priority, s.ranges AS ranges,
    CASE WHEN s.class = ${streamClassCodes.final} THEN 0
      WHEN EXISTS (SELECT 1 FROM child c WHERE c.name = o.node) THEN MIN(s.high, s.low - 1)
      ELSE s.high END AS watchedTo,
    EXISTS (SELECT 1 FROM child c WHERE c.name = o.node) AS isChild
  FROM stream s JOIN origin o ON o.id = s.origin
  WHERE (s.origin, s.stream) > (?, ?) AND s.delivered + s.lost + s.held < s.high
  ORDER BY s.origin, s.stream LIMIT ${streamsPerReview}`;

export class HoleWatch {
  readonly #streams: StreamRepository;
  readonly #losses: LossRepository;
  readonly #isRoot: boolean;
  readonly #incomplete;
  readonly #known;
  readonly #see;
  readonly #forget;
  readonly #sweep;

  constructor(
    database: DatabaseSync,
    { streams, losses }: { readonly streams: StreamRepository; readonly losses: LossRepository },
    isRoot: boolean,
  ) {
    this.#streams = streams;
    this.#losses = losses;
    this.#isRoot = isRoot;
    this.#incomplete = database.prepare(selectIncomplete);
    this.#known = database.prepare("SELECT first, last, since_ms AS sinceMs FROM hole WHERE origin = ? AND stream = ?");
    this.#see = database.prepare(
      "INSERT OR REPLACE INTO hole(origin, stream, first, last, since_ms) VALUES(?, ?, ?, ?, ?)",
    );
    this.#forget = database.prepare("DELETE FROM hole WHERE origin = ? AND stream = ? AND first = ?");
    this.#sweep = database.prepare(
      `DELETE FROM hole WHERE NOT EXISTS (SELECT 1 FROM stream s WHERE s.origin = hole.origin AND s.stream = hole.stream
         AND s.delivered + s.lost + s.held < s.high)`,
    );
  }

  /** Looks at some streams behind `after`. `ranMs`: for how long this node has run in all, over its restarts. */
  review(after: StreamKey | null, ranMs: number): HoleReview {
    if (after === null) this.#sweep.run();
    const found = this.#incomplete.all(after?.origin ?? 0, after?.stream ?? 0).map(incompleteStream);
    const presumedLost = this.#isRoot ? found.reduce((sum, stream) => sum + this.#watch(stream, ranMs), 0) : 0;
    const scattered = found
      .filter(({ ranges }) => ranges.length > limits.rangesAlarm)
      .map(({ title, ranges }) => ({ ...title, ranges: ranges.length }));
    const next = found.length < streamsPerReview ? null : (found.at(-1)?.key ?? null);
    return { next, presumedLost, scattered };
  }

  /** Answers how many numbers of the stream are presumed lost from now on. */
  #watch({ key, priority, ranges, watchedTo }: IncompleteStream, ranMs: number): number {
    const holes = watchedTo < 1 ? [] : missingFrom(ranges, 1, watchedTo);
    const lost: Interval[] = [];
    const fresh = new Map(holes);
    for (const row of this.#known.all(key.origin, key.stream)) {
      const [first, last] = [Number(row["first"]), Number(row["last"])];
      const isSame = fresh.get(first) === last;
      if (isSame) fresh.delete(first);
      if (isSame && ranMs - Number(row["sinceMs"]) >= limits.presumedLostMs) lost.push([first, last]);
      else if (isSame) continue;
      this.#forget.run(key.origin, key.stream, first);
    }
    for (const [first, last] of fresh) this.#see.run(key.origin, key.stream, first, last, ranMs);
    if (lost.length > 0) this.#name(key, priority, ranges, lost);
    return countIntervals(lost);
  }

  #name(key: StreamKey, priority: Priority, before: IntervalSet, lost: readonly Interval[]): void {
    const ranges = lost.reduce((set, [first, last]) => addInterval(set, first, last), before);
    this.#streams.change(key, { ranges });
    const reasonCode = lossReasonCodes["presumed-lost"];
    // Whose times nobody knows.
    for (const [first, last] of lost) {
      this.#losses.add(key, priority, { first, last, reasonCode, bytes: 0, firstMs: 0, lastMs: 0 });
    }
  }
}

function incompleteStream(row: Record<string, SQLOutputValue>): IncompleteStream {
  const ranges = unpackRanges(row["ranges"]);
  const said = Number(row["watchedTo"]);
  return {
    key: { origin: Number(row["origin"]), stream: Number(row["stream"]) },
    title: { origin: String(row["node"]), epoch: Number(row["epoch"]), stream: String(row["name"]) },
    priority: Number(row["priority"]) as Priority,
    ranges,
    watchedTo: row["isChild"] === 1 ? said : Math.min(said, highestOf(ranges)),
  };
}
