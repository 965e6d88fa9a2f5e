// Puts blocks into the database, each message once. One insert at a time: each looks at what the last one has left.
import { assert } from "#shared/assert.ts";
import { FogbankError } from "#shared/errors.ts";
import { addInterval, countIntervals, missingFrom, type IntervalSet } from "#shared/journal/interval-set.ts";
import { scanBody, type BodyScan } from "#shared/journal/segment-reader.ts";
import { decodeSegment, encodeSegment } from "#shared/journal/segment.ts";
import type { DataBlock, InsertOutcome } from "#shared/system/document-store.ts";
import type { SqlDatabase, SqlValue } from "#shared/system/sql-database.ts";
import { everything, filtersOfTopic, streamFilter } from "./block-filters.ts";
import { RecentMap } from "./recent-map.ts";
import { numberOf, onlyNumber } from "./sql-values.ts";
import type { Numbering, TextDictionary } from "./text-dictionary.ts";

/** A block, or what is new of it. */
interface Part {
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
  readonly arrival: number;
  readonly first: number;
  readonly items: number;
  readonly flags: number;
  readonly scan: BodyScan;
}

const streamsRemembered = 16_384;
const topicsRemembered = 8_192;

const insertBlock = `INSERT INTO block(id, origin, epoch, stream, first, items, min_ms, max_ms, flags, body, crc)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

// All filters of a block at once, each for any origin and for its own. Those of a discarded block may still be there.
const insertFilters = `INSERT OR IGNORE INTO block_filter(origin, filter, block)
  SELECT scope.column1, filter.value, ?3 FROM (VALUES (0), (?1)) AS scope CROSS JOIN json_each(?2) AS filter`;

const selectHighest = `SELECT ifnull((SELECT first + items - 1 FROM block WHERE origin = ? AND epoch = ? AND stream = ?
  ORDER BY first DESC LIMIT 1), 0) AS n`;

// Blocks of one stream do not overlap: of those that begin before ?4 only the last can reach beyond it.
const selectOverlapping = `SELECT first, items FROM block WHERE origin = ?1 AND epoch = ?2 AND stream = ?3 AND first <= ?5
  AND first >= ifnull((SELECT max(first) FROM block WHERE origin = ?1 AND epoch = ?2 AND stream = ?3 AND first <= ?4), 0)`;

export class BlockWriter {
  readonly #database: SqlDatabase;
  readonly #dictionary: TextDictionary;
  readonly #crcOf: (body: Uint8Array) => number;
  /** By numbers of origin, epoch and stream: the highest number stored. */
  readonly #highest = new RecentMap<string, number>(streamsRemembered);
  readonly #filtersByTopic = new RecentMap<string, readonly string[]>(topicsRemembered);
  #last: Promise<unknown> = Promise.resolve();

  constructor(database: SqlDatabase, dictionary: TextDictionary, crcOf: (body: Uint8Array) => number) {
    this.#database = database;
    this.#crcOf = crcOf;
    this.#dictionary = dictionary;
  }

  async insert(blocks: readonly DataBlock[]): Promise<InsertOutcome> {
    // Read while the insert before is being committed.
    const parts = blocks.map(partOf);
    const outcome = this.#last.then(() => this.#insert(parts));
    this.#last = outcome.catch(() => undefined);
    return outcome;
  }

  async #insert(parts: readonly Part[]): Promise<InsertOutcome> {
    const total = parts.reduce((sum, { items }) => sum + items, 0);
    if (total === 0) return { inserted: 0, duplicates: 0 };
    try {
      const numbering = await this.#dictionary.number(this.#textsOf(parts));
      const { fresh, highest } = await this.#freshOf(parts, numbering);
      const inserted = fresh.reduce((sum, { items }) => sum + items, 0);
      if (inserted === 0) return { inserted, duplicates: total };
      await this.#database.transact([
        ...numbering.statements,
        { sql: insertBlock, params: fresh.map((part) => [...blockRow(part, numbering), this.#crcOf(part.scan.body)]) },
        { sql: insertFilters, params: fresh.map((part) => this.#filterRow(part, numbering)) },
      ]);
      this.#dictionary.keep(numbering);
      for (const [stream, number] of highest) this.#highest.set(stream, number);
      return { inserted, duplicates: total - inserted };
    } catch (error) {
      // Whether it was committed may be unknown: look again.
      this.#dictionary.forget();
      this.#highest.clear();
      throw error;
    }
  }

  #textsOf(parts: readonly Part[]): ReadonlySet<string> {
    const texts = new Set<string>([everything]);
    for (const { origin, stream, scan } of parts) {
      texts.add(origin).add(stream).add(streamFilter(stream));
      for (const topic of scan.topics) for (const filter of this.#filtersOf(topic)) texts.add(filter);
    }
    return texts;
  }

  #filtersOf(topic: string): readonly string[] {
    let filters = this.#filtersByTopic.get(topic);
    if (filters === undefined) this.#filtersByTopic.set(topic, (filters = filtersOfTopic(topic)));
    return filters;
  }

  #filterRow({ origin, stream, arrival, scan }: Part, numbering: Numbering): readonly SqlValue[] {
    const filters = new Set([numbering.of(everything), numbering.of(streamFilter(stream))]);
    for (const topic of scan.topics) for (const filter of this.#filtersOf(topic)) filters.add(numbering.of(filter));
    return [numbering.of(origin), JSON.stringify([...filters]), arrival];
  }

  /** The parts that are not stored yet, and the highest number of each stream once they are. */
  async #freshOf(
    parts: readonly Part[],
    numbering: Numbering,
  ): Promise<{ readonly fresh: readonly Part[]; readonly highest: ReadonlyMap<string, number> }> {
    const fresh: Part[] = [];
    const highest = new Map<string, number>();
    const takenNow = new Map<string, IntervalSet>();
    for (const part of parts) {
      const key = [numbering.of(part.origin), part.epoch, numbering.of(part.stream)] as const;
      const stream = key.join(" ");
      const before = this.#highest.get(stream) ?? (await this.#highestOf(key, numbering.isNew(part.origin)));
      this.#highest.set(stream, before);
      const last = part.first + part.items - 1;
      const taken = takenNow.get(stream) ?? [];
      const stored = part.first > before ? [] : await this.#storedAmong(key, part.first, last);
      const missing = missingFrom(union(taken, stored), part.first, last);
      if (missing.length === 0) continue;
      fresh.push(...(countIntervals(missing) === part.items ? [part] : missing.map((range) => cut(part, range))));
      takenNow.set(stream, addInterval(taken, part.first, last));
      highest.set(stream, Math.max(before, highest.get(stream) ?? 0, last));
    }
    return { fresh, highest };
  }

  async #highestOf(key: readonly SqlValue[], isNew: boolean): Promise<number> {
    return isNew ? 0 : onlyNumber(await this.#database.query(selectHighest, key));
  }

  async #storedAmong(key: readonly SqlValue[], first: number, last: number): Promise<IntervalSet> {
    const rows = await this.#database.query(selectOverlapping, [...key, first, last]);
    return rows.reduce<IntervalSet>((set, row) => {
      const from = numberOf(row, "first");
      return addInterval(set, from, from + numberOf(row, "items") - 1);
    }, []);
  }
}

function partOf({ origin, epoch, stream, arrival, first, items, flags, body }: DataBlock): Part {
  const scan = scanBody(body, items);
  if (scan !== undefined) return { origin, epoch, stream, arrival, first, items, flags, scan };
  throw new FogbankError(
    "FOGBANK_DATA_REFUSED",
    `could not store ${items} messages of ${origin}/${stream} from number ${first}: their body cannot be read`,
  );
}

function cut(part: Part, [first, last]: readonly [number, number]): Part {
  const items = decodeSegment(part.scan.body, part.items)?.slice(first - part.first, last - part.first + 1);
  const scan = items && scanBody(encodeSegment(items), items.length);
  assert(scan !== undefined, "a body that was scanned can be read");
  return { ...part, first, items: last - first + 1, arrival: part.arrival + first - part.first, scan };
}

function union(a: IntervalSet, b: IntervalSet): IntervalSet {
  return b.reduce((set, [first, last]) => addInterval(set, first, last), a);
}

function blockRow(part: Part, numbering: Numbering): readonly SqlValue[] {
  const { arrival, origin, epoch, stream, first, items, flags, scan } = part;
  const { minMs, maxMs, body } = scan;
  return [arrival, numbering.of(origin), epoch, numbering.of(stream), first, items, minMs, maxMs, flags, body];
}
