// The root's way up: drains the journal into the document store. A row leaves the journal after the store has it durably; after a
// crash in between the same blocks come again, under the same identity and arrival, and change nothing.
//
//   read ahead ──▶ store ──▶ forget, one write for all that is stored by then
//
// A segment that the store refuses while it takes others is set aside, tried again, and quarantined at the third refusal: it stays
// in the journal, and blocks nobody. A store that takes nothing is away, and everything waits; but where it says of a few segments that
// it is their data which it cannot take, these refusals count too.
import { addInterval } from "#shared/journal/interval-set.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import type { Frame } from "#shared/journal/tree-clock.ts";
import type { Backlog } from "#shared/system/backlog.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { HandedOn } from "../store/link-operations.ts";
import type { NodeStore } from "../store/node-store.ts";
import type { StoredSegment } from "../store/segment-repository.ts";
import { arrivalsPerSegment, storeSegments, type BatchOutcome } from "./sink-batch.ts";

export { arrivalsPerSegment };

const bytesPerRead = 2 * 1024 * 1024;
const retryMsMin = 500;
const retryMsMax = 10_000;

/** Refusals of one segment that say something about it, after which it is quarantined. */
const refusalsMax = 3;
/** Segments set aside at once: more refused ones wait in the journal, and with them what is behind, until these are dealt with. */
const asideMax = 1_000;

/**
 * Segments that may be quarantined, one after the other, by the word of a store that has taken nothing since: one that finds fault with
 * whatever it is given (its schema is another, say) is to be mended, and costs no more than these.
 */
const aloneMax = 8;

export interface SinkDeps {
  readonly store: NodeStore;
  readonly documents: Pick<DocumentStore, "insertBlocks">;
  readonly backlog: Backlog;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * To be done before anything is stored, and again after each failure: a server may come back with less than it had. When it rejects the
   * store is away.
   */
  readonly check?: () => Promise<void>;
  /** By what stamps of before the tree's time was known are repaired. */
  readonly stamps?: () => Frame;
}

export interface SinkStatus {
  /** When the document store began to fail, milliseconds since 1970. */
  readonly failingSinceMs: number | undefined;
  /** Messages stored and gone from the journal. */
  readonly drained: number;
  /** Segments that could not be stored and were put away, with a gap in their place. */
  readonly quarantined: number;
}

export interface Sink extends AsyncDisposable {
  status(): SinkStatus;
}

/** Drains until it is disposed. The document store may be away for any time: the journal holds. */
export function startSink(deps: SinkDeps): Sink {
  return new Drain(deps);
}

interface Batch {
  readonly segments: readonly StoredSegment[];
  readonly streams: readonly StreamState[];
  /** Ids of segments whose bytes are not what was stored. */
  readonly damaged: readonly number[];
  /** All up to this id has been read. */
  readonly lastId: number;
}

/** A segment that was refused. */
interface Aside {
  refusals: number;
  nextTryMs: number;
}

class Drain implements Sink {
  readonly #deps: SinkDeps;
  readonly #stop = new AbortController();
  readonly #released: Disposable;
  readonly #done: Promise<void>;
  /** By id. A restart forgets it, and reads the journal from its beginning. */
  readonly #aside = new Map<number, Aside>();
  readonly #stored = new Map<string, HandedOn>();
  /** The highest arrival among what was stored; the journal is told it with the next write. */
  #storedArrival = 0;
  #forgetting: Promise<void> | undefined;
  #wake = Promise.withResolvers<void>();
  #cursor = 0;
  /** The last one that was tried out of turn, to see whether the store takes anything. */
  #probedId = 0;
  #failingSinceMs: number | undefined;
  #isChecked = false;
  #drained = 0;
  #quarantined = 0;
  /** Quarantined since the store has last taken data. */
  #sinceTaken = 0;

  constructor(deps: SinkDeps) {
    this.#deps = deps;
    this.#released = deps.backlog.onReleased(() => this.#wake.resolve());
    this.#stop.signal.addEventListener("abort", () => this.#wake.resolve());
    this.#done = this.#run();
  }

  status(): SinkStatus {
    return { failingSinceMs: this.#failingSinceMs, drained: this.#drained, quarantined: this.#quarantined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#released[Symbol.dispose]();
    this.#stop.abort();
    await this.#done;
    await this.#forgetting;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#deps;
    const { signal } = this.#stop;
    let retryMs = retryMsMin;
    let ahead: Promise<Batch | undefined> | undefined;
    while (!signal.aborted) {
      try {
        await this.#check();
        const batch = await (ahead ?? this.#read(this.#cursor));
        ahead = batch && this.#read(batch.lastId);
        ahead?.catch(() => undefined); // awaited in the next round, if there is one
        const isTaking = batch !== undefined && (await this.#take(batch));
        await this.#tryAside(isTaking);
        if (batch !== undefined) {
          if (this.#failingSinceMs !== undefined) log.info({}, "document store takes data again");
          this.#failingSinceMs = undefined;
          retryMs = retryMsMin;
        }
        if (batch === undefined) await this.#idle();
        else if (this.#cursor < batch.lastId) {
          ahead = undefined;
          await clock.sleep(retryMsMin, signal).catch(() => undefined);
        }
      } catch (error) {
        ahead = undefined;
        this.#isChecked = false;
        if (signal.aborted) return;
        if (this.#failingSinceMs === undefined)
          log.error({ error: String(error) }, "document store does not take data");
        this.#failingSinceMs ??= clock.now();
        await clock.sleep(retryMs, signal).catch(() => undefined);
        retryMs = Math.min(retryMsMax, retryMs * 2);
      }
    }
  }

  async #check(): Promise<void> {
    if (this.#isChecked) return;
    // What is stored and still here would not be missed.
    await this.#forgetting;
    await this.#deps.check?.();
    this.#isChecked = true;
  }

  /** Undefined when nothing behind `after` may be drained. */
  async #read(after: number): Promise<Batch | undefined> {
    const releasedId = this.#deps.backlog.releasedId();
    if (after >= releasedId) return undefined;
    const { segments, streams, damaged } = await this.#readAfter(after, bytesPerRead);
    const ready = segments.filter(({ id }) => id <= releasedId);
    return { segments: ready, streams, damaged, lastId: ready.at(-1)?.id ?? releasedId };
  }

  #readAfter(id: number, bytesMax: number): Promise<Omit<Batch, "lastId">> {
    const { store, stamps } = this.#deps;
    return store.read("after", { id, bytesMax, drains: true, ...(stamps && { stamps: stamps() }) });
  }

  /** Stores a batch and moves on behind it, or as far as there is room aside. Answers whether the store takes data. */
  async #take(batch: Batch): Promise<boolean> {
    const { documents, clock, log } = this.#deps;
    const segments = batch.segments.filter(({ id }) => !this.#aside.has(id));
    const outcome = await storeSegments(documents, segments, batch, () => this.#takesBehind(batch.lastId));
    await this.#settle(outcome);
    if (outcome.refused.length > 0 && !outcome.isTaking && !this.#isBelieved(outcome)) throw new Error(outcome.reason);
    const room = asideMax - this.#aside.size;
    for (const segment of outcome.refused.slice(0, room)) {
      log.error({ ...placeOf(segment), error: outcome.reason }, "document store refuses a segment");
      this.#aside.set(segment.id, { refusals: 1, nextTryMs: clock.monotonic() + retryMsMin });
    }
    const waiting = outcome.refused[room];
    this.#cursor = waiting === undefined ? batch.lastId : waiting.id - 1;
    return outcome.isTaking;
  }

  /** Whether a refusal counts although nothing else is taken. */
  #isBelieved({ refused, isDataAtFault }: BatchOutcome): boolean {
    const news = refused.filter(({ id }) => !this.#aside.has(id)).length;
    return isDataAtFault && this.#sinceTaken + this.#aside.size + news <= aloneMax;
  }

  /** Whether the store takes one of those behind `lastId`: the newest, or the next one, which is another with each attempt. */
  async #takesBehind(lastId: number): Promise<boolean> {
    const releasedId = this.#deps.backlog.releasedId();
    if (releasedId <= lastId) return false;
    if ((await this.#tryNextTo(releasedId - 1, releasedId)).isTaking) return true;
    const isBehind = this.#probedId >= lastId && this.#probedId < releasedId;
    const { id, isTaking } = await this.#tryNextTo(isBehind ? this.#probedId : lastId, releasedId);
    this.#probedId = id;
    return isTaking;
  }

  /** What is stored here comes in its turn once more, and changes nothing. */
  async #tryNextTo(after: number, releasedId: number): Promise<{ readonly id: number; readonly isTaking: boolean }> {
    const found = await this.#readAfter(after, 1);
    const next = found.segments.filter(({ id }) => id <= releasedId);
    const { isTaking } = await storeSegments(this.#deps.documents, next, found, takesNoOthers);
    return { id: next.at(-1)?.id ?? releasedId, isTaking };
  }

  /** Tries those again that were refused. `isTaking`: others have just been taken, so that a refusal counts. */
  async #tryAside(isTaking: boolean): Promise<void> {
    const { documents, clock } = this.#deps;
    for (const [id, aside] of this.#aside) {
      if (clock.monotonic() < aside.nextTryMs || this.#stop.signal.aborted) continue;
      aside.nextTryMs = clock.monotonic() + retryMsMin;
      const found = await this.#readAfter(id - 1, 1);
      const again = found.segments.filter((segment) => segment.id === id);
      let isStored = false;
      let counts = isTaking;
      try {
        const outcome = await storeSegments(documents, again, found, takesNoOthers);
        await this.#settle(outcome);
        isStored = outcome.refused.length === 0;
        counts ||= this.#isBelieved(outcome);
      } catch {
        // Away: it says nothing about the segment.
        continue;
      }
      if (!isStored && counts) aside.refusals++;
      const [segment] = again;
      if (isStored) {
        this.#aside.delete(id);
      } else if (segment !== undefined && aside.refusals >= refusalsMax) {
        await this.#quarantine(segment, "rejected");
        this.#aside.delete(id);
        this.#sinceTaken++;
      }
    }
  }

  /** What has become of segments, told to the journal. */
  async #settle({ taken, corrupt }: BatchOutcome): Promise<void> {
    if (taken.some(({ body }) => body !== null)) this.#sinceTaken = 0;
    const readTo = taken.reduce((highest, { id }) => Math.max(highest, id), 0);
    for (const { origin, epoch, streamId, first, items, body } of taken) {
      // Messages are in the document store, whichever row has them by now. Those of a gap may have come since it was read, and nobody
      // has them then: only what was read goes.
      const idMax = body === null ? readTo : undefined;
      this.#addStored({ origin, epoch, streamId, idMax, ranges: [[first, first + items - 1]] });
    }
    for (const { id, items, body } of taken) {
      if (body !== null) this.#storedArrival = Math.max(this.#storedArrival, id * arrivalsPerSegment + items - 1);
    }
    if (taken.length > 0) this.#forgetting ??= this.#forget();
    for (const segment of corrupt) await this.#quarantine(segment, "corrupt");
  }

  /** While one write is under way, what is stored gathers for the next. */
  async #forget(): Promise<void> {
    const { store, clock, log } = this.#deps;
    for (let failures = 0; this.#stored.size > 0;) {
      const acked = [...this.#stored.values()];
      this.#stored.clear();
      try {
        this.#drained += await store.write("forget", { acked, arrival: this.#storedArrival });
        failures = 0;
      } catch (error) {
        // Still there, and stored: the next write takes them along.
        for (const numbers of acked) this.#addStored(numbers);
        if (this.#stop.signal.aborted) break;
        if (failures++ === 0) log.error({ error: String(error) }, "stored segments cannot be deleted from the journal");
        await clock.sleep(retryMsMin, this.#stop.signal).catch(() => undefined);
      }
    }
    this.#forgetting = undefined;
  }

  #addStored(numbers: HandedOn): void {
    const key = `${numbers.epoch} ${numbers.streamId} ${numbers.idMax} ${numbers.origin}`;
    const before = this.#stored.get(key)?.ranges ?? [];
    const ranges = numbers.ranges.reduce((set, [first, last]) => addInterval(set, first, last), before);
    this.#stored.set(key, { ...numbers, ranges });
  }

  async #quarantine(segment: StoredSegment, reason: "rejected" | "corrupt"): Promise<void> {
    const { store, clock, log } = this.#deps;
    const { origin, epoch, streamId, first } = segment;
    await store.write("quarantine", { origin, epoch, streamId, first, reason, nowMs: clock.now() });
    this.#quarantined++;
    log.error({ ...placeOf(segment), reason }, "segment quarantined: its messages are named as lost");
  }

  /** Until more is released, or a segment that was set aside may be tried again. */
  async #idle(): Promise<void> {
    const waiting = new AbortController();
    const waits: Promise<void>[] = [this.#wake.promise];
    if (this.#aside.size > 0) waits.push(this.#deps.clock.sleep(retryMsMax, waiting.signal).catch(() => undefined));
    await Promise.race(waits);
    waiting.abort();
    this.#wake = Promise.withResolvers<void>();
    if (this.#stop.signal.aborted) this.#wake.resolve();
  }
}

const takesNoOthers = (): Promise<boolean> => Promise.resolve(false);

function placeOf({ origin, epoch, streamId, first, items }: StoredSegment): object {
  return { origin, epoch, streamId, first, items };
}
