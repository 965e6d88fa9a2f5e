// Own messages of class final that gave way here while the parent had them, and that the present one lacks: its disk is gone, or it is
// another node, and then nobody can tell whether the former one still has them. They are named as presumed lost, or the root's mark might
// stop in front of them for ever. Whoever has one of them after all takes that back with it.
import { missingFrom, unionOf, type Interval, type IntervalSet } from "#shared/journal/interval-set.ts";
import { lossReasonCodes } from "#shared/journal/segment.ts";
import type { Shortage } from "#shared/link/final-news.ts";
import type { Holding } from "#shared/link/hello.ts";
import type { LossRepository } from "./loss-repository.ts";
import type { SegmentRepository } from "./segment-repository.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository, StreamRow } from "./stream-repository.ts";

export interface GoneFinalsDeps {
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly losses: LossRepository;
}

export class GoneFinals {
  readonly #deps: GoneFinalsDeps;
  readonly #self: string;

  /** `self`: whose messages these are. */
  constructor(deps: GoneFinalsDeps, self: string) {
    this.#deps = deps;
    this.#self = self;
  }

  /**
   * Another parent, or another database of it, `holds` that: names what the one before had. Before `handed` is forgotten. Where the parent
   * has many ranges it tells the newest; below these, too much is named rather than too little.
   */
  nameLacking(holds: readonly Holding[]): void {
    const own = this.#deps.streams.finals().filter(({ origin, handed = 0 }) => origin === this.#self && handed > 0);
    for (const { epoch, streamId } of own) {
      const had = holds.find((held) => held.epoch === epoch && held.streamId === streamId)?.ranges ?? [];
      this.#name(epoch, streamId, ({ handed }) => without(handed, had));
    }
  }

  /** The parent is short of these of an own stream. */
  nameWanted({ epoch, streamId, ranges }: Shortage): void {
    this.#name(epoch, streamId, (row) => without(ranges, without(ranges, row.ranges)));
  }

  #name(epoch: number, streamId: number, choose: (row: StreamRow) => IntervalSet): void {
    const { streams, losses } = this.#deps;
    const key = streams.keyOf(this.#self, epoch, streamId);
    const row = key && streams.find(key);
    if (key === undefined || row?.class !== "final") return;
    for (const [first, last] of choose(row).flatMap((range) => this.#gone(key, row, range))) {
      const loss = { first, last, reasonCode: lossReasonCodes["presumed-lost"], bytes: 0, firstMs: 0, lastMs: 0 };
      losses.add(key, row.priority, loss);
      streams.change(key, { delivered: first - last - 1 });
    }
  }

  /** Of first…last what the root need not have, and what is neither stored nor named here. */
  #gone(key: StreamKey, { finalMark }: StreamRow, [first, last]: Interval): IntervalSet {
    const { segments, losses } = this.#deps;
    const from = Math.max(first, finalMark + 1);
    if (from > last) return [];
    const here = unionOf([...segments.storedAmong(key, from, last), ...losses.among(key, from, last)]);
    return missingFrom(here, from, last);
  }
}

function without(set: IntervalSet, taken: IntervalSet): IntervalSet {
  return set.flatMap(([first, last]) => missingFrom(taken, first, last));
}
