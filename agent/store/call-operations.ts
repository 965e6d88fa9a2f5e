// What machine messages ask of the database: which ids have run and how that ended, and which messages are open.
import type { DatabaseSync } from "node:sqlite";
import { limits } from "#shared/limits.ts";
import type { Budget } from "./budget.ts";
import { CallRepository, type SeenCall } from "./call-repository.ts";
import { OfferedFunctions } from "./offered-functions.ts";
import { MessageRepository, type OpenMessageRow } from "./message-repository.ts";

/** Rows of one read. */
const messagesPerRead = 256;

/** `budget`: the room that the database has. */
export function createCallOperations(
  database: DatabaseSync,
  budget: Pick<Budget, "maxBytes" | "refuseWithoutRoomForAccounts">,
) {
  const { maxBytes } = budget;
  const countMax = Math.min(limits.seenCalls, Math.floor((maxBytes * limits.seenCallShare) / limits.seenCallBytes));
  const calls = new CallRepository(database, countMax);
  const messages = new MessageRepository(database);
  const functions = new OfferedFunctions(database);
  const bytesMax = Math.min(limits.keptResultBytes, maxBytes * limits.keptResultShare);
  return {
    writes: {
      /** Remembers that a call is about to run here. Not new: it has run, or was about to when this node died. */
      remember(args: { readonly id: Uint8Array; readonly deadlineMs: number; readonly nowMs: number }): SeenCall {
        return calls.remember(args.id, args.deadlineMs, args.nowMs);
      },

      /** Notes how it ended; `brief` where there is no room for the result. */
      settleCall(args: {
        readonly id: Uint8Array;
        readonly outcome: Uint8Array;
        readonly brief: Uint8Array;
        readonly deadlineMs: number;
        readonly nowMs: number;
      }): null {
        calls.settle(args.id, args, { ...args, bytesMax });
        return null;
      },

      /** Throws FOGBANK_STORE_FULL for one that is not kept yet: with the last room what is here already is got rid of. */
      keepMessage(args: { readonly id: Uint8Array; readonly body: Uint8Array; readonly deadlineMs: number }): null {
        if (!messages.has(args.id)) budget.refuseWithoutRoomForAccounts("keep a call or an event");
        messages.put(args.id, args.body, args.deadlineMs);
        return null;
      },

      offered(args: { readonly names: readonly string[] }): null {
        functions.put(args.names);
        return null;
      },

      dropMessage(args: { readonly id: Uint8Array }): null {
        messages.remove(args.id);
        return null;
      },
    },
    reads: {
      offered: (_: null): readonly string[] => functions.list(),

      recall: (args: { readonly id: Uint8Array }): SeenCall => calls.recall(args.id),

      /** Open messages, from the id behind `after` on; none: there are no more. */
      openMessages: (args: { readonly after: Uint8Array }): readonly OpenMessageRow[] =>
        messages.list(args.after, messagesPerRead),
    },
    rolledBack: () => calls.recount(),
  };
}
