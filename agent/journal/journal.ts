// The front of the journal: collects messages into segments and tells each publisher when its message is durable.
// One segment per stream and commit; see PROTOCOL.md in shared/journal.
import { assert } from "#shared/assert.ts";
import { FogbankError } from "#shared/errors.ts";
import { SegmentBuilder, type Item } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";
import type { PendingWrite, WriteOutcome } from "../store/group-commit.ts";
import type { NodeStore } from "../store/node-store.ts";

/** Told once, when the message is durable or could not be stored. */
export type AppendDone = (error: FogbankError | null) => void;

export interface Journal {
  /** Appends to the stream with that number. `done` may be null for a publisher that does not wait; then a full queue drops the message and answers false. */
  append(streamId: number, item: Item, done: AppendDone | null): boolean;
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

interface Gathering {
  readonly builder: SegmentBuilder;
  readonly done: (AppendDone | null)[];
}

/** `onChange` hears when storing begins to fail and when it works again. */
export function createJournal(store: NodeStore, onChange: (refusing: FogbankError | null) => void): Journal {
  const gatherings = new Map<number, Gathering[]>();
  let queuedBytes = 0;
  let appended = 0;
  let refused = 0;
  let dropped = 0;
  let refusing = false;

  store.contribute(() => {
    const writes: PendingWrite[] = [];
    for (const [streamId, list] of gatherings) for (const gathering of list) writes.push(toWrite(streamId, gathering));
    gatherings.clear();
    return writes;
  });

  return {
    append(streamId, item, done) {
      const bytes = item.payload.length + item.topic.length;
      if (done === null && queuedBytes + bytes > limits.appendQueueBytes) {
        dropped++;
        return false;
      }
      const gathering = roomFor(streamId, item);
      gathering.builder.add(item);
      gathering.done.push(done);
      queuedBytes += bytes;
      store.wake();
      return true;
    },
    stats: () => ({ appended, refused, dropped, queuedBytes }),
  };

  function roomFor(streamId: number, item: Item): Gathering {
    const list = gatherings.get(streamId) ?? [];
    if (list.length === 0) gatherings.set(streamId, list);
    const last = list.at(-1);
    if (last?.builder.hasRoomFor(item.topic, item.payload.length) === true) return last;
    const fresh: Gathering = { builder: new SegmentBuilder(), done: [] };
    list.push(fresh);
    return fresh;
  }

  function toWrite(streamId: number, gathering: Gathering): PendingWrite {
    const { items, firstMs, lastMs, body } = gathering.builder.finish();
    const queued = gathering.builder.payloadBytes;
    return {
      name: "append",
      args: { streamId, items, firstMs, lastMs, body },
      settle(outcome) {
        queuedBytes -= queued;
        settle(outcome, gathering.done);
      },
    };
  }

  function settle(outcome: WriteOutcome, waiting: readonly (AppendDone | null)[]): void {
    const failed = "error" in outcome ? outcome.error : null;
    if (failed === null) {
      appended += waiting.length;
      if (refusing) onChange(null);
      refusing = false;
      for (const done of waiting) done?.(null);
      return;
    }
    assert(failed instanceof FogbankError, "the store rejects with a code");
    refused += waiting.length;
    if (!refusing) onChange(failed);
    refusing = true;
    for (const done of waiting) done?.(failed);
  }
}
