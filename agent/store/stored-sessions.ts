// The broker's SessionStore on the node's database: its batches are writes of the group commit, beside those of the journal.
import { FogbankError } from "#shared/errors.ts";
import { decodeSpooled, encodeSpooled } from "#shared/mqtt/spool.ts";
import type { BatchOutcome, RetainedChange, SessionBatch, SessionStore } from "#shared/system/session-store.ts";
import type { PendingWrite } from "./group-commit.ts";
import type { NodeWrites } from "./node-operations.ts";
import type { NodeStore } from "./node-store.ts";
import type { EncodedRetained } from "./retained-repository.ts";
import type { EncodedBatch } from "./session-repository.ts";

export function storedSessions(store: NodeStore): SessionStore {
  return {
    sessions: () => store.read("sessionList", {}),
    async retained(after, bytesMax) {
      const page = await store.read("retainedPage", { after, bytesMax });
      return page.map(decodeRetained);
    },
    queue: (session, from, bytesMax) => store.read("sessionQueue", { session, from, bytesMax }),
    contribute(source) {
      store.contribute(() => {
        const batch = source.collect();
        if (batch === undefined) return [];
        const write: PendingWrite = {
          name: "sessions" satisfies keyof NodeWrites,
          args: encodeBatch(batch),
          transfer: movableBodies(batch),
          settle: (outcome) => source.settle("error" in outcome ? outcome : (outcome.value as BatchOutcome)), // what that write answers
        };
        return [write];
      });
    },
    wake: () => store.wake(),
  };
}

/** Retained messages get bytes of their own: a view would take the network buffer under it along to the store's thread. */
function encodeBatch({ changes, spools, retained }: SessionBatch): EncodedBatch {
  return {
    changes,
    spools,
    retained: retained.map(({ topic, message }) => ({
      topic,
      message: message === null ? null : encodeSpooled(message),
    })),
  };
}

/** Bodies are large and few: moved. Entries are small and many: a copy costs less. */
function movableBodies({ spools }: SessionBatch): readonly ArrayBuffer[] {
  return spools.flatMap(({ body: { buffer, byteLength } }) =>
    buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [],
  );
}

function decodeRetained({ topic, message: encoded }: EncodedRetained): RetainedChange {
  const message = encoded === null ? null : decodeSpooled(encoded, 0);
  if (message !== undefined) return { topic, message };
  throw new FogbankError(
    "FOGBANK_STORE_CORRUPT",
    `could not read the retained message on "${topic}": the database is damaged`,
  );
}
