// The broker's SessionStore on the node's database: its batches are writes of the group commit, beside those of the journal.
import { FogbankError } from "#shared/errors.ts";
import { decodeSpooled, encodeSpooled } from "#shared/mqtt/spool.ts";
import type { RetainedChange, SessionBatch, SessionStore } from "#shared/system/session-store.ts";
import type { PendingWrite, WriteOutcome } from "./group-commit.ts";
import type { NodeWrites } from "./node-operations.ts";
import type { NodeStore } from "./node-store.ts";
import type { EncodedRetained } from "./retained-repository.ts";
import type { EncodedBatch, StoredOutcome } from "./session-repository.ts";

export function storedSessions(store: NodeStore): SessionStore {
  let isThinning = false;
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
          settle(outcome) {
            if ("error" in outcome) source.settle(outcome);
            else {
              const { isSparse: _, ...told } = outcome.value as StoredOutcome; // what that write answers
              source.settle(told);
            }
            if (leavesRoom(outcome)) void thinOut();
          },
        };
        return [write];
      });
    },
    wake: () => store.wake(),
  };

  /** Commits do most of it on their way; the rest must not wait for a next one, which a full store would refuse. */
  async function thinOut(): Promise<void> {
    if (isThinning) return;
    isThinning = true;
    try {
      while (await store.write("thinSpools", {}, "lazy"));
    } catch {
      // The next commit finds the same spools.
    }
    isThinning = false;
  }
}

/** Whether bodies could be smaller, or the store is full, which may be for that. */
function leavesRoom(outcome: WriteOutcome): boolean {
  if ("error" in outcome) return outcome.error instanceof FogbankError && outcome.error.code === "FOGBANK_STORE_FULL";
  return (outcome.value as StoredOutcome).isSparse; // what that write answers
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
