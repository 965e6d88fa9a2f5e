// Publishes what came from below on this node's own broker, as `/from/<origin>` and the original topic: after the commit, driven by
// a stored cursor, at least once, backlog included. Bodies are only decoded where somebody subscribed.
// Nothing is handed on upward before it has passed here, so that a crash cannot skip it: see `Backlog`.
import { decodeSegment } from "#shared/journal/segment.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import type { Backlog } from "#shared/system/backlog.ts";
import type { Bus, Message } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { fromTopic } from "#shared/topics.ts";
import type { StoredSegment } from "../store/segment-repository.ts";
import type { NodeStore } from "../store/node-store.ts";
import { fromProperties } from "./from-properties.ts";

const bytesPerRead = 256 * 1024;
const retryMs = 1_000;
const cursorMs = 1_000;

export interface FanOutDeps {
  readonly bus: Pick<Bus, "publish" | "hasSubscriber" | "hasSubscriberBelow">;
  readonly store: NodeStore;
  readonly clock: Clock;
  readonly log: Logger;
}

/** `name`: this node, whose own messages are not published again. `cursor`, `newestId`: as the store was opened. */
export function startFanOut(
  deps: FanOutDeps,
  start: { readonly name: string; readonly cursor: number; readonly newestId: number },
): Backlog & AsyncDisposable {
  const listeners = new Set<() => void>();
  let newestId = start.newestId;
  let cursor = start.cursor;
  let isRunning = false;
  /** Bytes that the broker has not handed to its subscribers yet, and the next time that it has. */
  let waitingBytes = 0;
  let settled = Promise.withResolvers<void>();
  let running: Promise<void> = Promise.resolve();
  let storing: Promise<void> | undefined;
  const stop = new AbortController();
  const stored = deps.store.onStored((id) => {
    newestId = Math.max(newestId, id);
    wake();
  });
  wake();

  return {
    releasedId: () => cursor,
    onReleased(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      settled.resolve();
      stored[Symbol.dispose]();
      await Promise.all([running, storing]);
    },
  };

  function wake(): void {
    if (cursor >= newestId || stop.signal.aborted || isRunning) return;
    if (deps.bus.hasSubscriberBelow("/from")) running = run();
    else advance(newestId); // nobody listens: the usual case costs nothing
  }

  async function run(): Promise<void> {
    isRunning = true;
    for (let failures = 0; cursor < newestId && !stop.signal.aborted;) {
      try {
        await publishNext();
        failures = 0;
      } catch (error) {
        if (failures++ === 0) deps.log.error({ error: String(error) }, "stored segments cannot be read");
        await deps.clock.sleep(retryMs, stop.signal).catch(() => undefined);
      }
    }
    isRunning = false; // in the turn in which the loop ended: a wake in between would be lost
  }

  async function publishNext(): Promise<void> {
    const { segments, streams } = await deps.store.read("after", { id: cursor, bytesMax: bytesPerRead });
    for (const segment of segments) {
      await publishSegment(segment, streams);
      advance(segment.id);
    }
    // Without a row up to there, whatever had those ids is gone already.
    if (segments.length === 0) advance(newestId);
  }

  function advance(id: number): void {
    cursor = id;
    for (const listener of listeners) listener();
    storing ??= storeSoon();
  }

  /** Now and then: losing it repeats a little, which "at least once" allows, and with each commit it would be a page more to write. */
  async function storeSoon(): Promise<void> {
    await deps.clock.sleep(cursorMs, stop.signal).catch(() => undefined);
    storing = undefined;
    try {
      await deps.store.write("moveCursor", { cursor: "fan-out", id: cursor }, stop.signal.aborted ? undefined : "lazy");
    } catch (error) {
      if (!stop.signal.aborted) deps.log.warn({ error: String(error) }, "cursor of the local fan-out not stored");
    }
  }

  async function publishSegment(segment: StoredSegment, streams: readonly StreamState[]): Promise<void> {
    if (segment.body === null || segment.origin === start.name) return;
    if (!deps.bus.hasSubscriberBelow(`/from/${segment.origin}`)) return;
    const items = decodeSegment(segment.body, segment.items);
    if (items === undefined) {
      deps.log.error(
        { origin: segment.origin, first: segment.first, items: segment.items },
        "stored segment cannot be decoded",
      );
      return;
    }
    const propertiesOf = fromProperties(segment, nameOf(segment, streams));
    for (const [index, { topic, payload, retain, timeMs }] of items.entries()) {
      const above = fromTopic(segment.origin, topic);
      if (!retain && !deps.bus.hasSubscriber(above)) continue;
      if (waitingBytes > limits.fanOutBytes) await settled.promise;
      const properties = propertiesOf(segment.first + index, timeMs);
      publish(segment.origin, { topic: above, payload, qos: 1, retain, properties });
    }
  }

  /** Does not wait for slow subscribers, whom the broker bounds: what is below must get up all the same. */
  function publish(origin: string, message: Message): void {
    const bytes = message.topic.length + message.payload.length;
    waitingBytes += bytes;
    deps.bus
      .publish(message, "durable")
      .catch((error: unknown) => {
        // One that cannot be published, for its topic perhaps, must not hold up the rest.
        deps.log.warn({ origin, reason: String(error) }, "message of a node below not published here");
      })
      .finally(() => {
        waitingBytes -= bytes;
        settled.resolve();
        settled = Promise.withResolvers<void>();
      });
  }
}

function nameOf({ origin, epoch, streamId }: StoredSegment, streams: readonly StreamState[]): string {
  const found = streams.find(
    (state) => state.origin === origin && state.epoch === epoch && state.streamId === streamId,
  );
  return found?.name ?? String(streamId);
}
