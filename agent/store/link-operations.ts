// What the link to the parent, the links of children and the document store ask of a node's database.
import type { DatabaseSync } from "node:sqlite";
import type { NodeName } from "#shared/ids.ts";
import { addInterval, type IntervalSet } from "#shared/journal/interval-set.ts";
import { segmentFlags, type LossReason } from "#shared/journal/segment.ts";
import type { LowMark, Priority, StreamState } from "#shared/journal/stream.ts";
import type { AckedRanges, Batch, NakCode, WireSegment } from "#shared/link/frames.ts";
import { limits } from "#shared/limits.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { inflated } from "./body-deflation.ts";
import { giveUp, keepBack, type RefusedArgs } from "./giving-up.ts";
import { LossRepository } from "./loss-repository.ts";
import { OutgoingReader, type OutgoingRequest, type SegmentRef } from "./outgoing-reader.ts";
import type { ShiftOf } from "./outgoing-segment.ts";
import { QuarantineRepository } from "./quarantine-repository.ts";
import { SegmentIngest } from "./segment-ingest.ts";
import type { SegmentRepository, StoredSegment } from "./segment-repository.ts";
import type { StreamKey, StreamRepository } from "./stream-repository.ts";

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

export interface OutgoingAnswer {
  /** Null: there is nothing to send now. */
  readonly found: {
    readonly priority: Priority;
    /** Encoded, as they go into a batch. */
    readonly segments: Uint8Array<ArrayBuffer>;
    /** The ledger's description of every stream among the segments. */
    readonly streams: readonly StreamState[];
    readonly lows: readonly LowMark[];
  } | null;
  /** Priorities that were asked for and had nothing. */
  readonly dry: readonly Priority[];
  /** Segments whose body is not what was stored: to be given up. */
  readonly damaged: readonly SegmentRef[];
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
  options: {
    readonly name: NodeName;
    readonly isFinal: boolean;
    readonly refuseWhenFull: (attempted: string) => void;
    readonly shiftOf?: ShiftOf;
  },
) {
  const { name, isFinal, refuseWhenFull, shiftOf = () => undefined } = options;
  const outgoing = new OutgoingReader({ streams, segments, hasher, shiftOf }, name);
  const losses = new LossRepository(database, streams);
  const repositories = { streams, segments, losses, quarantined: new QuarantineRepository(database), outgoing };
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
        const key = { origin: streams.originId(origin, of), stream: streamId };
        delivered += segments.forget(key, ranges);
        outgoing.forget(key, ranges);
      }
      return delivered;
    },

    /** Gives up a stored segment. Answers how many messages it had: 0 when it is gone already. */
    quarantine: (args: SegmentRef & { readonly reason: LossReason; readonly nowMs: number }): number =>
      giveUp(repositories, args, args.reason, args.nowMs),

    /** The parent did not take these. Answers how many messages were given up for that. */
    refused: (args: RefusedArgs): number => keepBack(repositories, args),
  };

  const reads = {
    /** What goes to the parent next. */
    outgoing(args: OutgoingRequest): OutgoingAnswer {
      const { found, dry, damaged } = outgoing.read(args);
      if (found === null) return { found, dry, damaged };
      return { found: { ...found, ...describe(found.streams) }, dry, damaged };
    },

    after(args: { readonly id: number; readonly bytesMax: number }): {
      readonly segments: readonly StoredSegment[];
      readonly streams: readonly StreamState[];
    } {
      const found = segments.readAfter(args.id, args.bytesMax);
      return { segments: found, streams: describe(found).streams };
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

  return { writes, reads, sentOf: (key: StreamKey): IntervalSet => outgoing.sentOf(key) };

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
    for (const wire of incoming) {
      const { origin, epoch: of, streamId, first, items } = wire;
      const segment = inflated(wire) ?? wire;
      const code = isMisattributed(segment) ? "not-below" : isBroken(segment) ? "corrupt" : undefined;
      const outcome = code ?? intake.take(segment);
      if (typeof outcome === "number") {
        stored += outcome;
        duplicates += items - outcome;
        const key = `${origin}/${of}/${streamId}`;
        const ranges = addInterval(taken.get(key)?.ranges ?? [], first, first + items - 1);
        taken.set(key, { origin, epoch: of, streamId, ranges });
      } else {
        naks.push({ segment: wire, code: outcome === "unknown-stream" ? "unreadable" : outcome });
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

  /** One that is deflated still could not be inflated. */
  function isBroken({ body, crc, flags }: WireSegment): boolean {
    return body !== null && ((flags & segmentFlags.deflate) !== 0 || hasher.crc32(body) !== crc);
  }

  function describe(found: readonly Omit<SegmentRef, "first">[]): {
    readonly streams: readonly StreamState[];
    readonly lows: readonly LowMark[];
  } {
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
