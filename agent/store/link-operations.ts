// What the link to the parent, the links of children and the document store ask of a node's database.
import type { DatabaseSync } from "node:sqlite";
import type { NodeName } from "#shared/ids.ts";
import { addInterval, type IntervalSet } from "#shared/journal/interval-set.ts";
import { lossReasonCodes, type LossReason } from "#shared/journal/segment.ts";
import type { Lane, LowMark, StreamState } from "#shared/journal/stream.ts";
import type { AckedRanges, Batch, NakCode, WireSegment } from "#shared/link/frames.ts";
import type { Cursors } from "#shared/link/lane.ts";
import { limits } from "#shared/limits.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { LossRepository } from "./loss-repository.ts";
import { QuarantineRepository } from "./quarantine-repository.ts";
import { SegmentIngest } from "./segment-ingest.ts";
import type { SegmentRepository, StoredSegment } from "./segment-repository.ts";
import type { StreamRepository } from "./stream-repository.ts";

/** For operations that need nothing but their name. */
export type Nothing = Readonly<Record<string, never>>;

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

export interface LinkRepositories {
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly hasher: Hasher;
}

/** `name`: whose database this is. `isFinal`: what comes here goes no further. `refuseWhenFull` throws FOGBANK_STORE_FULL. */
export function createLinkOperations(
  database: DatabaseSync,
  { streams, segments, hasher }: LinkRepositories,
  options: { readonly name: NodeName; readonly isFinal: boolean; readonly refuseWhenFull: (attempted: string) => void },
) {
  const { name, isFinal, refuseWhenFull } = options;
  const losses = new LossRepository(database, streams);
  const quarantined = new QuarantineRepository(database);
  const intake = new SegmentIngest({ streams, segments, losses, hasher }, isFinal);

  const writes = {
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

    /**
     * Gives up the segment that begins with `first`: its body is put aside, its numbers are named as lost. Answers how many those
     * are: 0 when it is gone already.
     */
    quarantine(args: {
      readonly origin: string;
      readonly epoch: number;
      readonly streamId: number;
      readonly first: number;
      readonly reason: LossReason;
      readonly nowMs: number;
    }): number {
      const key = { origin: streams.originId(args.origin, args.epoch), stream: args.streamId };
      const segment = segments.find(key, args.first);
      const row = streams.find(key);
      if (segment === undefined || row === undefined || segment.body === null) return 0;
      const { id, first, items, firstMs, lastMs, body } = segment;
      const reasonCode = lossReasonCodes[args.reason];
      quarantined.keep(key, segment, reasonCode, args.nowMs);
      segments.remove(id);
      streams.change(key, { held: -items, heldBytes: -body.length, segments: -1 });
      losses.add(key, row.priority, {
        first,
        last: first + items - 1,
        reasonCode,
        bytes: body.length,
        firstMs,
        lastMs,
      });
      return items;
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
  };

  return { writes, reads };

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
      const outcome = code ?? intake.take(segment);
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
