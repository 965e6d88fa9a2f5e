// Takes whole segments out of the journal whose messages will never be delivered: rows, ledger and gap in the same transaction,
// which the caller opens.
import type { DatabaseSync } from "node:sqlite";
import { chooseSegments, type Choice, type ChoiceRules, type StoredPlace } from "#shared/journal/eviction.ts";
import { coversInterval, emptyIntervals, type IntervalSet } from "#shared/journal/interval-set.ts";
import { lossReasonCodes, type LossReason } from "#shared/journal/segment.ts";
import type { Loss, LossRepository, SentNumbers } from "./loss-repository.ts";
import { unpackRanges } from "./packed-ranges.ts";
import { segmentOverheadBytes } from "./segment-weight.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository } from "./stream-repository.ts";
import type { WeighedStream } from "./stream-weights.ts";

/** What went by the bounds of the budget or of its stream since the node was started. */
export interface RemovedTotal {
  readonly node: string;
  readonly stream: string;
  readonly reason: LossReason;
  readonly segments: number;
  readonly messages: number;
  readonly bytes: number;
}

interface RemovablePlace extends StoredPlace {
  readonly firstMs: number;
  /** As the newest message is stamped, rightly or not. */
  readonly stampedMs: number;
}

export class SegmentRemoval {
  readonly #streams: StreamRepository;
  readonly #losses: LossRepository;
  readonly #sentOf: SentNumbers;
  readonly #from;
  readonly #delete;
  readonly #handed;
  /** At a root: what the document store may have already has ids up to this. */
  #drainedId = 0;
  readonly #totals = new Map<string, RemovedTotal>();
  /** Of the transaction that runs: it may be rolled back. */
  #uncommitted: RemovedTotal[] = [];

  constructor(
    database: DatabaseSync,
    repositories: { readonly streams: StreamRepository; readonly losses: LossRepository },
    sentOf: SentNumbers,
  ) {
    this.#streams = repositories.streams;
    this.#losses = repositories.losses;
    this.#sentOf = sentOf;
    // The clock's column lies behind the body: it is only read where the answer depends on it.
    this.#from = database.prepare(
      `SELECT first, items, first_ms AS firstMs, last_ms AS lastMs, length(body) AS bytes,
         CASE WHEN last_ms < ? THEN clock ELSE 0 END AS clock
       FROM segment WHERE origin = ? AND stream = ? AND first >= ? AND id > ? AND body IS NOT NULL ORDER BY first`,
    );
    this.#delete = database.prepare(
      "DELETE FROM segment WHERE origin = ? AND stream = ? AND first >= ? AND first <= ? AND body IS NOT NULL",
    );
    this.#handed = database.prepare("SELECT handed FROM stream WHERE origin = ? AND stream = ?");
  }

  /** The document store is about to be given segments up to that id: it may have them, whatever happens from here on. */
  drainsTo(id: number): void {
    this.#drainedId = Math.max(this.#drainedId, id);
  }

  /** What has been removed so far, by stream and reason. */
  totals(): readonly RemovedTotal[] {
    this.#settle();
    return [...this.#totals.values()];
  }

  /** Must be called when a transaction was rolled back. */
  rolledBack(): void {
    this.#uncommitted = [];
  }

  /**
   * Removes segments of the stream by these rules, from number `from` on. Their numbers are named as lost, but for those that the
   * parent has already and that are only kept until the root has them too. What was stamped before the tree's time was known has no
   * age.
   */
  take(
    stream: WeighedStream,
    from: number,
    rules: Omit<ChoiceRules, "inFlight">,
    reason: LossReason,
  ): Omit<Choice<StoredPlace>, "chosen"> & { readonly segments: number } {
    this.#settle();
    const places = this.#places(stream.key, from, rules.age?.expiredBeforeMs ?? 0);
    const { chosen, ...rest } = chooseSegments(places, { ...rules, inFlight: this.#sentOf(stream.key) });
    this.#remove(stream, chosen, reason);
    return { ...rest, segments: chosen.length };
  }

  /**
   * Removes segments of the stream that the parent has already, as many as make `bytes`: they are only kept until the root has them
   * too. Answers how many went.
   */
  takeHanded(stream: WeighedStream, bytes: number, segmentsMax: number): number {
    this.#settle();
    const chosen: RemovablePlace[] = [];
    let taken = 0;
    for (const place of this.#handedPlaces(stream.key)) {
      if (taken >= bytes || chosen.length >= segmentsMax) break;
      chosen.push(place);
      taken += place.bytes;
    }
    this.#remove(stream, chosen, "evicted");
    return chosen.length;
  }

  /** Bytes that `takeHanded` would make free, counted as far as `most`. */
  handedBytes(key: StreamKey, most: number): number {
    let bytes = 0;
    for (const place of this.#handedPlaces(key)) {
      if (bytes >= most) break;
      bytes += place.bytes;
    }
    return bytes;
  }

  *#handedPlaces(key: StreamKey): Generator<RemovablePlace, void> {
    for (const [first, last] of this.#handedOf(key)) {
      for (const place of this.#places(key, first, 0)) {
        if (place.first + place.items - 1 > last) break;
        yield place;
      }
    }
  }

  *#places(key: StreamKey, from: number, expiredBeforeMs: number): Generator<RemovablePlace, void> {
    for (const row of this.#from.iterate(expiredBeforeMs, key.origin, key.stream, from, this.#drainedId)) {
      yield {
        first: Number(row["first"]),
        items: Number(row["items"]),
        bytes: Number(row["bytes"]) + segmentOverheadBytes,
        firstMs: Number(row["firstMs"]),
        stampedMs: Number(row["lastMs"]),
        lastMs: row["clock"] === 0 ? Number(row["lastMs"]) : Infinity,
      };
    }
  }

  #remove({ key, priority, node, name }: WeighedStream, places: readonly RemovablePlace[], reason: LossReason): void {
    if (places.length === 0) return;
    const handed = this.#handedOf(key);
    for (const run of neighbours(places, handed)) {
      this.#delete.run(key.origin, key.stream, run.first, run.last);
      const { first, last, bytes, firstMs, lastMs, segments } = run;
      const messages = last - first + 1;
      const isSafe = isHanded(run, handed);
      const delivered = isSafe ? messages : 0;
      this.#streams.change(key, { held: -messages, heldBytes: -bytes, segments: -segments, delivered });
      if (isSafe) continue;
      this.#losses.add(key, priority, { first, last, reasonCode: lossReasonCodes[reason], bytes, firstMs, lastMs });
      this.#uncommitted.push({ node, stream: name, reason, segments, messages, bytes });
    }
  }

  /** What was removed before this transaction is certain by now. */
  #settle(): void {
    for (const removed of this.#uncommitted) {
      const key = `${removed.reason} ${removed.stream} ${removed.node}`;
      const before = this.#totals.get(key);
      this.#totals.set(key, {
        ...removed,
        segments: removed.segments + (before?.segments ?? 0),
        messages: removed.messages + (before?.messages ?? 0),
        bytes: removed.bytes + (before?.bytes ?? 0),
      });
    }
    this.#uncommitted = [];
  }

  #handedOf(key: StreamKey): IntervalSet {
    const handed = this.#handed.get(key.origin, key.stream)?.["handed"];
    return handed instanceof Uint8Array ? unpackRanges(handed) : emptyIntervals;
  }
}

/** Segments whose numbers follow each other. `bytes`: of their bodies alone. */
interface Run extends Omit<Loss, "reasonCode"> {
  readonly segments: number;
}

function neighbours(places: readonly RemovablePlace[], handed: IntervalSet): readonly Run[] {
  const runs: Run[] = [];
  for (const { first, items, bytes, firstMs, stampedMs } of places) {
    const last = first + items - 1;
    const run = { first, last, bytes: bytes - segmentOverheadBytes, firstMs, lastMs: stampedMs, segments: 1 };
    const before = runs.at(-1);
    if (before?.last !== first - 1 || isHanded(before, handed) !== isHanded(run, handed)) {
      runs.push(run);
      continue;
    }
    runs[runs.length - 1] = {
      first: before.first,
      last: run.last,
      bytes: before.bytes + run.bytes,
      firstMs: Math.min(before.firstMs, firstMs),
      lastMs: Math.max(before.lastMs, stampedMs),
      segments: before.segments + 1,
    };
  }
  return runs;
}

function isHanded({ first, last }: Pick<Run, "first" | "last">, handed: IntervalSet): boolean {
  return coversInterval(handed, first, last);
}
