// Everything that a node asks of its database, by name. Writes run inside the transaction of a group commit, reads between commits.
import type { DatabaseSync } from "node:sqlite";
import type { NodeName } from "#shared/ids.ts";
import type { GapRow, LedgerRow } from "#shared/journal/ledger.ts";
import type { Fingerprint, Renewal } from "#shared/journal/fingerprint.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import type { Holding } from "#shared/link/hello.ts";
import { limits } from "#shared/limits.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { FogbankError } from "#shared/errors.ts";
import { createAccountingReads } from "./accounting-reads.ts";
import { CallRepository } from "./call-repository.ts";
import { ChildRepository, type ChildRow } from "./child-repository.ts";
import { ClockRepository } from "./clock-repository.ts";
import { Epochs } from "./epochs.ts";
import { IdentityRepository, type CursorName, type NodeIdentity } from "./identity-repository.ts";
import type { QueueBound } from "./queue-repository.ts";
import { createLinkOperations, type Nothing } from "./link-operations.ts";
import { LossRepository } from "./loss-repository.ts";
import { SegmentRepository } from "./segment-repository.ts";
import { createSessionOperations } from "./session-operations.ts";
import { StreamRepository } from "./stream-repository.ts";

/** A stream of this node's own messages; its number is given once and kept. */
export type OwnStream = Omit<StreamState, "origin" | "epoch" | "high" | "streamId">;

export interface Opened {
  readonly identity: NodeIdentity;
  readonly cursors: Readonly<Record<CursorName, number>>;
  readonly newestId: number;
  readonly children: readonly ChildRow[];
  /** Numbers of the own streams, in the order they were asked for. */
  readonly streamIds: readonly number[];
  /** The highest number of each own stream of the present epoch. */
  readonly given: ReadonlyMap<number, number>;
  /** Why this database has taken a new epoch and instance, if it has. */
  readonly renewed: Renewal | undefined;
}

export interface AccountingEntry {
  readonly row: LedgerRow;
  readonly gaps: readonly GapRow[];
}

export interface StoreUsage {
  readonly usedBytes: number;
  readonly maxBytes: number;
  /** Appends and ingest are refused: only the reserve for deletes and gap rows is left. */
  readonly full: boolean;
}

const storedQueueBound: QueueBound = { messages: limits.storedQueueMessages, bytes: limits.storedQueueBytes };

export type NodeWrites = ReturnType<typeof createNodeOperations>["writes"];
export type NodeReads = ReturnType<typeof createNodeOperations>["reads"];

/**
 * `name`: whose database this is; the schema is in place. `isFinal`: what comes here goes no further, so that every
 * number is taken once; `hasReserve`: whether the disk has the room that deletes may need; `queueBound`: of each session.
 */
export function createNodeOperations(
  database: DatabaseSync,
  name: NodeName,
  hasher: Hasher,
  options: { readonly isFinal?: boolean; readonly hasReserve?: () => boolean; readonly queueBound?: QueueBound } = {},
) {
  const { isFinal = false, hasReserve = () => true, queueBound = storedQueueBound } = options;
  const identity = new IdentityRepository(database);
  const streams = new StreamRepository(database);
  const segments = new SegmentRepository(database, streams);
  const children = new ChildRepository(database);
  const calls = new CallRepository(database);
  const usage = usageOf(database);
  const clocks = new ClockRepository(database, hasher);
  const epochs = new Epochs({ identity, streams, segments, losses: new LossRepository(database, streams) }, name);

  const refuseWhenFull = (attempted: string): void => {
    const { full, maxBytes } = usage();
    if (!full && hasReserve()) return;
    if (!full) throw new FogbankError("FOGBANK_STORE_FULL", `could not ${attempted}: the disk is full`);
    throw new FogbankError(
      "FOGBANK_STORE_FULL",
      `could not ${attempted}: the database has reached its limit of ${maxBytes} bytes`,
    );
  };
  const sessions = createSessionOperations(database, queueBound, refuseWhenFull);
  const link = createLinkOperations(
    database,
    { identity, streams, segments, clocks, hasher },
    { name, isFinal, refuseWhenFull },
  );

  const writes = {
    /**
     * First of all: who this database is. `fresh` is used for a new file, and for one that is not where it was. `bootId`: of the
     * operating system, or of this process where that has none.
     */
    open(args: {
      readonly fresh: NodeIdentity;
      readonly fingerprint?: Fingerprint;
      readonly bootId?: string;
      readonly streams: readonly OwnStream[];
      readonly nowMs: number;
      readonly idsAbove: number;
    }): Opened {
      const { identity: known, renewed } = identity.open(name, args.fresh, args.fingerprint);
      clocks.begin(args.bootId ?? "");
      const { epoch } = known;
      const streamIds = args.streams.map((stream) => {
        const streamId = streams.numberOf(name, epoch, stream.name);
        streams.describe({ ...stream, streamId, origin: name, epoch, high: 0 }, args.nowMs);
        return streamId;
      });
      link.releaseOthers();
      segments.raiseIds(args.idsAbove);
      const cursors = { "fan-out": identity.cursor("fan-out"), sink: identity.cursor("sink") };
      const newestId = segments.newestId();
      const given = new Map(streams.statesOf(name, epoch).map(({ streamId, high }) => [streamId, high]));
      return { identity: known, renewed, given, cursors, newestId, children: children.all(), streamIds };
    },

    /** Another database gives numbers in this one's epoch: takes a new one. `holds`: what the parent has of the present one. */
    renewEpoch(args: {
      readonly fresh: Pick<NodeIdentity, "epoch" | "instance">;
      readonly holds: readonly Holding[];
      readonly nowMs: number;
    }): { readonly identity: NodeIdentity; readonly newestId: number } {
      epochs.renew(args.fresh, args.holds, args.nowMs);
      return { identity: identity.current(), newestId: segments.newestId() };
    },

    /** To be repeated until it answers that all is done, before anything is handed on. */
    renumber(_args: Nothing): { readonly isDone: boolean; readonly newestId: number } {
      return { isDone: epochs.renumber(), newestId: segments.newestId() };
    },

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

    usage(_args: Nothing): StoreUsage {
      return usage();
    },
  };

  const rolledBack = (): void => {
    streams.forgetOrigins();
    identity.rolledBack();
    link.rolledBack();
    calls.recount();
    sessions.rolledBack();
  };
  return {
    writes: { ...writes, ...link.writes, ...sessions.writes },
    reads: { ...reads, ...link.reads, ...sessions.reads },
    rolledBack,
  };
}

/** Reads how full the file is. Two cached pragmas: cheap enough to ask before every append. */
function usageOf(database: DatabaseSync): () => StoreUsage {
  const pageBytes = Number(database.prepare("PRAGMA page_size").get()?.["page_size"]);
  const maxPages = Number(database.prepare("PRAGMA max_page_count").get()?.["max_page_count"]);
  const pages = database.prepare("PRAGMA page_count");
  const freePages = database.prepare("PRAGMA freelist_count");
  return () => {
    const used = Number(pages.get()?.["page_count"]) - Number(freePages.get()?.["freelist_count"]);
    const full = used >= maxPages * (1 - limits.journalReserveShare);
    return { usedBytes: used * pageBytes, maxBytes: maxPages * pageBytes, full };
  };
}
