// Puts blocks into the collection `data`, each message once. One insert at a time: each looks at what the last one has left.
//
//   read bodies ──▶ leave out what is stored ──▶ refuse foreign arrivals ──▶ insert, in no order, for a majority, on disk
//
// A duplicate key is a message that an earlier attempt has stored, of which the answer was lost; the server answers it only when a
// majority has that one, too. A server that fails may have stored some: they come again, and change nothing.
import { MongoBulkWriteError, type Collection } from "mongodb";
import { FogbankError } from "#shared/errors.ts";
import { addInterval, countIntervals, missingFrom, type IntervalSet } from "#shared/journal/interval-set.ts";
import { scanBody } from "#shared/journal/segment-reader.ts";
import type { DataBlock, InsertOutcome } from "#shared/system/document-store.ts";
import { RecentMap } from "../recent-map.ts";
import { documentsOf, type BlockPart, type Identity, type MessageDocument } from "./data-document.ts";
import type { DataReader } from "./data-reader.ts";
import { duplicateKey, isDataError } from "./mongodb-error.ts";

const streamsRemembered = 16_384;

export class DataWriter {
  readonly #data: Collection<MessageDocument>;
  readonly #reader: DataReader;
  /** By stream: the highest number stored. */
  readonly #highest = new RecentMap<string, number>(streamsRemembered);
  #lastArrival: number | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(data: Collection<MessageDocument>, reader: DataReader) {
    this.#data = data;
    this.#reader = reader;
  }

  async insert(blocks: readonly DataBlock[]): Promise<InsertOutcome> {
    const parts = blocks.map(partOf);
    const outcome = this.#last.then(() => this.#insert(parts));
    this.#last = outcome.catch(() => undefined);
    return outcome;
  }

  /** What is stored may not be what it was: looks again. */
  forget(): void {
    this.#highest.clear();
    this.#lastArrival = undefined;
  }

  async #insert(parts: readonly BlockPart[]): Promise<InsertOutcome> {
    const total = parts.reduce((sum, { items }) => sum + items, 0);
    try {
      const { fresh, highest } = await this.#freshOf(parts);
      if (fresh.length === 0) return { inserted: 0, duplicates: total };
      await this.#refuseForeignArrivals(fresh);
      const inserted = await this.#store(fresh.flatMap(documentsOf));
      for (const [stream, number] of highest) this.#highest.set(stream, number);
      this.#lastArrival = fresh.reduce((last, part) => Math.max(last, lastArrivalOf(part)), this.#lastArrival ?? 0);
      return { inserted, duplicates: total - inserted };
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** The parts that are not stored yet, and the highest number of each stream once they are. */
  async #freshOf(
    parts: readonly BlockPart[],
  ): Promise<{ readonly fresh: readonly BlockPart[]; readonly highest: ReadonlyMap<string, number> }> {
    const fresh: BlockPart[] = [];
    const highest = new Map<string, number>();
    const takenNow = new Map<string, IntervalSet>();
    for (const part of parts) {
      const stream = JSON.stringify([part.origin, part.epoch, part.stream]);
      const before = this.#highest.get(stream) ?? (await this.#reader.highest(part));
      this.#highest.set(stream, before);
      const last = part.first + part.items - 1;
      const taken = takenNow.get(stream) ?? [];
      const stored = part.first > before ? [] : await this.#reader.ranges(part, part.first, last);
      const missing = missingFrom(union(taken, stored), part.first, last);
      fresh.push(...(countIntervals(missing) === part.items ? [part] : missing.map((range) => cut(part, range))));
      takenNow.set(stream, addInterval(taken, part.first, last));
      highest.set(stream, Math.max(before, highest.get(stream) ?? 0, last));
    }
    return { fresh, highest };
  }

  /** Before anything is stored: an arrival is one message's for good. */
  async #refuseForeignArrivals(fresh: readonly BlockPart[]): Promise<void> {
    const inOrder = fresh.toSorted((a, b) => a.arrival - b.arrival);
    const clash = inOrder.find((part, index) => {
      const next = inOrder[index + 1];
      return next !== undefined && lastArrivalOf(part) >= next.arrival;
    });
    const lastArrival = (this.#lastArrival ??= await this.#reader.lastArrival());
    const ranges = inOrder
      .filter(({ arrival }) => arrival <= lastArrival)
      .map((part) => [part.arrival, lastArrivalOf(part)] as const);
    if (clash === undefined && !(await this.#reader.hasArrivals(ranges))) return;
    throw new FogbankError(
      "FOGBANK_DATA_REFUSED",
      "could not store messages: an arrival number is that of another one",
    );
  }

  /** Answers how many were not there. */
  async #store(documents: MessageDocument[]): Promise<number> {
    try {
      const { insertedCount } = await this.#data.insertMany(documents, { ordered: false });
      return insertedCount;
    } catch (error) {
      if (!(error instanceof MongoBulkWriteError)) throw error;
      if (error.result.getWriteConcernError() !== undefined) throw error;
      const failures = [error.writeErrors].flat();
      // A command that fails as a whole comes as the failure of no document at all.
      if (error.insertedCount + failures.length !== documents.length) throw error;
      if (failures.some(({ code }) => code !== duplicateKey && !isDataError(code))) throw error;
      const failed = new Set(failures.map(({ index }) => index));
      const there = await this.#decided(documents.filter((_, index) => failed.has(index)));
      const refused = failures.filter(({ index }) => !there.has(identityText(documents[index])));
      if (refused.length === 0) return error.insertedCount;
      await this.#takeBack(documents.filter((_, index) => !failed.has(index)));
      throw new FogbankError("FOGBANK_DATA_REFUSED", `MongoDB refuses a message: ${refused[0]?.errmsg}`, {
        cause: error,
      });
    }
  }

  /** Which of these a majority has. Rejects when the primary has one that may yet be rolled back. */
  async #decided(documents: readonly MessageDocument[]): Promise<ReadonlySet<string>> {
    const ids = documents.map(({ _id }) => _id);
    const [local, majority] = [await this.#stored(ids, "local"), await this.#stored(ids, "majority")];
    if ([...local].every((id) => majority.has(id))) return majority;
    throw new Error("what is there already is not on a majority of the servers yet");
  }

  async #stored(ids: readonly Identity[], readConcern: "local" | "majority"): Promise<ReadonlySet<string>> {
    const options = { projection: { _id: 1 }, readConcern } as const;
    const found = await this.#data.find({ _id: { $in: [...ids] } }, options).toArray();
    return new Set(found.map(identityText));
  }

  /** What has just been stored beside something that cannot be: whoever gives that up gives up its block. */
  async #takeBack(documents: readonly MessageDocument[]): Promise<void> {
    await this.#data.deleteMany({ _id: { $in: documents.map(({ _id }) => _id) } });
  }
}

function partOf({ origin, epoch, stream, arrival, first, items, flags, body }: DataBlock): BlockPart {
  const scan = scanBody(body, items);
  if (scan !== undefined) {
    return { origin, epoch, stream, arrival, first, items, flags, body: new Uint8Array(scan.body), bodyFirst: first };
  }
  throw new FogbankError(
    "FOGBANK_DATA_REFUSED",
    `could not store ${items} messages of ${origin}/${stream} from number ${first}: their body cannot be read`,
  );
}

function cut(part: BlockPart, [first, last]: readonly [number, number]): BlockPart {
  return { ...part, first, items: last - first + 1, arrival: part.arrival + first - part.first };
}

function lastArrivalOf({ arrival, items }: BlockPart): number {
  return arrival + items - 1;
}

function union(a: IntervalSet, b: IntervalSet): IntervalSet {
  return b.reduce((set, [first, last]) => addInterval(set, first, last), a);
}

function identityText(document: Pick<MessageDocument, "_id"> | undefined): string {
  if (document === undefined) return "";
  const { _id: id } = document;
  return JSON.stringify([id.origin, id.epoch, id.stream, id.seq]);
}
