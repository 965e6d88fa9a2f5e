// What the links of children ask of a node's database: to take in what they send, and to remember what they say.
import type { DatabaseSync } from "node:sqlite";
import type { NodeName } from "#shared/ids.ts";
import { addInterval } from "#shared/journal/interval-set.ts";
import { segmentFlags } from "#shared/journal/segment.ts";
import type { LowMark, StreamState } from "#shared/journal/stream.ts";
import type { AckedRanges, Batch, NakCode, WireSegment } from "#shared/link/frames.ts";
import { limits } from "#shared/limits.ts";
import { BelowRepository } from "./below-repository.ts";
import type { Budget } from "./budget.ts";
import { clockOfAnother, type ClockRepository } from "./clock-repository.ts";
import { ClosedStreams } from "./closed-streams.ts";
import { LedgerQuota } from "./ledger-quota.ts";
import { SegmentIngest, type SegmentIngestDeps } from "./segment-ingest.ts";

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
  readonly unnamed: Unnamed;
}

/** Streams that a child has named and that the ledger has no place for. What is sent of them is not taken. */
export interface Unnamed {
  readonly streams: readonly StreamName[];
  /** Of the last one, or why the child itself is not remembered; undefined when there is nothing. */
  readonly reason: string | undefined;
}

export interface Heard extends Unnamed {
  /** There is no place for the child itself. */
  readonly isChildRefused: boolean;
}

type StreamName = Pick<StreamState, "origin" | "epoch" | "streamId">;

/** What a child sends of a node that is live below another child. */
export interface Contested {
  readonly origin: string;
  readonly epoch: number;
  /** Those to whom that node may have handed it, as far as they are not live elsewhere themselves. */
  readonly vouched: readonly string[];
}

export interface IntakeRepositories extends SegmentIngestDeps {
  readonly clocks: Pick<ClockRepository, "idOf">;
}

export interface IntakeOptions {
  /** Whose database this is. */
  readonly name: NodeName;
  /** In which this database gives numbers. */
  readonly epoch: () => number;
  /** What comes here goes no further. */
  readonly isFinal: boolean;
  readonly budget: Pick<Budget, "maxBytes" | "hasRoomForAccounts" | "refuseWhenFull">;
}

export function createIntakeOperations(
  database: DatabaseSync,
  repositories: IntakeRepositories,
  { name, epoch, isFinal, budget }: IntakeOptions,
) {
  const { streams, segments, clocks, hasher } = repositories;
  const intake = new SegmentIngest(repositories, isFinal);
  const below = new BelowRepository(database);
  const quota = new LedgerQuota(database, budget);
  const closed = new ClosedStreams(database);

  const writes = {
    /**
     * Takes in a batch of child `child`, its bodies inflated. What cannot be taken is answered, not thrown; a full store is thrown. `clockOffsetMs`: of the
     * clock that this node told its children before it knew the tree's time, if it has.
     */
    ingest(args: {
      readonly child: string;
      readonly batch: Pick<Batch, "streams" | "lows" | "segments" | "relays">;
      readonly nowMs: number;
      readonly clockOffsetMs?: number;
      readonly contested?: readonly Contested[];
    }): IngestOutcome {
      budget.refuseWhenFull(`take in data of ${args.child}`);
      below.add(args.child, args.batch.relays ?? []);
      const barred = barredFor(args.child, args.contested ?? []);
      const unnamed = describeAll(args.child, args.batch.streams, barred, args.nowMs, "with messages");
      keepLows(args.child, args.batch.lows);
      return { ...ingestSegments(args.child, args.batch.segments, barred, args.clockOffsetMs), unnamed };
    },

    /** What hellos and heartbeats said: about streams, and who is or was below that child. What there is no place for is answered. */
    hear(args: {
      readonly child: string;
      readonly streams: readonly StreamState[];
      readonly lows: readonly LowMark[];
      readonly below?: readonly string[];
      readonly nowMs: number;
      readonly contested?: readonly Contested[];
    }): Heard {
      const refusal = quota.childRefusal(args.child);
      if (refusal !== undefined) return { streams: [], reason: refusal, isChildRefused: true };
      below.add(args.child, args.below ?? []);
      const unnamed = describeAll(args.child, args.streams, barredFor(args.child, args.contested ?? []), args.nowMs);
      keepLows(args.child, args.lows);
      return { ...unnamed, isChildRefused: false };
    },

    /** Shrinks some complete old epochs of other nodes when there are many rows. Answers how many; none: there is no need, or no more. */
    closeEpochs(_args: Readonly<Record<string, never>>): number {
      if (!quota.isCrowded()) return 0;
      const epochs = closed.closeComplete(name, limits.closedEpochsPerStep);
      streams.forgetOrigins();
      quota.recount();
      return epochs;
    },
  };

  const rolledBack = (): void => {
    below.rolledBack();
    quota.recount();
    closed.rolledBack();
  };
  return { writes, rolledBack };

  /** Its own messages, and those of nodes that it has named as below it. This node's own are another matter: `isMisattributed`. */
  function maySend(child: string, origin: string): boolean {
    return origin === child || origin === name || below.has(child, origin);
  }

  /** Keys of `epochKey`: what is live elsewhere, and was never handed to that child or to anyone below it. */
  function barredFor(child: string, contested: readonly Contested[]): ReadonlySet<string> {
    const barred = contested.filter(({ vouched }) => !vouched.some((node) => node === child || below.has(child, node)));
    return new Set(barred.map(epochKey));
  }

  function describeAll(
    child: string,
    described: readonly StreamState[],
    barred: ReadonlySet<string>,
    nowMs: number,
    comes?: "with messages",
  ): Unnamed {
    const unnamed: StreamName[] = [];
    let reason: string | undefined;
    const admission = quota.admission(child);
    for (const stream of described) {
      const { origin, epoch: of, streamId } = stream;
      if (barred.has(epochKey(stream)) || !maySend(child, origin) || isKnownHere(stream)) continue;
      const isNew = streams.keyOf(origin, of, streamId) === undefined;
      if (isNew && comes === undefined && closed.isOldNews(stream)) continue;
      const refusal = isNew ? admission(stream) : undefined;
      if (refusal === undefined) {
        streams.describe(stream, nowMs);
        if (isNew) closed.reopen(stream, streams, repositories.losses);
      } else unnamed.push({ origin, epoch: of, streamId });
      reason = refusal ?? reason;
    }
    return { streams: unnamed, reason };
  }

  /** Kept beside the ranges: a low mark makes no segment a duplicate. */
  function keepLows(child: string, lows: readonly LowMark[]): void {
    for (const { epoch: of, streamId, low } of lows) {
      const key = streams.keyOf(child, of, streamId);
      if (key !== undefined) streams.change(key, { low });
    }
  }

  function ingestSegments(
    child: string,
    incoming: readonly WireSegment[],
    barred: ReadonlySet<string>,
    clockOffsetMs: number | undefined,
  ): Omit<IngestOutcome, "unnamed"> {
    const naks: IngestOutcome["naks"][number][] = [];
    const taken = new Map<string, AckedRanges>();
    let stored = 0;
    let duplicates = 0;
    for (const segment of incoming) {
      const { origin, epoch: of, streamId, first, items } = segment;
      const code = refusalOf(child, segment, barred) ?? (isBroken(segment) ? "corrupt" : undefined);
      const outcome = code ?? intake.take(segment, clockOf(segment, clockOffsetMs));
      if (typeof outcome === "number") {
        stored += outcome;
        duplicates += items - outcome;
        const key = `${origin}/${of}/${streamId}`;
        const ranges = addInterval(taken.get(key)?.ranges ?? [], first, first + items - 1);
        taken.set(key, { origin, epoch: of, streamId, ranges });
      } else {
        naks.push({ segment, code: outcome === "unknown-stream" ? codeOfUnknown(child, segment) : outcome });
      }
    }
    // Just what was in the batch: of other numbers, this node may have handed some to the very child that asks.
    return { acked: [...taken.values()].flatMap(inPortions), naks, stored, duplicates, newestId: segments.newestId() };
  }

  /** Its description may have found no place, in this batch or an earlier one. */
  function codeOfUnknown(child: string, segment: WireSegment): NakCode {
    const isHopeless = quota.refusalOf(child, segment) === undefined && !closed.has(segment);
    return isHopeless ? "unreadable" : "no-place";
  }

  function refusalOf(child: string, segment: WireSegment, barred: ReadonlySet<string>): NakCode | undefined {
    if (!maySend(child, segment.origin)) return "not-below";
    // It may be this database that is an older copy, which its parent has yet to tell: the child is not to give it up for that.
    return isMisattributed(segment) || barred.has(epochKey(segment)) ? "elsewhere" : undefined;
  }

  /** What this node knows of its own streams is right; of an epoch that it gave numbers in before its database was put back it may know nothing. */
  function isKnownHere({ origin, epoch: of, streamId }: StreamState): boolean {
    return origin === name && (of === epoch() || streams.state(origin, of, streamId) !== undefined);
  }

  /**
   * A node's own messages may come back from below when the tree was rearranged, but of the present epoch only those that this database
   * has numbered. Those of older ones may have been numbered after the copy was made that this database goes back to.
   */
  function isMisattributed({ origin, epoch: of, streamId, first, items }: WireSegment): boolean {
    if (origin !== name) return false;
    const key = streams.keyOf(origin, of, streamId);
    const row = key && streams.find(key);
    return row === undefined || (of === epoch() && first + items - 1 > row.high);
  }

  /** What its sender could not stamp by the tree's time is in the time that this node has told; what is adrift is in nobody's. */
  function clockOf({ origin, flags }: WireSegment, clockOffsetMs: number | undefined): number {
    const marks = flags & (segmentFlags.unsynced | segmentFlags.adrift);
    const clock = marks === segmentFlags.unsynced ? clocks.idOf(clockOffsetMs) : 0;
    return origin === name && clock === 0 ? clockOfAnother : clock;
  }

  /** One that is deflated still could not be inflated. */
  function isBroken({ body, crc, flags }: WireSegment): boolean {
    return body !== null && ((flags & segmentFlags.deflate) !== 0 || hasher.crc32(body) !== crc);
  }
}

function epochKey({ origin, epoch }: Pick<Contested, "origin" | "epoch">): string {
  return `${origin}/${epoch}`;
}

/** An acknowledgement's entry holds a bounded number of ranges; the rest goes into further entries. */
function inPortions(acked: AckedRanges): readonly AckedRanges[] {
  const portions: AckedRanges[] = [];
  for (let at = 0; at < acked.ranges.length; at += limits.rangesOnWire) {
    portions.push({ ...acked, ranges: acked.ranges.slice(at, at + limits.rangesOnWire) });
  }
  return portions;
}
