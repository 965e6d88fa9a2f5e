// Everything that a node asks of its database, by name. Writes run inside the transaction of a group commit, reads between commits.
import type { DatabaseSync } from "node:sqlite";
import type { NodeName } from "#shared/ids.ts";
import { addInterval, type IntervalSet } from "#shared/journal/interval-set.ts";
import type { GapRow, LedgerRow } from "#shared/journal/ledger.ts";
import type { Lane, LowMark, StreamState } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import type { AckedRanges, Batch, NakCode, WireSegment } from "#shared/link/frames.ts";
import type { Cursors } from "#shared/link/lane.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { FogbankError } from "#shared/errors.ts";
import { CallRepository } from "./call-repository.ts";
import { ChildRepository, type ChildRow } from "./child-repository.ts";
import { IdentityRepository, type CursorName, type NodeIdentity } from "./identity-repository.ts";
import type { QueueBound } from "./queue-repository.ts";
import { SegmentRepository, type StoredSegment } from "./segment-repository.ts";
import { createSessionOperations } from "./session-operations.ts";
import { StreamRepository } from "./stream-repository.ts";

/** A stream of this node's own messages; its number is given once and kept. */
export type OwnStream = Omit<StreamState, "origin" | "epoch" | "high" | "streamId">;

/** For operations that need nothing but their name. */
export type Nothing = Readonly<Record<string, never>>;

export interface Opened {
  readonly identity: NodeIdentity;
  readonly cursors: Readonly<Record<CursorName, number>>;
  readonly newestId: number;
  readonly children: readonly ChildRow[];
  /** Numbers of the own streams, in the order they were asked for. */
  readonly streamIds: readonly number[];
}

export interface IngestOutcome {
  /** The numbers of the batch that are stored or have been, to be acknowledged once this is committed. */
  readonly acked: readonly AckedRanges[];
  readonly naks: readonly {
    readonly segment: Pick<WireSegment, "origin" | "epoch" | "streamId" | "first">;
    readonly code: NakCode;
  }[];
  readonly stored: number;
  readonly duplicates: number;
  readonly newestId: number;
}

export interface LaneRead {
  readonly segments: readonly StoredSegment[];
  readonly cursors: Cursors;
  /** The ledger's description of every stream among the segments. */
  readonly streams: readonly StreamState[];
  readonly lows: readonly LowMark[];
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
  const segments = new SegmentRepository(database, streams, hasher);
  const children = new ChildRepository(database);
  const calls = new CallRepository(database);
  const usage = usageOf(database);
  let epoch = 0;

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

  const writes = {
    /** First of all: who this database is. `fresh` is used for a new file. */
    open(args: {
      readonly fresh: NodeIdentity;
      readonly streams: readonly OwnStream[];
      readonly nowMs: number;
      readonly idsAbove: number;
    }): Opened {
      const known = identity.open(name, args.fresh);
      epoch = known.epoch;
      const streamIds = args.streams.map((stream) => {
        const streamId = streams.numberOf(name, epoch, stream.name);
        streams.describe({ ...stream, streamId, origin: name, epoch, high: 0 }, args.nowMs);
        return streamId;
      });
      segments.raiseIds(args.idsAbove);
      const cursors = { "fan-out": identity.cursor("fan-out"), sink: identity.cursor("sink") };
      return { identity: known, cursors, newestId: segments.newestId(), children: children.all(), streamIds };
    },

    /** Stores a segment of own messages; answers their first number and the newest id. */
    append(args: {
      readonly streamId: number;
      readonly items: number;
      readonly firstMs: number;
      readonly lastMs: number;
      readonly body: Uint8Array;
    }): { readonly first: number; readonly newestId: number } {
      refuseWhenFull("store a message");
      const { streamId, ...segment } = args;
      const key = { origin: streams.originId(name, epoch), stream: streamId };
      const first = segments.append(key, { ...segment, flags: 0, crc: hasher.crc32(args.body) });
      return { first, newestId: segments.newestId() };
    },

    /** Takes in a batch of child `child`. What cannot be taken is answered, not thrown; a full store is thrown. */
    ingest(args: {
      readonly child: string;
      readonly batch: Pick<Batch, "streams" | "lows" | "segments">;
      readonly nowMs: number;
    }): IngestOutcome {
      refuseWhenFull(`take in data of ${args.child}`);
      for (const stream of args.batch.streams) if (stream.origin !== name) streams.describe(stream, args.nowMs);
      keepLows(args.child, args.batch.lows);
      return ingestSegments(args.batch.segments);
    },

    /** What hellos and heartbeats of those below said about their streams. */
    hear(args: {
      readonly child: string;
      readonly streams: readonly StreamState[];
      readonly lows: readonly LowMark[];
      readonly nowMs: number;
    }): null {
      for (const stream of args.streams) if (stream.origin !== name) streams.describe(stream, args.nowMs);
      keepLows(args.child, args.lows);
      return null;
    },

    /** Deletes what was handed on and confirmed. */
    forget(args: { readonly acked: readonly Pick<AckedRanges, "origin" | "epoch" | "streamId" | "ranges">[] }): number {
      let delivered = 0;
      for (const { origin, epoch: of, streamId, ranges } of args.acked) {
        delivered += segments.forget({ origin: streams.originId(origin, of), stream: streamId }, ranges);
      }
      return delivered;
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
    lane(args: {
      readonly lane: Lane;
      readonly cursors: Cursors;
      readonly bytesMax: number;
      readonly idMax: number;
    }): LaneRead {
      const read = segments.readLane(args.lane, args.cursors, args.bytesMax, args.idMax);
      return { ...read, ...describeSegments(read.segments) };
    },

    after(args: { readonly id: number; readonly bytesMax: number }): {
      readonly segments: readonly StoredSegment[];
      readonly streams: readonly StreamState[];
    } {
      const found = segments.readAfter(args.id, args.bytesMax);
      return { segments: found, streams: describeSegments(found).streams };
    },

    streams(_args: Nothing): readonly StreamState[] {
      return streams.states();
    },

    /** The same with the low marks of the own ones, for a hello. */
    greeting(_args: Nothing): { readonly streams: readonly StreamState[]; readonly lows: readonly LowMark[] } {
      const states = streams.states();
      return { streams: states, lows: lowsOf(states) };
    },

    /** What this node holds of `node`'s own streams. */
    holdings(args: {
      readonly node: string;
    }): readonly { readonly epoch: number; readonly streamId: number; readonly ranges: IntervalSet }[] {
      return streams.ledger(args.node).map(({ epoch: of, streamId, ranges }) => ({ epoch: of, streamId, ranges }));
    },

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
    calls.recount();
    sessions.rolledBack();
  };
  return { writes: { ...writes, ...sessions.writes }, reads: { ...reads, ...sessions.reads }, rolledBack };

  /** Kept beside the ranges: a low mark makes no segment a duplicate. */
  function keepLows(child: string, lows: readonly LowMark[]): void {
    for (const { epoch: of, streamId, low } of lows) {
      streams.change({ origin: streams.originId(child, of), stream: streamId }, { low });
    }
  }

  /** The lowest number of each of `states`, where they are own streams, that may still be sent. */
  function lowsOf(states: readonly StreamState[]): readonly LowMark[] {
    return states
      .filter((state) => state.origin === name)
      .map((state) => {
        const lowest = segments.lowestNumber({ origin: streams.originId(name, state.epoch), stream: state.streamId });
        return { epoch: state.epoch, streamId: state.streamId, low: lowest ?? state.high + 1 };
      });
  }

  function ingestSegments(incoming: readonly WireSegment[]): IngestOutcome {
    const naks: IngestOutcome["naks"][number][] = [];
    const taken = new Map<string, AckedRanges>();
    let stored = 0;
    let duplicates = 0;
    for (const segment of incoming) {
      const { origin, epoch: of, streamId, first, items } = segment;
      const code = isMisattributed(segment) ? "not-below" : brokenBody(segment) ? "corrupt" : undefined;
      const outcome = code ?? segments.ingest(segment, isFinal);
      if (typeof outcome === "number") {
        stored += outcome;
        duplicates += items - outcome;
        const key = `${origin}/${of}/${streamId}`;
        const ranges = addInterval(taken.get(key)?.ranges ?? [], first, first + items - 1);
        taken.set(key, { origin, epoch: of, streamId, ranges });
      } else {
        naks.push({ segment, code: outcome === "unknown-stream" ? "unreadable" : outcome });
      }
    }
    // Just what was in the batch: of other numbers, this node may have handed some to the very child that asks.
    return { acked: [...taken.values()].flatMap(inPortions), naks, stored, duplicates, newestId: segments.newestId() };
  }

  /** A node's own messages may come back from below when the tree was rearranged, but only those that it has numbered itself. */
  function isMisattributed({ origin, epoch: of, streamId, first, items }: WireSegment): boolean {
    if (origin !== name) return false;
    const row = streams.find({ origin: streams.originId(origin, of), stream: streamId });
    return row === undefined || first + items - 1 > row.high;
  }

  function brokenBody(segment: WireSegment): boolean {
    return segment.body !== null && hasher.crc32(segment.body) !== segment.crc;
  }

  function describeSegments(found: readonly StoredSegment[]): Pick<LaneRead, "streams" | "lows"> {
    const byKey = new Map<string, StreamState>();
    for (const { origin, epoch: of, streamId } of found) {
      const key = `${origin}/${of}/${streamId}`;
      const state = byKey.has(key) ? undefined : streams.state(origin, of, streamId);
      if (state !== undefined) byKey.set(key, state);
    }
    const states = [...byKey.values()];
    return { streams: states, lows: lowsOf(states) };
  }
}

/** An acknowledgement's entry holds a bounded number of ranges; the rest goes into further entries. */
function inPortions(acked: AckedRanges): readonly AckedRanges[] {
  const portions: AckedRanges[] = [];
  for (let at = 0; at < acked.ranges.length; at += limits.rangesOnWire) {
    portions.push({ ...acked, ranges: acked.ranges.slice(at, at + limits.rangesOnWire) });
  }
  return portions;
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
