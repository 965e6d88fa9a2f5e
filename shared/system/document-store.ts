// Where the root of a tree keeps what arrived: the journal drains into it. SQLite now; MongoDB is another implementation.

/** One message as it is stored. Its identity (origin, epoch, stream, seq) is the key: inserting it again changes nothing. */
export interface DataDocument {
  /** Node name of the origin. */
  readonly origin: string;
  /** Epoch of the origin's database, u32. */
  readonly epoch: number;
  /** Name of the stream. */
  readonly stream: string;
  /** Number within (origin, epoch, stream), from 1. */
  readonly seq: number;
  /** Order of arrival at the root: unique, growing, the cursor of `find`. */
  readonly arrival: number;
  /** Milliseconds since 1970 as the origin stamped it. */
  readonly timeMs: number;
  readonly topic: string;
  readonly payload: Uint8Array;
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

export interface InsertOutcome {
  readonly inserted: number;
  /** Already there under the same identity. */
  readonly duplicates: number;
}

export interface DocumentStore extends AsyncDisposable {
  /** Stores all of `documents` durably, or rejects. Idempotent: a repeat of the same identity is counted and left as it is. */
  insertData(documents: readonly DataDocument[]): Promise<InsertOutcome>;
  /** In order of arrival. Paging with `after` neither skips nor repeats while documents are being inserted. */
  findData(query: DataQuery): Promise<readonly DataDocument[]>;
  /** How many documents there are for (origin, epoch, stream). */
  countData(origin: string, epoch: number, stream: string): Promise<number>;
  /** Largest `arrival` stored, or 0. */
  lastArrival(): Promise<number>;
}
