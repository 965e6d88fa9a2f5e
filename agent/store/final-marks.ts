// Streams of class final: what the parent has acknowledged is kept until the root's mark has passed it. The mark comes from above and is
// passed on downward; a root makes it from what its document store has.
import {
  addInterval,
  contiguousEnd,
  emptyIntervals,
  missingFrom,
  removeInterval,
  type Interval,
  type IntervalSet,
} from "#shared/journal/interval-set.ts";
import type { FinalHolding, FinalMark, Shortage } from "#shared/link/final-news.ts";
import { limits } from "#shared/limits.ts";
import type { LossRepository } from "./loss-repository.ts";
import type { SegmentRepository } from "./segment-repository.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository, StreamRow } from "./stream-repository.ts";

export class FinalMarks {
  readonly #streams: StreamRepository;
  readonly #segments: SegmentRepository;
  readonly #isRoot: boolean;
  /** Nothing has happened since the last look that could leave this node short of something. */
  #isComplete = false;

  constructor(streams: StreamRepository, segments: SegmentRepository, isRoot: boolean) {
    this.#streams = streams;
    this.#segments = segments;
    this.#isRoot = isRoot;
  }

  /** Whether what the parent acknowledges of this stream stays. */
  keeps(row: StreamRow): boolean {
    return row.class === "final" && !this.#isRoot;
  }

  /**
   * Remembers what the parent has: it is not sent again, unless the parent loses it. What came here after the root's mark had passed it,
   * by another way than to the root, goes. What has an id above `idMax` came here since, and is not what the parent has. Answers how many
   * messages went.
   */
  handOn(key: StreamKey, row: StreamRow, ranges: IntervalSet, isOwn: boolean, idMax?: number): number {
    const passed = ranges
      .map(([first, last]) => [first, Math.min(last, row.finalMark)] as const)
      .filter(([first, last]) => first <= last);
    const delivered = this.#segments.forget(key, passed, isOwn, idMax);
    const kept = this.#keptFrom(key, row.finalMark);
    let handed = row.handed;
    const since = idMax === undefined ? [] : ranges.flatMap((range) => this.#segments.numbersBehind(key, range, idMax));
    const had = since.reduce((set, [first, last]) => removeInterval(set, first, last), ranges);
    for (const [first, last] of had) {
      if (last <= row.finalMark) continue;
      const [from, to] = this.#whole(key, Math.max(first, kept), Math.min(last, row.high));
      if (from <= to) handed = addInterval(handed, from, to);
    }
    this.#streams.change(key, { handed });
    return delivered;
  }

  /**
   * Takes over a mark from above: what it has passed is delivered, once the parent has it. What that has not acknowledged may be what the
   * root counts as lost, and takes that back when it comes. Answers how many messages were delivered.
   */
  settle({ origin, epoch, streamId, fin }: FinalMark, self: string): number {
    if (this.#isRoot || this.#streams.state(origin, epoch, streamId) === undefined) return 0;
    const key = { origin: this.#streams.originId(origin, epoch), stream: streamId };
    const row = this.#streams.find(key);
    // What another node has given is at the root whether or not this one has heard of it; a node's own numbers beyond those that it knows
    // were given by another database.
    const finalMark = origin === self ? Math.min(fin, row?.high ?? 0) : fin;
    if (row === undefined || row.class !== "final" || finalMark <= row.finalMark) return 0;
    const passed = row.handed
      .map(([first, last]) => [first, Math.min(last, finalMark)] as const)
      .filter(([first, last]) => first <= last);
    const delivered = this.#segments.forget(key, passed, origin === self);
    const kept = this.#keptFrom(key, finalMark);
    const handed = missingFrom(missingFrom(row.handed, kept, row.high), kept, row.high);
    this.#streams.change(key, { finalMark, handed });
    return delivered;
  }

  /** Without the segments of which that is only a part: they are sent as a whole. */
  #whole(key: StreamKey, first: number, last: number): Interval {
    const before = this.#segments.across(key, first - 1);
    const behind = this.#segments.across(key, last);
    return [before === undefined ? first : before[1] + 1, behind === undefined ? last : behind[0] - 1];
  }

  /** A segment that the mark has not passed as a whole stays, and stays handed on. */
  #keptFrom(key: StreamKey, finalMark: number): number {
    return this.#segments.across(key, finalMark)?.[0] ?? finalMark + 1;
  }

  /** Another parent, or another database of it: what was handed on goes again. */
  handOnAgain(): void {
    this.#streams.forgetHanded();
    this.#isComplete = false;
  }

  /** Whether the parent has not, of that stream, what it has acknowledged. Of many ranges it tells the newest. */
  isShort({ origin, epoch, streamId, ranges }: FinalHolding): boolean {
    const key = this.#streams.keyOf(origin, epoch, streamId);
    const row = key && this.#streams.find(key);
    if (row === undefined || !this.keeps(row)) return false;
    const told = ranges.length < limits.rangesOnWire ? 1 : (ranges[0]?.[0] ?? 1);
    const from = Math.max(told, row.finalMark + 1);
    return row.handed.some(
      ([first, last]) => last >= from && missingFrom(ranges, Math.max(first, from), last).length > 0,
    );
  }

  /**
   * What this node has had of other nodes' messages, has nothing of any more, and cannot count as handed on: dropped for want of room
   * when another database of the parent had it, or damaged here. Someone below has it, since the root's mark has not passed it.
   */
  shortages(self: string, losses: LossRepository): readonly Shortage[] {
    if (this.#isRoot || this.#isComplete) return [];
    const found = this.#streams.finals().flatMap(({ origin, epoch, streamId }) => {
      const key = { origin: this.#streams.originId(origin, epoch), stream: streamId };
      const row = origin === self ? undefined : this.#streams.find(key);
      const ranges = row === undefined ? [] : this.#shortOf(key, row, losses);
      return ranges.length === 0 ? [] : [{ origin, epoch, streamId, ranges: ranges.slice(0, limits.rangesOnWire) }];
    });
    this.#isComplete = found.length === 0;
    return found;
  }

  /** The parent is short of these: what is stored here goes again, gaps included, and of the rest this node is short itself. */
  handOnOnce({ origin, epoch, streamId, ranges }: Shortage, losses: LossRepository): void {
    if (this.#isRoot || this.#streams.state(origin, epoch, streamId) === undefined) return;
    const key = { origin: this.#streams.originId(origin, epoch), stream: streamId };
    const row = this.#streams.find(key);
    if (row === undefined || row.class !== "final") return;
    const asked = ranges
      .map(([first, last]): Interval => this.#withWhole(key, Math.max(first, row.finalMark + 1), last))
      .filter(([first, last]) => first <= last)
      .reduce((set, [first, last]) => addInterval(set, first, last), emptyIntervals);
    this.#streams.change(key, { handed: without(row.handed, asked) });
    losses.repeatAmong(key, row.priority, asked);
    this.#isComplete = false;
  }

  #shortOf(key: StreamKey, row: StreamRow, losses: LossRepository): IntervalSet {
    const safe = row.finalMark === 0 ? row.handed : addInterval(row.handed, 1, row.finalMark);
    return without(row.ranges, safe).flatMap(([first, last]) => {
      const here = [...this.#segments.storedAmong(key, first, last), ...losses.among(key, first, last)];
      return missingFrom(
        here.reduce((set, [low, high]) => addInterval(set, low, high), emptyIntervals),
        first,
        last,
      );
    });
  }

  /** With all of the segments of which that is a part. */
  #withWhole(key: StreamKey, first: number, last: number): Interval {
    const before = this.#segments.across(key, first - 1);
    const behind = this.#segments.across(key, last);
    return [before?.[0] ?? first, behind?.[1] ?? last];
  }

  /** A stream that has left the class waits for no mark: what the parent has goes. */
  releaseOthers(): void {
    for (const { key, handed } of this.#streams.handedInCustody()) {
      this.#segments.forget(key, handed);
      this.#streams.change(key, { handed: [] });
    }
  }

  /** The marks that children are to be told. */
  all(): readonly FinalMark[] {
    return this.#streams.finals().flatMap((row) => {
      const { origin, epoch, streamId } = row;
      const fin = this.#isRoot ? this.#rootMark(origin, epoch, streamId, row.ranges) : (row.finalMark ?? 0);
      return fin === 0 ? [] : [{ origin, epoch, streamId, fin }];
    });
  }

  /** Everything up to there has left for the document store, or is lost. */
  #rootMark(origin: string, epoch: number, streamId: number, ranges: IntervalSet): number {
    const lowest = this.#segments.lowestNumber({ origin: this.#streams.originId(origin, epoch), stream: streamId });
    return Math.min(contiguousEnd(ranges), (lowest ?? Infinity) - 1);
  }
}

function without(set: IntervalSet, taken: IntervalSet): IntervalSet {
  return set.flatMap(([first, last]) => missingFrom(taken, first, last));
}
