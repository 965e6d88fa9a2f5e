// Everything that a node asks of its database, by name. Writes run inside the transaction of a group commit, reads between commits.
import type { DatabaseSync } from "node:sqlite";
import type { NodeName } from "#shared/ids.ts";
import type { GapRow, LedgerRow } from "#shared/journal/ledger.ts";
import { limits } from "#shared/limits.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { createAccountingReads } from "./accounting-reads.ts";
import { Budget } from "./budget.ts";
import { CallRepository } from "./call-repository.ts";
import { ChildRepository, type ChildRow } from "./child-repository.ts";
import { ClockRepository } from "./clock-repository.ts";
import { demandOf } from "./demands.ts";
import { Epochs } from "./epochs.ts";
import type { Demand } from "./eviction.ts";
import type { WriteRequest } from "./group-commit.ts";
import { createIdentityOperations, type OwnStream } from "./identity-operations.ts";
import { IdentityRepository, type CursorName } from "./identity-repository.ts";
import type { QueueBound } from "./queue-repository.ts";
import { createLinkOperations, type Nothing } from "./link-operations.ts";
import type { SentNumbers } from "./loss-repository.ts";
import { SegmentRepository } from "./segment-repository.ts";
import { createSessionOperations } from "./session-operations.ts";
import { StreamRepository } from "./stream-repository.ts";
import { createUpkeepOperations } from "./upkeep-operations.ts";

export interface AccountingEntry {
  readonly row: LedgerRow;
  readonly gaps: readonly GapRow[];
}

export interface StoreUsage {
  readonly usedBytes: number;
  readonly maxBytes: number;
  /** Nothing new is taken, and nothing gives way for it: only the reserve for deletes and gap rows is left. */
  readonly full: boolean;
  /** Something would give way for what is new. */
  readonly yields: boolean;
}

const storedQueueBound: QueueBound = { messages: limits.storedQueueMessages, bytes: limits.storedQueueBytes };

export type NodeWrites = ReturnType<typeof createNodeOperations>["writes"];
export type NodeReads = ReturnType<typeof createNodeOperations>["reads"];

export interface NodeOperationsOptions {
  readonly isFinal?: boolean;
  readonly budget?: Budget;
  readonly queueBound?: QueueBound;
  readonly sentOf?: SentNumbers;
  readonly monotonic?: () => number;
}

/**
 * `name`: whose database this is; the schema is in place. `isFinal`: what comes here goes no further, so that every
 * number is taken once; `budget`: the room that the database has; `queueBound`: of each session; `sentOf`: what is on its way to the
 * parent; `monotonic`: milliseconds that never step.
 */
export function createNodeOperations(
  database: DatabaseSync,
  name: NodeName,
  hasher: Hasher,
  options: NodeOperationsOptions = {},
) {
  const { isFinal = false, queueBound = storedQueueBound, monotonic = () => 0 } = options;
  const { budget = new Budget(database) } = options;
  const identity = new IdentityRepository(database);
  const streams = new StreamRepository(database);
  const segments = new SegmentRepository(database, streams);
  const children = new ChildRepository(database);
  const calls = new CallRepository(database);
  const clocks = new ClockRepository(database, hasher);

  const refuseWhenFull = (attempted: string): void => budget.refuseWhenFull(attempted);
  const sessions = createSessionOperations(database, queueBound, refuseWhenFull);
  const link = createLinkOperations(
    database,
    { identity, streams, segments, clocks, hasher },
    { name, isFinal, refuseWhenFull },
  );
  const { losses } = link;
  const sentOf = options.sentOf ?? link.sentOf;
  const epochs = new Epochs({ identity, streams, segments, losses }, name);
  const upkeep = createUpkeepOperations(
    database,
    {
      streams,
      losses,
      hasher,
      budget,
      sentOf,
      newestId: () => segments.newestId(),
      publishedId: () => identity.cursor("fan-out"),
      monotonic,
    },
    { name, isFinal },
  );

  const configured = (own: readonly OwnStream[], nowMs: number): void => {
    link.releaseOthers();
    upkeep.configure(own, nowMs);
  };

  const writes = {
    ...createIdentityOperations({ identity, streams, segments, children, clocks, epochs, configured }, name),

    /**
     * Stores a segment of own messages; answers their first number and the newest id. `clockOffsetMs`: of the clock that stamped them
     * when that is not the tree's.
     */
    append(args: {
      readonly streamId: number;
      readonly items: number;
      readonly firstMs: number;
      readonly lastMs: number;
      readonly body: Uint8Array;
      readonly clockOffsetMs?: number;
    }): { readonly first: number; readonly newestId: number } {
      refuseWhenFull("store a message");
      const { streamId, clockOffsetMs, ...segment } = args;
      const key = { origin: streams.originId(name, identity.epoch()), stream: streamId };
      const clock = clocks.idOf(clockOffsetMs);
      const first = segments.append(key, { ...segment, flags: 0, crc: hasher.crc32(args.body), clock });
      return { first, newestId: segments.newestId() };
    },

    moveCursor(args: { readonly cursor: CursorName; readonly id: number }): null {
      identity.setCursor(args.cursor, args.id);
      return null;
    },

    /** Remembers that a call is about to run here. Not new: it has run, or was about to when this node died. */
    remember(args: {
      readonly id: Uint8Array;
      readonly deadlineMs: number;
      readonly nowMs: number;
    }): "new" | "known" | "full" {
      return calls.remember(args.id, args.deadlineMs, args.nowMs);
    },

    putChild(args: { readonly child: ChildRow }): null {
      children.put(args.child);
      return null;
    },
  };

  const reads = {
    ...createAccountingReads(database, streams),
    accounting(args: { readonly origin?: string }): readonly AccountingEntry[] {
      return streams
        .ledger(args.origin)
        .map((row) => ({ row, gaps: row.lost === 0 ? [] : streams.gaps(row.origin, row.epoch, row.streamId) }));
    },

    /** See the link's `after`. `drains`: it is for the document store, which may have these segments from here on. */
    after(
      args: Parameters<typeof link.reads.after>[0] & { readonly drains?: true },
    ): ReturnType<typeof link.reads.after> {
      const found = link.reads.after(args);
      if (args.drains === true) upkeep.drainsTo(found.segments.at(-1)?.id ?? 0);
      return found;
    },

    usage(_args: Nothing): StoreUsage {
      return {
        usedBytes: budget.usedBytes(),
        maxBytes: budget.maxBytes,
        full: upkeep.eviction.isFull(),
        yields: upkeep.eviction.mayYield(),
      };
    },
  };

  const rolledBack = (): void => {
    streams.forgetOrigins();
    identity.rolledBack();
    link.rolledBack();
    calls.recount();
    sessions.rolledBack();
    upkeep.rolledBack();
  };
  return {
    writes: { ...writes, ...link.writes, ...sessions.writes, ...upkeep.writes },
    reads: { ...link.reads, ...sessions.reads, ...upkeep.reads, ...reads },
    rolledBack,
    eviction: upkeep.eviction,
    demandOf: (request: WriteRequest): Demand | undefined =>
      demandOf(request, { node: name, epoch: identity.epoch(), traits: upkeep.traits }),
  };
}
