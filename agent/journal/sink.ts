// The root's way up: drains the journal into the document store. A row leaves the journal after the store has it durably; after a
// crash in between the same documents come again, under the same identity, and change nothing.
import { decodeSegment } from "#shared/journal/segment.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import type { Backlog } from "#shared/system/backlog.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { DataDocument, DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";
import type { StoredSegment } from "../store/segment-repository.ts";

/** Arrival numbers of the messages of one segment: its id times this, plus the place inside. More than `limits.segmentItems`. */
export const arrivalsPerSegment = 1_024;

const bytesPerRead = 1024 * 1024;
const retryMsMin = 500;
const retryMsMax = 10_000;

export interface SinkDeps {
  readonly store: NodeStore;
  readonly documents: DocumentStore;
  readonly backlog: Backlog;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface SinkStatus {
  /** When the document store began to fail, milliseconds since 1970. */
  readonly failingSinceMs: number | undefined;
  readonly drained: number;
}

/** Drains until it is disposed. The document store may be away for any time: the journal holds. */
export function startSink(deps: SinkDeps): AsyncDisposable & { status(): SinkStatus } {
  const stop = new AbortController();
  let failingSinceMs: number | undefined;
  let drained = 0;
  let wake = Promise.withResolvers<void>();
  const released = deps.backlog.onReleased(() => wake.resolve());
  stop.signal.addEventListener("abort", () => wake.resolve());
  const done = run();

  return {
    status: () => ({ failingSinceMs, drained }),
    async [Symbol.asyncDispose]() {
      released[Symbol.dispose]();
      stop.abort();
      await done;
    },
  };

  async function run(): Promise<void> {
    // Rows that cannot be drained stay behind the cursor and block nobody; a restart tries them again.
    let cursor = 0;
    let retryMs = retryMsMin;
    while (!stop.signal.aborted) {
      try {
        const next = await drainOnce(cursor);
        if (failingSinceMs !== undefined) deps.log.info({}, "document store takes data again");
        failingSinceMs = undefined;
        retryMs = retryMsMin;
        if (next === undefined) {
          await wake.promise;
          wake = Promise.withResolvers<void>();
        } else {
          cursor = next;
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        if (failingSinceMs === undefined) deps.log.error({ error: String(error) }, "document store does not take data");
        failingSinceMs ??= deps.clock.now();
        await deps.clock.sleep(retryMs, stop.signal).catch(() => undefined);
        retryMs = Math.min(retryMsMax, retryMs * 2);
      }
    }
  }

  /** Answers the id up to which all has been seen, or undefined when there is nothing to drain. */
  async function drainOnce(cursor: number): Promise<number | undefined> {
    const releasedId = deps.backlog.releasedId();
    if (cursor >= releasedId) return undefined;
    const { segments, streams } = await deps.store.read("after", { id: cursor, bytesMax: bytesPerRead });
    const ready = segments.filter((segment) => segment.id <= releasedId);
    const last = ready.at(-1);
    if (last === undefined) return releasedId;
    const drainable = ready.flatMap((segment) => {
      const documents = toDocuments(segment, streams);
      if (documents === undefined) deps.log.error({ ...identity(segment) }, "stored segment cannot be decoded");
      return documents === undefined ? [] : [{ segment, documents }];
    });
    const taken = await insert(drainable);
    const acked = taken.map(({ segment }) => ({
      ...identity(segment),
      ranges: [[segment.first, segment.first + segment.items - 1] as const],
    }));
    drained += await deps.store.write("forget", { acked });
    return last.id;
  }

  /** Answers what the document store took. It fails only when nothing could be stored: one that it refuses must not hold up the rest. */
  async function insert(entries: readonly Drainable[]): Promise<readonly Drainable[]> {
    try {
      await deps.documents.insertData(entries.flatMap(({ documents }) => documents));
      return entries;
    } catch (error) {
      if (entries.length < 2) throw error;
    }
    const taken: Drainable[] = [];
    let lastError: unknown;
    for (const entry of entries) {
      try {
        await deps.documents.insertData(entry.documents);
        taken.push(entry);
      } catch (error) {
        lastError = error;
      }
    }
    if (taken.length === 0) throw lastError;
    if (taken.length < entries.length)
      deps.log.error({ error: String(lastError) }, "document store refuses some data: it stays in the journal");
    return taken;
  }
}

/** A segment as documents. */
interface Drainable {
  readonly segment: StoredSegment;
  readonly documents: readonly DataDocument[];
}

function identity(segment: StoredSegment): {
  readonly origin: string;
  readonly epoch: number;
  readonly streamId: number;
} {
  return { origin: segment.origin, epoch: segment.epoch, streamId: segment.streamId };
}

/** None for a gap: its place is the accounting. Undefined when the body cannot be read. */
function toDocuments(segment: StoredSegment, streams: readonly StreamState[]): readonly DataDocument[] | undefined {
  if (segment.body === null) return [];
  const items = segment.items > limits.segmentItems ? undefined : decodeSegment(segment.body, segment.items);
  const { origin, epoch, streamId } = segment;
  const stream = streams.find(
    (state) => state.origin === origin && state.epoch === epoch && state.streamId === streamId,
  );
  return items?.map((item, index) => ({
    origin,
    epoch,
    stream: stream?.name ?? String(streamId),
    seq: segment.first + index,
    arrival: segment.id * arrivalsPerSegment + index,
    timeMs: item.timeMs,
    topic: item.topic,
    payload: item.payload,
  }));
}
