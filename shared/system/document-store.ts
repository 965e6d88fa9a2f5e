// Where the root of a tree keeps what arrived: the journal drains into it. It takes segments as they stand in the journal and gives
// single messages. SQLite keeps them whole, MongoDB one document a message; docs/stores.md says how a third one is made.
import type { IntervalSet } from "../journal/interval-set.ts";

/** In the data directory of a root. */
export const documentsFileName = "documents.db";

/** A segment with the name of its stream, and its place in the order of arrival. */
export interface DataBlock {
  /** Node name of the origin. */
  readonly origin: string;
  /** Epoch of the origin's database, u32. */
  readonly epoch: number;
  /** Name of the stream. */
  readonly stream: string;
  /** Number of the first message within (origin, epoch, stream), from 1; the others follow without a gap. */
  readonly first: number;
  /** How many messages there are, at least 1. */
  readonly items: number;
  /** Arrival of the first message; the others follow without a gap. */
  readonly arrival: number;
  /** Times of the first and the last message. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Bits of `segmentFlags`. */
  readonly flags: number;
  /** CBOR sequence of `items` messages, as in `shared/journal/PROTOCOL.md`. Not to be changed after it was handed over. */
  readonly body: Uint8Array;
}

/** One message. Its identity is (origin, epoch, stream, seq). */
export interface DataDocument {
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
  /** Number within (origin, epoch, stream), from 1. */
  readonly seq: number;
  /** Order of arrival at the root: unique, growing, the cursor of `findData`. */
  readonly arrival: number;
  /** Milliseconds since 1970 as the origin stamped it. */
  readonly timeMs: number;
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Of its segment: the bits of `readerFlags`. */
  readonly flags: number;
}

export interface DataQuery {
  readonly origin?: string;
  readonly stream?: string;
  /** The part of the topic after `/data/` (whole topic where it does not start so); a trailing `/#` takes in everything below. */
  readonly path?: string;
  /** Only documents with a larger `arrival`. */
  readonly after?: number;
  /** At most this many. */
  readonly limit: number;
}

/** Counted in messages. */
export interface InsertOutcome {
  readonly inserted: number;
  /** Already there under the same identity. */
  readonly duplicates: number;
}

export interface SpanQuery {
  readonly origin: string;
  readonly stream?: string;
  /** Times from `fromMs` up to but not including `toMs`, milliseconds since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** What is stored of one stream with times in a span. */
export interface DataSpan {
  readonly epoch: number;
  readonly stream: string;
  /** Exactly so many messages, at least 1. */
  readonly stored: number;
  /** The lowest and the highest of their numbers. */
  readonly first: number;
  readonly last: number;
  /** Every number from `first` to `last` that is stored, whatever its time. */
  readonly ranges: IntervalSet;
}

/** All numbers that are stored of one stream. */
export interface DataHolding {
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
  readonly ranges: IntervalSet;
}

/** A block whose bytes are not those that were stored. */
export type DamagedBlock = Pick<DataBlock, "origin" | "epoch" | "stream" | "first" | "items" | "arrival">;

export interface CheckedBlocks {
  readonly damaged: readonly DamagedBlock[];
  /** The check goes on behind this arrival; undefined: there was nothing more. */
  readonly next: number | undefined;
}

export interface DocumentStore extends AsyncDisposable {
  /**
   * Stores all messages of `blocks` durably, or rejects. Idempotent by identity, however messages are cut into blocks: what is there is
   * counted and left as it is. Rejects with FOGBANK_DATA_REFUSED, and stores none, when it can never take one of them as it is (a body
   * cannot be read, an arrival is another message's); with anything else when it says nothing about the data, some of which may be stored.
   */
  insertBlocks(blocks: readonly DataBlock[]): Promise<InsertOutcome>;
  /** In order of arrival, what is damaged left out. Paging with `after` neither skips nor repeats while blocks are being inserted. */
  findData(query: DataQuery): Promise<readonly DataDocument[]>;
  /** How many messages there are of (origin, epoch, stream). */
  countData(origin: string, epoch: number, stream: string): Promise<number>;
  /** What is stored of an origin's streams in a span of time: one entry for each stream that has something there. */
  spans(query: SpanQuery): Promise<readonly DataSpan[]>;
  /** Everything that is stored, by numbers: what a root that has lost its journal needs to know. Each stream once. */
  holdings(): AsyncIterable<DataHolding>;
  /**
   * Reads some of what is stored behind the arrival `after` again. Tells what is damaged there, and what `findData` and `spans` have met
   * and left out since the last check. Nothing where a server has checksums of its own.
   */
  checkBlocks(after: number): Promise<CheckedBlocks>;
  /** Hears when `findData` or `spans` has met something damaged: the next check tells it. */
  onDamaged(listener: () => void): Disposable;
  /** Removes the block that begins with that arrival: its numbers are not stored any more. */
  discardBlock(arrival: number): Promise<void>;
  /** Drawn when the store was made: another store has another. More than 0. */
  instance(): Promise<number>;
  /** Largest `arrival` stored, or 0. */
  lastArrival(): Promise<number>;
}
