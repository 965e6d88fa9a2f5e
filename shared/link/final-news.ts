// What nodes tell their children of streams of class final: how far the root has them, and what has to come once more. Of heartbeats and
// acknowledgements; meaning: PROTOCOL.md.
import type { IntervalSet } from "../journal/interval-set.ts";
import { limits } from "../limits.ts";
import { asArray, asNodeName, asRanges, asUint, packRange, streamsOnWire, u32Max, wireInt } from "./fields.ts";

/** All of 1…`fin` is stored at the root or lost: `[origin, epoch, streamId, fin]`. */
export interface FinalMark {
  readonly origin: string;
  readonly epoch: number;
  readonly streamId: number;
  readonly fin: number;
}

/** Numbers of a stream of class final that a node has had and that may be nowhere above: `[origin, epoch, streamId, ranges]`. */
export interface Shortage {
  readonly origin: string;
  readonly epoch: number;
  readonly streamId: number;
  readonly ranges: IntervalSet;
}

/** What a parent has had of a stream of class final that is another node's than the child's: the same shape. */
export type FinalHolding = Shortage;

export function packFinalMark(mark: FinalMark): readonly unknown[] {
  return [mark.origin, mark.epoch, mark.streamId, wireInt(mark.fin)];
}

export function readFinalMarks(value: unknown): readonly FinalMark[] {
  return asArray(value, "final marks", streamsOnWire).map(readFinalMark);
}

function readFinalMark(value: unknown): FinalMark {
  const [origin, epoch, streamId, fin] = asArray(value, "final mark", 8);
  return {
    origin: asNodeName(origin, "origin"),
    epoch: asUint(epoch, "epoch", u32Max),
    streamId: asUint(streamId, "stream number", limits.streamsPerNode),
    fin: asUint(fin, "final mark"),
  };
}

export function packShortage({ origin, epoch, streamId, ranges }: Shortage): readonly unknown[] {
  return [origin, epoch, streamId, ranges.map(packRange)];
}

export function readShortages(value: unknown): readonly Shortage[] {
  return asArray(value, "wanted", streamsOnWire).map(readShortage);
}

function readShortage(value: unknown): Shortage {
  const [origin, epoch, streamId, ranges] = asArray(value, "shortage", 8);
  return {
    origin: asNodeName(origin, "origin"),
    epoch: asUint(epoch, "epoch", u32Max),
    streamId: asUint(streamId, "stream number", limits.streamsPerNode),
    ranges: asRanges(ranges, "ranges"),
  };
}
