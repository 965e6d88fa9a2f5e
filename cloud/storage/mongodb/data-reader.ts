// Reads the collection `data`. All reads are of what a majority has: what was seen cannot be rolled back.
import { MaxKey, MinKey, type Collection, type Db, type Document, type Filter } from "mongodb";
import { addInterval, type IntervalSet } from "#shared/journal/interval-set.ts";
import type { DataDocument, DataHolding, DataQuery, DataSpan, SpanQuery } from "#shared/system/document-store.ts";
import { messageOf, numbersOf, type MessageDocument, type StreamKey } from "./data-document.ts";

/** Paths below one that are asked for each by itself, so that an index gives the page in order. */
const pathsMax = 100;
/** So few numbers are read one by one, at once; so few when they are neither all there nor all missing. */
const numbersReadAtOnce = 1_024;
const numbersRead = 32_768;
/** Numbers that one command counts: it has to answer in time. */
const numbersCounted = 1_000_000;

export class DataReader {
  readonly #db: Db;
  readonly #data: Collection<MessageDocument>;

  constructor(db: Db) {
    this.#db = db;
    this.#data = db.collection<MessageDocument>("data");
  }

  async find({ origin, stream, path, after = 0, limit }: DataQuery): Promise<readonly DataDocument[]> {
    if (limit <= 0) return [];
    const filter: Filter<MessageDocument> = {
      arrival: { $gt: after },
      ...(origin === undefined ? {} : { "_id.origin": origin }),
      ...(stream === undefined ? {} : { "_id.stream": stream }),
      ...(path === undefined || path === "#" ? {} : await this.#pathFilter(path, origin)),
    };
    const found = await this.#data.find(filter).sort({ arrival: 1 }).limit(limit).toArray();
    return found.map(messageOf);
  }

  async #pathFilter(path: string, origin: string | undefined): Promise<Document> {
    if (!path.endsWith("/#")) return { path };
    const above = path.slice(0, -"/#".length);
    // The character behind the slash is "0".
    const below = { path: { $gte: `${above}/`, $lt: `${above}0` } };
    const paths = await this.#data.distinct("path", {
      ...below,
      ...(origin === undefined ? {} : { "_id.origin": origin }),
    });
    if (paths.length <= pathsMax) return { path: { $in: [above, ...paths] } };
    return { $or: [{ path: above }, below] };
  }

  async count(key: StreamKey, first = 1, last = Number.MAX_SAFE_INTEGER): Promise<number> {
    // The command and not the driver's countDocuments: it counts entries of the index and fetches nothing.
    const readConcern = { level: "majority" };
    const answer = await this.#db.command({ count: "data", query: numbersOf(key, first, last), readConcern });
    return Number(answer["n"]);
  }

  /** The highest number that is stored of a stream, or 0. */
  async highest(key: StreamKey): Promise<number> {
    const options = { sort: { _id: -1 }, projection: { _id: 1 } } as const;
    const found = await this.#data.findOne(numbersOf(key, 1, Number.MAX_SAFE_INTEGER), options);
    if (found === null) return 0;
    const { _id: identity } = found;
    return identity.seq;
  }

  async lastArrival(): Promise<number> {
    const found = await this.#data.findOne({}, { sort: { arrival: -1 }, projection: { _id: 0, arrival: 1 } });
    return found?.arrival ?? 0;
  }

  /** Whether any message has an arrival in one of these ranges. */
  async hasArrivals(ranges: IntervalSet): Promise<boolean> {
    if (ranges.length === 0) return false;
    const among = ranges.map(([first, last]) => ({ arrival: { $gte: first, $lte: last } }));
    return (await this.#data.findOne({ $or: among }, { projection: { _id: 0, arrival: 1 } })) !== null;
  }

  /** Which of the numbers `first` to `last` are stored. Halves what is neither full nor empty: gaps are few. */
  async ranges(key: StreamKey, first: number, last: number): Promise<IntervalSet> {
    const size = last - first + 1;
    if (size <= numbersReadAtOnce) return this.#numbers(key, first, last);
    const stored = size > numbersCounted ? undefined : await this.count(key, first, last);
    if (stored === 0) return [];
    if (stored === size) return [[first, last]];
    if (size <= numbersRead) return this.#numbers(key, first, last);
    const middle = first + Math.floor(size / 2);
    const [lower, upper] = [await this.ranges(key, first, middle - 1), await this.ranges(key, middle, last)];
    return upper.reduce<IntervalSet>((set, [from, to]) => addInterval(set, from, to), lower);
  }

  async #numbers(key: StreamKey, first: number, last: number): Promise<IntervalSet> {
    const found = this.#data.find(numbersOf(key, first, last), { projection: { _id: 1 }, sort: { _id: 1 } });
    let ranges: IntervalSet = [];
    for await (const { _id } of found) ranges = addInterval(ranges, _id.seq, _id.seq);
    return ranges;
  }

  async spans({ origin, stream, fromMs, toMs }: SpanQuery): Promise<readonly DataSpan[]> {
    const match = {
      "_id.origin": origin,
      ...(stream === undefined ? {} : { "_id.stream": stream }),
      time: { $gte: new Date(fromMs), $lt: new Date(toMs) },
    };
    const group = {
      _id: { epoch: "$_id.epoch", stream: "$_id.stream" },
      stored: { $sum: 1 },
      first: { $min: "$_id.seq" },
      last: { $max: "$_id.seq" },
    };
    const found = await this.#data.aggregate<CountedSpan>([{ $match: match }, { $group: group }]).toArray();
    const spans: DataSpan[] = [];
    for (const { _id, stored, first, last } of found) {
      spans.push({ ..._id, stored, first, last, ranges: await this.ranges({ origin, ..._id }, first, last) });
    }
    return spans;
  }

  /** Steps from stream to stream along the index of `_id`. */
  async *holdings(): AsyncGenerator<DataHolding> {
    let after: unknown = new MinKey();
    for (;;) {
      const filter: Document = { _id: { $gt: after } };
      const next = await this.#data.findOne(filter, { sort: { _id: 1 }, projection: { _id: 1 } });
      if (next === null) return;
      const { _id: identity } = next;
      const { origin, epoch, stream, seq } = identity;
      const key = { origin, epoch, stream };
      yield { ...key, ranges: await this.ranges(key, seq, await this.highest(key)) };
      after = { ...key, seq: new MaxKey() };
    }
  }
}

interface CountedSpan {
  readonly _id: { readonly epoch: number; readonly stream: string };
  readonly stored: number;
  readonly first: number;
  readonly last: number;
}
