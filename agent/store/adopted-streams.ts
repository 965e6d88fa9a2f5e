// What the document store of a root has of streams that nobody has described to its journal yet: the journal is new, or was put back from
// an older copy. Documents know a stream by its name; its number comes with the first word of its origin.
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { countIntervals, highestOf, type IntervalSet } from "#shared/journal/interval-set.ts";
import type { LedgerRow } from "#shared/journal/ledger.ts";
import type { DataHolding } from "#shared/system/document-store.ts";
import { packRanges, unpackRanges } from "./packed-ranges.ts";

export class AdoptedStreams {
  readonly #put;
  readonly #take;
  readonly #any;
  readonly #all;
  readonly #of;
  /** Whether there are any, so that others pay nothing for them; undefined: to be looked up. */
  #hasAny: boolean | undefined;

  constructor(database: DatabaseSync) {
    this.#put = database.prepare("INSERT OR REPLACE INTO adopted(node, epoch, name, ranges) VALUES(?, ?, ?, ?)");
    this.#take = database.prepare("DELETE FROM adopted WHERE node = ? AND epoch = ? AND name = ? RETURNING ranges");
    this.#any = database.prepare("SELECT 1 FROM adopted LIMIT 1");
    this.#all = database.prepare("SELECT node, epoch, name, ranges FROM adopted ORDER BY node, epoch, name");
    this.#of = database.prepare("SELECT node, epoch, name, ranges FROM adopted WHERE node = ? ORDER BY epoch, name");
  }

  put({ origin, epoch, stream, ranges }: DataHolding): void {
    this.#put.run(origin, epoch, stream, packRanges(ranges));
    this.#hasAny = true;
  }

  /** Takes out what is stored of the stream, if it is one of these. */
  take(origin: string, epoch: number, stream: string): IntervalSet | undefined {
    this.#hasAny ??= this.#any.get() !== undefined;
    if (!this.#hasAny) return undefined;
    const [row] = this.#take.all(origin, epoch, stream);
    if (row === undefined) return undefined;
    this.#hasAny = undefined;
    return unpackRanges(row["ranges"]);
  }

  /** As accounts, of one node or of all. */
  all(node?: string): readonly LedgerRow[] {
    const rows = node === undefined ? this.#all.all() : this.#of.all(node);
    return rows.map(accountOf);
  }

  /** Must be called when a transaction was rolled back. */
  rolledBack(): void {
    this.#hasAny = undefined;
  }
}

function accountOf(row: Record<string, SQLOutputValue>): LedgerRow {
  const ranges = unpackRanges(row["ranges"]);
  return {
    origin: String(row["node"]),
    epoch: Number(row["epoch"]),
    streamId: 0,
    stream: String(row["name"]),
    high: highestOf(ranges),
    ranges,
    low: 1,
    delivered: countIntervals(ranges),
    lost: 0,
    held: 0,
    heldBytes: 0,
    heardAtMs: 0,
  };
}
