// The front of the journal: collects messages into segments and tells each publisher when its message is durable.
// One segment per stream and commit; see PROTOCOL.md in shared/journal.
import { assert } from "#shared/assert.ts";
import { FogbankError } from "#shared/errors.ts";
import { SegmentBuilder, type Item } from "#shared/journal/segment.ts";
import type { Frame } from "#shared/journal/tree-clock.ts";
import { limits } from "#shared/limits.ts";
import type { StoreReceipt, StoreWaiter } from "#shared/system/bus.ts";
import type { PendingWrite, WriteOutcome } from "../store/group-commit.ts";
import type { NodeStore } from "../store/node-store.ts";
import { Refusals } from "./refusals.ts";

export interface Journal {
  /**
   * Appends to the stream with that number; the receipt tells when the message is durable or could not be stored. A publisher that does
   * not wait (`mayDrop`) gets undefined and loses the message when the queue is full.
   */
  append(streamId: number, item: Item, mayDrop: boolean): StoreReceipt | undefined;
  /** Messages appended but not committed yet, and what became of the rest. */
  stats(): JournalStats;
}

export interface JournalStats {
  readonly appended: number;
  readonly refused: number;
  /** QoS 0 dropped because the queue before the commit was full. */
  readonly dropped: number;
  readonly queuedBytes: number;
}

const treesTime: Frame = { offsetMs: 0, synced: true };

/** What one segment gathers until its commit, and who waits for that. */
class Gathering implements StoreReceipt {
  readonly builder = new SegmentBuilder();
  /** Of the clock that stamps its items, when that is not the tree's. */
  readonly clockOffsetMs: number | undefined;
  readonly #waiters: StoreWaiter[] = [];
  #outcome: FogbankError | null | undefined;

  constructor(clockOffsetMs: number | undefined) {
    this.clockOffsetMs = clockOffsetMs;
  }

  wait(waiter: StoreWaiter): void {
    if (this.#outcome === undefined) this.#waiters.push(waiter);
    else waiter.stored(this.#outcome);
  }

  settle(outcome: FogbankError | null): void {
    this.#outcome = outcome;
    for (const waiter of this.#waiters) waiter.stored(outcome);
    this.#waiters.length = 0;
  }
}

/**
 * `onChange` hears when storing begins to fail and when it works again, by `monotonic` (milliseconds). `stamps`: the frame in which items are stamped at this moment;
 * those of different ones never share a segment. `isUrgent`: streams that no pause between commits holds up.
 */
export function createJournal(
  store: NodeStore,
  onChange: (refusing: FogbankError | null) => void,
  stamps: () => Frame = () => treesTime,
  isUrgent: (streamId: number) => boolean = () => false,
  monotonic: () => number = () => 0,
): Journal {
  const gatherings = new Map<number, Gathering[]>();
  let queuedBytes = 0;
  let appended = 0;
  let refused = 0;
  let dropped = 0;
  const refusals = new Refusals(monotonic, onChange);

  store.contribute(() => {
    const writes: PendingWrite[] = [];
    for (const [streamId, list] of gatherings) for (const gathering of list) writes.push(toWrite(streamId, gathering));
    gatherings.clear();
    return writes;
  });

  return {
    append(streamId, item, mayDrop) {
      const bytes = item.payload.length + item.topic.length;
      if (mayDrop && queuedBytes + bytes > limits.appendQueueBytes) {
        dropped++;
        return undefined;
      }
      const gathering = roomFor(streamId, item);
      gathering.builder.add(item);
      queuedBytes += bytes;
      store.wake(isUrgent(streamId) ? "urgent" : undefined);
      return gathering;
    },
    stats: () => ({ appended, refused, dropped, queuedBytes }),
  };

  function roomFor(streamId: number, item: Item): Gathering {
    const list = gatherings.get(streamId) ?? [];
    if (list.length === 0) gatherings.set(streamId, list);
    const { offsetMs, synced } = stamps();
    const clockOffsetMs = synced ? undefined : offsetMs;
    const last = list.at(-1);
    if (last?.clockOffsetMs === clockOffsetMs && last?.builder.hasRoomFor(item.topic, item.payload.length) === true)
      return last;
    const fresh = new Gathering(clockOffsetMs);
    list.push(fresh);
    return fresh;
  }

  function toWrite(streamId: number, gathering: Gathering): PendingWrite {
    const { items, firstMs, lastMs, body } = gathering.builder.finish();
    const queued = gathering.builder.payloadBytes;
    return {
      name: "append",
      args: { streamId, items, firstMs, lastMs, body, ...clockOf(gathering) },
      transfer: [body.buffer],
      settle(outcome) {
        queuedBytes -= queued;
        settle(outcome, gathering, { streamId, items });
      },
    };
  }

  function settle(
    outcome: WriteOutcome,
    gathering: Gathering,
    { streamId, items }: { readonly streamId: number; readonly items: number },
  ): void {
    const failed = "error" in outcome ? outcome.error : null;
    assert(failed === null || failed instanceof FogbankError, "the store rejects with a code");
    if (failed === null) appended += items;
    else refused += items;
    refusals.settled(streamId, failed);
    gathering.settle(failed);
  }
}

function clockOf({ clockOffsetMs }: Gathering): { readonly clockOffsetMs?: number } {
  return clockOffsetMs === undefined ? {} : { clockOffsetMs };
}
