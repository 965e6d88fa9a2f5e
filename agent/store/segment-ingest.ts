// Takes in segments that a child sent, in the transaction that the caller opened.
import {
  addInterval,
  countIntervals,
  coversInterval,
  highestOf,
  missingFrom,
  type Interval,
  type IntervalSet,
} from "#shared/journal/interval-set.ts";
import { decodeSegment, encodeSegment } from "#shared/journal/segment.ts";
import type { WireSegment } from "#shared/link/frames.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { Loss, LossRepository } from "./loss-repository.ts";
import type { SegmentRepository } from "./segment-repository.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository, StreamRow } from "./stream-repository.ts";

export interface SegmentIngestDeps {
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly losses: LossRepository;
  readonly hasher: Hasher;
}

export class SegmentIngest {
  readonly #deps: SegmentIngestDeps;
  /** This node is a root: every number is taken once. */
  readonly #isFinal: boolean;

  constructor(deps: SegmentIngestDeps, isFinal: boolean) {
    this.#deps = deps;
    this.#isFinal = isFinal;
  }

  /**
   * New numbers are stored [O2]. Numbers that this node has stored and handed on before are taken again where it is not the root: the
   * child may be the very node that they were handed to, now that the tree was rearranged; the root drops what has come twice. What
   * was named as lost and comes after all is stored, and no longer lost. Answers how many numbers were taken.
   * `clock`: row of the clock that stamped it, 0 for the tree's.
   */
  take(segment: WireSegment, clock = 0): number | "unreadable" | "unknown-stream" {
    const { streams } = this.#deps;
    const key = streams.keyOf(segment.origin, segment.epoch, segment.streamId);
    const row = key && streams.find(key);
    if (key === undefined || row === undefined) return "unknown-stream";
    const fresh = missingFrom(row.ranges, segment.first, lastOf(segment));
    return segment.body === null
      ? this.#takeGap(key, row, segment, fresh)
      : this.#takeData(key, row, segment, fresh, clock);
  }

  #takeGap(key: StreamKey, row: StreamRow, segment: WireSegment, fresh: IntervalSet): number {
    const { losses, segments } = this.#deps;
    const { firstMs, lastMs, gap, items } = segment;
    const lossOf = ([first, last]: Interval): Loss => ({
      first,
      last,
      reasonCode: gap?.reasonCode ?? 0,
      bytes: Math.round(((gap?.bytes ?? 0) * (last - first + 1)) / items),
      firstMs,
      lastMs,
    });
    for (const range of fresh) losses.add(key, row.priority, lossOf(range));
    this.#extend(key, row, fresh);
    if (this.#isFinal) return countIntervals(fresh);
    // As with messages: the child may be the node that the gap was handed to.
    const stored = segments.storedAmong(key, segment.first, lastOf(segment));
    const here = union(stored, losses.pendingAmong(key, segment.first, lastOf(segment)));
    const again = missingFrom(here, segment.first, lastOf(segment));
    const short = this.#shortAmong(key, row, again);
    for (const range of again.flatMap(([first, last]) => missingFrom(short, first, last)))
      losses.passOn(key, row.priority, lossOf(range));
    for (const range of short) losses.add(key, row.priority, lossOf(range));
    if (short.length > 0) this.#deps.streams.change(key, { delivered: -countIntervals(short) });
    return countIntervals(fresh) + countIntervals(again);
  }

  #takeData(
    key: StreamKey,
    row: StreamRow,
    segment: WireSegment,
    fresh: IntervalSet,
    clock: number,
  ): number | "unreadable" {
    const { losses, segments, streams, hasher } = this.#deps;
    this.#handAgain(key, row, segment);
    const lost = losses.among(key, segment.first, lastOf(segment));
    const again = this.#isFinal ? [] : this.#handedOn(key, row, segment, union(fresh, lost));
    const taken = union(union(fresh, lost), again);
    if (taken.length === 0) return 0;
    const parts = splitSegment(segment, taken, hasher);
    if (parts === undefined) return "unreadable";
    losses.withdraw(key, row.priority, lost);
    losses.recall(key, row.priority, again);
    let heldBytes = 0;
    for (const part of parts) {
      segments.add({ ...part, key, priority: row.priority, clock });
      heldBytes += part.body?.length ?? 0;
    }
    this.#extend(key, row, fresh);
    const held = countIntervals(taken);
    const last = lastOf(segment);
    const isNewest = coversInterval(fresh, last, last);
    const mark = isNewest ? { mark: { last, items: segment.items, crc: segment.crc } } : {};
    streams.change(key, { held, heldBytes, delivered: -countIntervals(again), segments: parts.length, ...mark });
    return held;
  }

  /** Of class final, of numbers that are not stored here: those that count as delivered and that nobody above need have. */
  #shortAmong(key: StreamKey, row: StreamRow, numbers: IntervalSet): IntervalSet {
    if (row.class !== "final") return [];
    const safe = row.finalMark === 0 ? row.handed : addInterval(row.handed, 1, row.finalMark);
    return numbers.flatMap(([first, last]) => {
      const had = row.ranges.flatMap(([low, high]): Interval[] => {
        const [from, to] = [Math.max(first, low), Math.min(last, high)];
        return from <= to ? [[from, to]] : [];
      });
      const named = this.#deps.losses.among(key, first, last);
      return had.flatMap(([from, to]) => missingFrom(union(safe, named), from, to));
    });
  }

  /** Of class final: whoever sends it may be the node that it was handed to, so that nobody above need have it. */
  #handAgain(key: StreamKey, row: StreamRow, segment: WireSegment): void {
    const numbers: Interval = [segment.first, lastOf(segment)];
    const handed = row.handed.flatMap(([first, last]) => missingFrom([numbers], first, last));
    if (countIntervals(handed) < countIntervals(row.handed)) this.#deps.streams.change(key, { handed });
  }

  #extend(key: StreamKey, row: StreamRow, fresh: IntervalSet): void {
    if (fresh.length === 0) return;
    const ranges = union(row.ranges, fresh);
    this.#deps.streams.change(key, { ranges, high: highestOf(ranges) });
  }

  /** Of the segment's numbers those that are not in `known`, not stored here, and not known to be at the root. */
  #handedOn(key: StreamKey, row: StreamRow, segment: WireSegment, known: IntervalSet): IntervalSet {
    const stored = this.#deps.segments.storedAmong(key, segment.first, lastOf(segment));
    const atRoot: IntervalSet = row.finalMark === 0 ? [] : [[1, row.finalMark]];
    return missingFrom(union(union(known, stored), atRoot), segment.first, lastOf(segment));
  }
}

function lastOf({ first, items }: WireSegment): number {
  return first + items - 1;
}

function union(a: IntervalSet, b: IntervalSet): IntervalSet {
  return b.reduce((set, [first, last]) => addInterval(set, first, last), a);
}

/** The segment as it is when all of it is new; else one of its own for each new part. Undefined when the body cannot be read. */
function splitSegment(segment: WireSegment, fresh: IntervalSet, hasher: Hasher): readonly WireSegment[] | undefined {
  const whole =
    fresh.length === 1 && fresh[0]?.[0] === segment.first && fresh[0][1] === segment.first + segment.items - 1;
  if (whole) return [segment];
  const items = segment.body === null ? undefined : decodeSegment(segment.body, segment.items);
  if (items === undefined) return undefined;
  return fresh.map(([first, last]) => {
    const part = items.slice(first - segment.first, last - segment.first + 1);
    const body = encodeSegment(part);
    const firstMs = part[0]?.timeMs ?? segment.firstMs;
    const lastMs = part.at(-1)?.timeMs ?? segment.lastMs;
    return { ...segment, first, items: part.length, firstMs, lastMs, body, crc: hasher.crc32(body) };
  });
}
