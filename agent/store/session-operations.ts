// What the broker asks of the node's database: see SessionStore, which stored-sessions.ts makes of it.
import type { DatabaseSync } from "node:sqlite";
import type { LoadedSession, QueuedMessage } from "#shared/system/session-store.ts";
import type { QueueBound } from "./queue-repository.ts";
import type { EncodedRetained } from "./retained-repository.ts";
import { bringsMessages, SessionRepository, type EncodedBatch, type StoredOutcome } from "./session-repository.ts";

/** `refuseWhenFull` throws when nothing new may be stored; it is told what was attempted. */
export function createSessionOperations(
  database: DatabaseSync,
  queueBound: QueueBound,
  refuseWhenFull: (attempted: string) => void,
) {
  const repository = new SessionRepository(database, queueBound);
  const writes = {
    /** What the broker changes. Refused when it brings messages to a full store; what clients confirm is always taken. */
    sessions(batch: EncodedBatch): StoredOutcome {
      if (bringsMessages(batch)) refuseWhenFull("store messages for sessions");
      return repository.apply(batch);
    },

    /** Gives room back that acknowledged messages still take. True: there is more of it. */
    thinSpools(_args: Readonly<Record<string, never>>): boolean {
      return repository.thinOut();
    },
  };
  const reads = {
    sessionList(_args: Readonly<Record<string, never>>): readonly LoadedSession[] {
      return repository.list();
    },

    sessionQueue(args: {
      readonly session: number;
      readonly from: number;
      readonly bytesMax: number;
    }): readonly QueuedMessage[] {
      return repository.queue(args.session, args.from, args.bytesMax);
    },

    retainedPage(args: { readonly after: string; readonly bytesMax: number }): readonly EncodedRetained[] {
      return repository.retained(args.after, args.bytesMax);
    },
  };
  return { writes, reads, rolledBack: () => repository.rolledBack() };
}
