// Chooses what is sent to the parent next, in the thread of the store. It knows what is in flight and nothing else that could not be
// found again in the tables: a node that starts, and every new session, begin from nothing.
//
//   waiting streams (index) --> a queue per priority --> the open numbers of a stream (index) --> segments of one frame
//
// A stream is read by number: ascending when its order is strict, from the newest down when it is live-first.
import type { NodeName } from "#shared/ids.ts";
import { emptyIntervals, type Interval, type IntervalSet } from "#shared/journal/interval-set.ts";
import { lanePriorities, laneOf, type Lane, type Priority } from "#shared/journal/stream.ts";
import type { Frame } from "#shared/journal/tree-clock.ts";
import {
  encodeSegments,
  wireBytes,
  type AckedRanges,
  type EncodedSegments,
  type WireSegment,
} from "#shared/link/frames.ts";
import { limits } from "#shared/limits.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { deflated } from "./body-deflation.ts";
import type { ClockRepository } from "./clock-repository.ts";
import { OutgoingProgress } from "./outgoing-progress.ts";
import { OutgoingQueue } from "./outgoing-queue.ts";
import { outgoingSegment } from "./outgoing-segment.ts";
import type { SegmentHead, SegmentRepository } from "./segment-repository.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository } from "./stream-repository.ts";

export interface OutgoingRequest {
  readonly lane: Lane;
  /** What was handed out for the lane in this generation does not come again; a new one begins from nothing. */
  readonly generation: number;
  /** The first of these that has something. */
  readonly choices: readonly { readonly priority: Priority; readonly bytes: number }[];
  /** Segments up to this id may go. */
  readonly idMax: number;
  /** Number of the session in this process: what was stored before it is sent as historical. */
  readonly session: number;
  /** Own streams whose ranges at the parent have become many. */
  readonly crowded: readonly { readonly epoch: number; readonly streamId: number }[];
  /** What the parent has acknowledged since the last read. */
  readonly acked: readonly AckedRanges[];
  readonly deflate: boolean;
  /** By what stamps of before the tree's time was known are repaired. */
  readonly stamps: Frame;
  /** By the monotonic clock. */
  readonly nowMs: number;
}

/** A stored segment by the number of its first message. */
export interface SegmentRef {
  readonly origin: string;
  readonly epoch: number;
  readonly streamId: number;
  readonly first: number;
}

export interface OutgoingFrame {
  readonly priority: Priority;
  readonly segments: EncodedSegments;
  /** Streams that are in it. */
  readonly streams: readonly Omit<SegmentRef, "first">[];
}

export interface OutgoingRead {
  readonly found: OutgoingFrame | null;
  /** Choices that had nothing. */
  readonly dry: readonly Priority[];
  /** Segments whose body is not what was stored: to be given up. */
  readonly damaged: readonly SegmentRef[];
}

export interface OutgoingReaderDeps {
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly hasher: Hasher;
  readonly clocks: Pick<ClockRepository, "shiftOf">;
}

/** Origins that share one frame; the others have the next ones. */
const originsPerFrame = 16;
/** Damaged segments that one read reports: each is a write. */
const damagedPerRead = 64;

export class OutgoingReader {
  readonly #deps: OutgoingReaderDeps;
  readonly #name: NodeName;
  readonly #queues: readonly [OutgoingQueue, OutgoingQueue, OutgoingQueue, OutgoingQueue];
  readonly #progress = new Map<string, { readonly key: StreamKey; readonly progress: OutgoingProgress }>();
  readonly #changed = new Map<string, StreamKey>();
  readonly #generations = new Map<Lane, number>();
  #session = 0;
  #historicalTo = 0;
  #crowded: ReadonlySet<string> = new Set();
  #idMax = 0;
  #retryAtMs = Infinity;
  #refusals = 0;

  /** `name`: this node, whose own segments name no origin on the wire. */
  constructor(deps: OutgoingReaderDeps, name: NodeName) {
    this.#deps = deps;
    this.#name = name;
    const queue = (priority: Priority): OutgoingQueue => new OutgoingQueue(deps.streams, priority);
    this.#queues = [queue(0), queue(1), queue(2), queue(3)];
    deps.streams.onSegments((key) => this.#changed.set(nameOf(key), key));
  }

  /** The next frame of a lane. */
  read(request: OutgoingRequest): OutgoingRead {
    this.#acknowledge(request.acked);
    this.#begin(request);
    this.#enqueue(request);
    const dry: Priority[] = [];
    const damaged: SegmentRef[] = [];
    for (const { priority, bytes } of request.choices) {
      const found = this.#frameOf(priority, bytes, request, damaged);
      if (found !== undefined) return { found, dry, damaged };
      dry.push(priority);
    }
    return { found: null, dry, damaged };
  }

  /** Numbers of the stream that are on their way: the parent may have them. */
  sentOf(key: StreamKey): IntervalSet {
    return this.#progress.get(nameOf(key))?.progress.inFlight() ?? emptyIntervals;
  }

  /** The store has deleted these, or marked them as handed on. */
  forget(key: StreamKey, ranges: IntervalSet): void {
    const known = this.#progress.get(nameOf(key))?.progress;
    if (known === undefined) return;
    this.#refusals -= known.refusals;
    known.forget(ranges);
    this.#refusals += known.refusals;
    this.#changed.set(nameOf(key), key);
  }

  /**
   * The parent did not take that segment: it is kept back for a while, and nothing else. Answers how often that was so: a
   * pause of `uncountedMs` does not count. Beyond the bound of such segments nothing is kept back.
   */
  refuse(key: StreamKey, interval: Interval, nowMs: number, uncountedMs?: number): number {
    if (this.#refusals >= limits.refusedSegments) return 0;
    const progress = this.#progressOf(key);
    this.#refusals -= progress.refusals;
    const times = progress.refuse(interval, nowMs, uncountedMs);
    this.#refusals += progress.refusals;
    this.#retryAtMs = Math.min(this.#retryAtMs, progress.nextRetryAtMs(nowMs));
    return times;
  }

  #begin({ lane, generation, session, crowded }: OutgoingRequest): void {
    if (session !== this.#session) {
      this.#session = session;
      this.#historicalTo = this.#deps.segments.newestId();
      this.#crowded = new Set(
        crowded.map(({ epoch, streamId }) => {
          return nameOf({ origin: this.#deps.streams.originId(this.#name, epoch), stream: streamId });
        }),
      );
      for (const { progress } of this.#progress.values()) progress.sessions++;
    }
    if (this.#generations.get(lane) === generation) return;
    this.#generations.set(lane, generation);
    for (const { progress } of this.#progress.values()) if (progress.lane === lane) progress.restart();
    for (const priority of lanePriorities[lane]) this.#queues[priority].restart();
  }

  #acknowledge(acked: readonly AckedRanges[]): void {
    for (const { origin, epoch, streamId, ranges } of acked) {
      const key = { origin: this.#deps.streams.originId(origin, epoch), stream: streamId };
      this.#progress.get(nameOf(key))?.progress.acknowledge(ranges);
    }
  }

  /** Streams that changed, or whose refused segments are due, take turns again. */
  #enqueue({ idMax, nowMs }: OutgoingRequest): void {
    if (nowMs >= this.#retryAtMs) {
      this.#retryAtMs = Infinity;
      for (const { key, progress } of this.#progress.values()) {
        if (progress.refusals === 0) continue;
        this.#changed.set(nameOf(key), key);
        this.#retryAtMs = Math.min(this.#retryAtMs, progress.nextRetryAtMs(nowMs));
      }
    }
    for (const key of this.#changed.values()) {
      const stream = this.#deps.streams.outgoing(key);
      if (stream !== undefined && stream.segments > 0) this.#queues[stream.priority].add(key);
      else if (this.#progress.get(nameOf(key))?.progress.isEmpty === true) this.#progress.delete(nameOf(key));
    }
    this.#changed.clear();
    if (idMax <= this.#idMax) return;
    this.#idMax = idMax;
    for (const queue of this.#queues) queue.release(idMax);
  }

  #frameOf(
    priority: Priority,
    bytesMax: number,
    request: OutgoingRequest,
    damaged: SegmentRef[],
  ): OutgoingFrame | undefined {
    const queue = this.#queues[priority];
    queue.walk();
    const taken: WireSegment[] = [];
    /** Bytes of the frame, and of the turn of the origin that has it. */
    let bytes = 0;
    let turn: { readonly origin: number; readonly endsAt: number } | undefined;
    // What is damaged is given up before more is looked at.
    while (bytes < bytesMax && damaged.length < damagedPerRead) {
      const share = Math.ceil(bytesMax / Math.min(originsPerFrame, Math.max(1, queue.origins)));
      const key = queue.take();
      if (key === undefined) {
        if (!queue.walk()) break;
        continue;
      }
      const isNewTurn = turn?.origin !== key.origin;
      if (turn === undefined || isNewTurn) turn = { origin: key.origin, endsAt: Math.min(bytesMax, bytes + share) };
      // A turn brings at least one segment, a frame too, however large.
      const firstMax = taken.length === 0 ? Infinity : isNewTurn ? bytesMax - bytes : turn.endsAt - bytes;
      const { heads, hasMore } = this.#visit(key, firstMax, turn.endsAt - bytes, request);
      for (const head of heads) bytes += this.#take(key, head, request, taken, damaged);
      if (!hasMore) continue;
      // One that finds no room in this frame is the first of the next.
      if (isNewTurn && heads.length === 0) {
        queue.add(key);
        break;
      }
      queue.pass(key);
      turn = undefined;
    }
    if (taken.length === 0) return undefined;
    const segments = request.deflate ? taken.map(deflated) : taken;
    return { priority, segments: encodeSegments(segments, this.#name), streams: streamsOf(taken) };
  }

  /** The next open segments of a stream: one of up to `firstMax` bytes, and more while all have up to `bytesMax`. */
  #visit(
    key: StreamKey,
    firstMax: number,
    bytesMax: number,
    { idMax, nowMs, lane }: OutgoingRequest,
  ): { readonly heads: readonly SegmentHead[]; readonly hasMore: boolean } {
    const { segments, streams } = this.#deps;
    const stream = streams.outgoing(key);
    if (stream === undefined || laneOf(stream.priority) !== lane) return { heads: [], hasMore: false };
    const progress = this.#progressOf(key);
    progress.lane = lane;
    const isNewestFirst = stream.order === "live-first" && !this.#isCrowded(key, progress);
    const open = progress.open(stream.handed, nowMs);
    const heads: SegmentHead[] = [];
    let bytes = 0;
    for (const gap of isNewestFirst ? open.toReversed() : open) {
      for (const head of segments.heads(key, gap, idMax, isNewestFirst)) {
        if (bytes + sizeOf(head) > (heads.length === 0 ? firstMax : bytesMax)) return { heads, hasMore: true };
        heads.push(head);
        bytes += sizeOf(head);
      }
    }
    this.#waitForRelease(key, stream.priority, open, idMax);
    return { heads, hasMore: false };
  }

  /** Reads a segment into the frame. Answers its bytes. */
  #take(
    key: StreamKey,
    { id, first, items }: SegmentHead,
    { nowMs, stamps }: OutgoingRequest,
    taken: WireSegment[],
    damaged: SegmentRef[],
  ): number {
    const { hasher, segments, clocks } = this.#deps;
    const row = segments.outgoing(id);
    if (row === undefined) return 0;
    const segment = outgoingSegment(row, hasher, clocks.shiftOf(row.clock, stamps), this.#historicalTo);
    const interval: Interval = [first, first + items - 1];
    if (segment === undefined) {
      this.refuse(key, interval, nowMs);
      damaged.push({ origin: row.origin, epoch: row.epoch, streamId: row.streamId, first });
      return 0;
    }
    this.#progressOf(key).send(interval);
    taken.push(segment);
    return wireBytes(segment);
  }

  /** What is stored already and not released yet is looked for when it is. */
  #waitForRelease(key: StreamKey, priority: Priority, open: IntervalSet, idMax: number): void {
    for (const gap of open) {
      const id = this.#deps.segments.idBehind(key, gap, idMax);
      if (id === undefined) continue;
      this.#queues[priority].addAfter(key, id);
      return;
    }
  }

  /** Each session that sends the newest first may leave one more range above; before they are too many, the old ones are closed. */
  #isCrowded(key: StreamKey, progress: OutgoingProgress): boolean {
    return progress.sessions >= limits.rangesBeforeOldestFirst || this.#crowded.has(nameOf(key));
  }

  #progressOf(key: StreamKey): OutgoingProgress {
    const name = nameOf(key);
    const known = this.#progress.get(name)?.progress;
    if (known !== undefined) return known;
    const progress = new OutgoingProgress();
    this.#progress.set(name, { key, progress });
    return progress;
  }
}

function nameOf({ origin, stream }: StreamKey): string {
  return `${origin}/${stream}`;
}

function sizeOf({ bytes }: SegmentHead): number {
  return wireBytes({ body: null }) + bytes;
}

function streamsOf(segments: readonly WireSegment[]): readonly Omit<SegmentRef, "first">[] {
  const byName = new Map<string, Omit<SegmentRef, "first">>();
  for (const { origin, epoch, streamId } of segments) {
    byName.set(`${origin}/${epoch}/${streamId}`, { origin, epoch, streamId });
  }
  return [...byName.values()];
}
