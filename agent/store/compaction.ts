// Makes full segments of small ones that wait: a message a commit is a row, three index entries and a checksum for each message, here
// and on every node above. Done once for each message, and only where nobody can have seen the small ones.
import type { DatabaseSync } from "node:sqlite";
import { emptyIntervals, type IntervalSet } from "#shared/journal/interval-set.ts";
import { limits } from "#shared/limits.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { SentNumbers } from "./loss-repository.ts";
import { unpackRanges } from "./packed-ranges.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository } from "./stream-repository.ts";

/** A segment as the search sees it: without its body. */
interface Candidate {
  readonly id: number;
  readonly first: number;
  readonly items: number;
  readonly flags: number;
  /** Of the body; undefined for a gap. */
  readonly bytes: number | undefined;
}

interface Part {
  readonly first: number;
  readonly items: number;
  readonly lastMs: number;
  readonly body: Uint8Array;
}

export interface CompactionDeps {
  readonly streams: StreamRepository;
  readonly hasher: Hasher;
  /** Numbers that are on their way to the parent: their segments keep their bounds. */
  readonly sentOf: SentNumbers;
  /** Segments up to this id have been published to local subscribers. */
  publishedId(): number;
}

/** Streams with fewer segments, or with larger ones on average, are left alone. */
const segmentsMin = 1_000;
const averageBytesMax = limits.segmentBytes / 16;
/** A run of fewer is not worth it, unless it makes a full segment. */
const runMin = 16;

/** Segments that one transaction makes: two MiB, and as many looks as one stream needs for each. */
const turnsPerRun = 8;

/** What a look at a stream found. */
interface Found {
  readonly run: readonly Candidate[];
  /** Number at which to look on. */
  readonly next: number;
  /** What is left may still grow. */
  readonly ended: boolean;
}

export class Compaction {
  readonly #deps: CompactionDeps;
  readonly #crowded;
  readonly #from;
  readonly #bodies;
  readonly #remove;
  readonly #replace;
  /** Number at which each stream goes on. */
  readonly #places = new Map<string, number>();

  constructor(database: DatabaseSync, deps: CompactionDeps) {
    this.#deps = deps;
    this.#crowded = database.prepare(
      `SELECT origin, stream, handed FROM stream
       WHERE segments > ${segmentsMin} AND held_bytes < segments * ${averageBytesMax} ORDER BY segments DESC LIMIT 64`,
    );
    this.#from = database.prepare(
      `SELECT id, first, items, flags, length(body) AS bytes FROM segment
       WHERE origin = ? AND stream = ? AND first >= ? ORDER BY first LIMIT ${limits.upkeepLooks}`,
    );
    this.#bodies = database.prepare(
      `SELECT first, items, last_ms AS lastMs, crc, body, clock FROM segment
       WHERE origin = ? AND stream = ? AND first >= ? AND first <= ? ORDER BY first`,
    );
    this.#remove = database.prepare("DELETE FROM segment WHERE origin = ? AND stream = ? AND first > ? AND first <= ?");
    this.#replace = database.prepare("UPDATE segment SET items = ?, last_ms = ?, crc = ?, body = ? WHERE id = ?");
  }

  /** Makes a bounded number of segments. True: there may be more to do. */
  run(): boolean {
    for (let turns = 0; turns < turnsPerRun; turns++) if (!this.#turn()) return false;
    return true;
  }

  /** Makes one at most. False: there is none to be made. */
  #turn(): boolean {
    for (const { handed, ...key } of this.#crowdedStreams()) if (this.#advance(key, handed)) return true;
    return false;
  }

  #crowdedStreams(): readonly (StreamKey & { readonly handed: IntervalSet })[] {
    return this.#crowded.all().map(({ origin, stream, handed }) => ({
      origin: Number(origin),
      stream: Number(stream),
      handed: handed instanceof Uint8Array ? unpackRanges(handed) : emptyIntervals,
    }));
  }

  /** Looks at the next run of the stream. False: it has been looked at to its end. */
  #advance(key: StreamKey, handed: IntervalSet): boolean {
    const name = `${key.origin} ${key.stream}`;
    const { run, next, ended } = this.#find(key, this.#places.get(name) ?? 0, [...this.#deps.sentOf(key), ...handed]);
    this.#places.set(name, next);
    this.#merge(key, run);
    return !ended;
  }

  /** The next run that is as long as it will ever be, or none. */
  #find(key: StreamKey, from: number, sent: IntervalSet): Found {
    const publishedId = this.#deps.publishedId();
    const isFit = (one: Candidate): boolean => one.id <= publishedId && isSmall(one) && !overlaps(sent, one);
    let run: Candidate[] = [];
    let items = 0;
    let bytes = 0;
    let looks = 0;
    for (const row of this.#from.iterate(key.origin, key.stream, from)) {
      const one = candidate(row);
      looks++;
      const isFull = items + one.items > limits.segmentItems || bytes + (one.bytes ?? 0) > limits.segmentBytes;
      if (run.length > 0 && (isFull || !isFit(one) || !continues(run.at(-1), one))) {
        if (run.length >= runMin || (isFull && run.length > 1)) return { run, next: one.first, ended: false };
        run = [];
      }
      if (!isFit(one)) continue;
      if (run.length === 0) items = bytes = 0;
      run.push(one);
      items += one.items;
      bytes += one.bytes ?? 0;
    }
    const head = run[0]?.first ?? from;
    const end = (run.at(-1)?.first ?? from) + 1;
    if (items === limits.segmentItems && run.length > 1) return { run, next: end, ended: false };
    return { run: [], next: head, ended: looks < limits.upkeepLooks };
  }

  /** The first row takes the others in, as far as their bodies are sound: what does not match its checksum must still be noticed. */
  #merge(key: StreamKey, run: readonly Candidate[]): void {
    const [head] = run;
    const end = run.at(-1);
    if (head === undefined || end === undefined) return;
    const parts = this.#soundParts(key, head.first, end.first);
    const last = parts.at(-1);
    if (last === undefined || parts.length < 2) return;
    const body = joined(parts);
    const items = last.first + last.items - head.first;
    this.#remove.run(key.origin, key.stream, head.first, last.first);
    this.#replace.run(items, last.lastMs, this.#deps.hasher.crc32(body), body, head.id);
    this.#deps.streams.change(key, { segments: 1 - parts.length });
  }

  /** Of the segments that begin with `first`…`last` those before the first damaged one, and of one clock. */
  #soundParts(key: StreamKey, first: number, last: number): readonly Part[] {
    const parts: Part[] = [];
    let clock: unknown;
    for (const row of this.#bodies.iterate(key.origin, key.stream, first, last)) {
      const { body } = row;
      if (!(body instanceof Uint8Array) || this.#deps.hasher.crc32(body) !== row["crc"]) break;
      if (parts.length > 0 && row["clock"] !== clock) break;
      clock = row["clock"];
      parts.push({ first: Number(row["first"]), items: Number(row["items"]), lastMs: Number(row["lastMs"]), body });
    }
    return parts;
  }
}

function isSmall({ items, bytes }: Candidate): boolean {
  return bytes !== undefined && items < limits.segmentItems / 2 && bytes < limits.segmentBytes / 2;
}

function continues(before: Candidate | undefined, { first, flags }: Candidate): boolean {
  return before !== undefined && before.first + before.items === first && before.flags === flags;
}

function overlaps(set: IntervalSet, { first, items }: Candidate): boolean {
  return set.some(([low, high]) => low < first + items && high >= first);
}

function joined(parts: readonly Part[]): Uint8Array {
  const body = new Uint8Array(parts.reduce((sum, part) => sum + part.body.length, 0));
  let at = 0;
  for (const part of parts) {
    body.set(part.body, at);
    at += part.body.length;
  }
  return body;
}

function candidate(row: Record<string, unknown>): Candidate {
  return {
    id: Number(row["id"]),
    first: Number(row["first"]),
    items: Number(row["items"]),
    flags: Number(row["flags"]),
    bytes: row["bytes"] === null ? undefined : Number(row["bytes"]),
  };
}
