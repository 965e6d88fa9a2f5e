// Everything that a node asks of its database, by name. Writes run inside the transaction of a group commit, reads between commits.
import type { DatabaseSync } from "node:sqlite";
import type { NodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { createAccountingReads } from "./accounting-reads.ts";
import { Budget } from "./budget.ts";
import { createCallOperations } from "./call-operations.ts";
import { ChildRepository } from "./child-repository.ts";
import { ClockRepository } from "./clock-repository.ts";
import { demandOf } from "./demands.ts";
import { createDocumentOperations } from "./document-operations.ts";
import { Epochs } from "./epochs.ts";
import type { Demand } from "./eviction.ts";
import type { WriteRequest } from "./group-commit.ts";
import { createIdentityReads } from "./identity-evidence.ts";
import { createIdentityOperations, type OwnStream } from "./identity-operations.ts";
import { IdentityRepository } from "./identity-repository.ts";
import type { QueueBound } from "./queue-repository.ts";
import { createLinkOperations } from "./link-operations.ts";
import { QuarantineRepository } from "./quarantine-repository.ts";
import type { SentNumbers } from "./loss-repository.ts";
import { OfferedNumbers } from "./offered-numbers.ts";
import { createOwnOperations } from "./own-operations.ts";
import { SegmentRepository } from "./segment-repository.ts";
import { createSessionOperations } from "./session-operations.ts";
import { createSpanReads } from "./span-reads.ts";
import { StreamRepository } from "./stream-repository.ts";
import { createUpkeepOperations } from "./upkeep-operations.ts";

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
  const offered = new OfferedNumbers(identity, streams, name);
  const segments = new SegmentRepository(database, streams);
  const children = new ChildRepository(database);
  const calls = createCallOperations(database, budget);
  const clocks = new ClockRepository(database, hasher);
  const quarantined = new QuarantineRepository(database, budget.maxBytes);

  const refuseWhenFull = (attempted: string): void => budget.refuseWhenFull(attempted);
  const sessions = createSessionOperations(database, queueBound, refuseWhenFull);
  const link = createLinkOperations(
    database,
    { identity, offered, streams, segments, clocks, quarantined, hasher },
    { name, isFinal, budget },
  );
  const { losses } = link;
  const sentOf = options.sentOf ?? link.sentOf;
  const epochs = new Epochs({ identity, streams, segments, losses, offered }, name);
  const documents = createDocumentOperations({ identity, streams, segments, losses });
  const upkeep = createUpkeepOperations(
    database,
    {
      streams,
      losses,
      quarantined,
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
  // What a node that has died since had put into the document store, and not deleted here.
  const storedUpTo = (id: number): void => upkeep.drainsTo(id);

  const writes = {
    ...createIdentityOperations(
      { identity, offered, streams, segments, children, clocks, epochs, configured, storedUpTo },
      name,
    ),
    ...createOwnOperations({ identity, streams, segments, children, clocks, hasher, refuseWhenFull }, name),
  };

  const reads = {
    ...createAccountingReads(database, streams),
    ...createSpanReads(database),
    ...createIdentityReads({ streams, segments, epochs, offered }, name),

    /** See the link's `after`. `drains`: it is for the document store, which may have these segments from here on. */
    after(args: Parameters<typeof link.reads.after>[0]): ReturnType<typeof link.reads.after> {
      const found = link.reads.after(args);
      if (args.drains === true) upkeep.drainsTo(found.segments.at(-1)?.id ?? 0);
      return found;
    },
  };

  const rolledBack = (): void => {
    streams.forgetOrigins();
    segments.ids.rolledBack();
    identity.rolledBack();
    link.rolledBack();
    calls.rolledBack();
    sessions.rolledBack();
    upkeep.rolledBack();
  };
  return {
    writes: { ...writes, ...calls.writes, ...link.writes, ...documents.writes, ...sessions.writes, ...upkeep.writes },
    reads: { ...calls.reads, ...link.reads, ...documents.reads, ...sessions.reads, ...upkeep.reads, ...reads },
    rolledBack,
    eviction: upkeep.eviction,
    demandOf: (request: WriteRequest): Demand | undefined =>
      demandOf(request, { node: name, epoch: identity.epoch(), traits: upkeep.traits }),
  };
}
