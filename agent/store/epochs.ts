// Lets a database that is found to be an older copy, or a clone, go on under a new epoch: see shared/journal/renumbering.
// First one transaction in which the new epoch is drawn and its first numbers are set aside for what is stored and not acknowledged;
// then bounded ones, each of which moves some segments there. A crash in between goes on with those when the database is opened.
import { contiguousEnd, countIntervals, missingFrom, addInterval } from "#shared/journal/interval-set.ts";
import { closeEpoch } from "#shared/journal/renumbering.ts";
import { lossReasonCodes, type LossReason } from "#shared/journal/segment.ts";
import type { Interval } from "#shared/journal/interval-set.ts";
import type { Holding } from "#shared/link/hello.ts";
import { limits } from "#shared/limits.ts";
import type { IdentityRepository, NodeIdentity } from "./identity-repository.ts";
import type { Loss, LossRepository } from "./loss-repository.ts";
import type { OfferedNumbers } from "./offered-numbers.ts";
import type { NumberedSegment, SegmentRepository } from "./segment-repository.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository } from "./stream-repository.ts";

export interface EpochsDeps {
  readonly identity: IdentityRepository;
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly losses: LossRepository;
  readonly offered: Pick<OfferedNumbers, "highest">;
}

/** Messages that are gone, for whatever reason: the others are about numbers alone. */
const givenUp: ReadonlySet<number> = new Set(
  (["evicted", "expired", "corrupt", "rejected"] as const).map((reason) => lossReasonCodes[reason]),
);

/** One transaction moves so much: the write-ahead log stays small. */
const segmentsPerStep = 256;
const bytesPerStep = 4 * 1024 * 1024;

export class Epochs {
  readonly #deps: EpochsDeps;
  readonly #name: string;

  constructor(deps: EpochsDeps, name: string) {
    this.#deps = deps;
    this.#name = name;
  }

  /**
   * Draws a new epoch and closes `old`, the present or an earlier one, of which the parent holds `holds`. `renumber` has to follow until
   * it is done.
   */
  renew(old: number, fresh: Pick<NodeIdentity, "epoch" | "instance">, holds: readonly Holding[], nowMs: number): void {
    const { identity, streams } = this.#deps;
    const from = streams.originId(this.#name, old);
    this.#setAside(old, fresh.epoch, nowMs);
    const to = streams.originId(this.#name, fresh.epoch);
    const targets = this.#targets(old, fresh.epoch);
    for (const { streamId } of streams.statesOf(this.#name, old)) {
      const key = { origin: from, stream: streamId };
      this.#nameAnew(key, { origin: to, stream: targets.get(streamId) ?? streamId }, this.#givenUp(old, streamId));
      const held = holds.find((one) => one.epoch === old && one.streamId === streamId);
      if (held !== undefined) this.#close(key, held);
    }
    identity.renew(fresh);
  }

  /**
   * Whether there are messages of that epoch whose numbers may be those of others: stored and not acknowledged by the parent, or given
   * up under numbers that nobody can have of this database.
   */
  isWaiting(epoch: number): boolean {
    const { streams } = this.#deps;
    for (const _ of this.#unacknowledged(streams.originId(this.#name, epoch))) return true;
    return streams.statesOf(this.#name, epoch).some(({ streamId }) => this.#givenUp(epoch, streamId).length > 0);
  }

  /** What a salvage has cut short goes on to the present epoch, in which nothing has been numbered yet. */
  resume(nowMs: number): void {
    const { identity } = this.#deps;
    const old = identity.counter("renumber-from");
    if (old !== 0 && identity.counter("renumber-to") === 0) this.#setAside(old, identity.current().epoch, nowMs);
  }

  /** Moves some of what is left of the closed epoch to the new one. Answers whether all is done. */
  renumber(): boolean {
    const { identity, streams } = this.#deps;
    const old = identity.counter("renumber-from");
    if (old === 0) return true;
    const epoch = identity.counter("renumber-to");
    const from = streams.originId(this.#name, old);
    const to = streams.originId(this.#name, epoch);
    const step: NumberedSegment[] = [];
    let bytes = 0;
    for (const segment of this.#unacknowledged(from)) {
      if (step.length === segmentsPerStep || bytes > bytesPerStep) break;
      step.push(segment);
      bytes += segment.bytes;
    }
    const targets = this.#targets(old, epoch);
    for (const segment of step) {
      const stream = targets.get(segment.stream) ?? segment.stream;
      this.#move({ origin: from, stream: segment.stream }, { origin: to, stream }, segment);
    }
    if (step.length > 0) return false;
    for (const { streamId } of streams.statesOf(this.#name, epoch)) {
      this.#giveBack({ origin: to, stream: streamId }, identity.counter(`renumber-${streamId}`));
    }
    identity.setCounter("renumber-from", 0);
    return true;
  }

  /** Messages of class final that the parent has keep their numbers. */
  *#unacknowledged(origin: number): Iterable<NumberedSegment> {
    const { segments, streams } = this.#deps;
    for (const { stream, handed } of streams.handedOf(origin)) {
      const key = { origin, stream };
      let done = 0;
      // What lies wholly in what the parent has is not looked at: there may be any number of it.
      for (const [from, to] of missingFrom(handed, 1, Number.MAX_SAFE_INTEGER)) {
        const begin = segments.across(key, from - 1)?.[0] ?? from;
        for (const segment of segments.among(key, [Math.max(begin, done + 1), to])) {
          done = segment.first + segment.items - 1;
          yield segment;
        }
      }
    }
  }

  /** Sets the first numbers of `epoch` aside for what is not acknowledged of `old`. */
  #setAside(old: number, epoch: number, nowMs: number): void {
    const { identity, streams } = this.#deps;
    const reserved = new Map<number, number>();
    for (const { stream, items } of this.#unacknowledged(streams.originId(this.#name, old))) {
      reserved.set(stream, (reserved.get(stream) ?? 0) + items);
    }
    this.#describeAll(old, epoch, nowMs);
    for (const [streamId, target] of this.#targets(old, epoch)) {
      const high = reserved.get(streamId) ?? 0;
      streams.change({ origin: streams.originId(this.#name, epoch), stream: target }, { high });
      identity.setCounter(`renumber-${target}`, high);
    }
    identity.setCounter("renumber-from", old);
    identity.setCounter("renumber-to", epoch);
  }

  /**
   * Gives the new epoch the streams that are recorded, under their numbers, and those of `old` that are not. A stream keeps its number
   * where none of another name has it: the configuration may have changed in between.
   */
  #describeAll(old: number, epoch: number, nowMs: number): void {
    const { identity, streams } = this.#deps;
    const present = identity.current().epoch;
    for (const state of streams.statesOf(this.#name, present)) {
      streams.describe({ ...state, epoch, high: 0 }, nowMs);
      identity.setCounter(`renumber-${state.streamId}`, 0);
    }
    for (const state of streams.statesOf(this.#name, old)) {
      const known = streams.statesOf(this.#name, epoch);
      if (known.some(({ name }) => name === state.name)) continue;
      const isTaken = known.some(({ streamId }) => streamId === state.streamId);
      const streamId = isTaken ? streams.numberOf(this.#name, epoch, state.name) : state.streamId;
      streams.describe({ ...state, streamId, epoch, high: 0 }, nowMs);
    }
  }

  /** The numbers that streams of `old` have in the new epoch. */
  #targets(old: number, epoch: number): ReadonlyMap<number, number> {
    const { streams } = this.#deps;
    const byName = new Map(streams.statesOf(this.#name, epoch).map(({ name, streamId }) => [name, streamId]));
    return new Map(
      streams.statesOf(this.#name, old).map(({ name, streamId }) => [streamId, byName.get(name) ?? streamId]),
    );
  }

  /** What was given up of the numbers that nobody can have of this database. */
  #givenUp(epoch: number, streamId: number): readonly Loss[] {
    const { streams, losses, offered } = this.#deps;
    const key = { origin: streams.originId(this.#name, epoch), stream: streamId };
    const high = streams.find(key)?.high ?? 0;
    const found = losses.recordsAmong(key, offered.highest(epoch, streamId, high) + 1, high);
    return found.filter(({ reasonCode }) => givenUp.has(reasonCode));
  }

  /**
   * Above, the numbers of these may stand for messages of the other database, and would not be taken for lost: they are lost under the
   * next numbers of the new epoch instead, behind those that are set aside.
   */
  #nameAnew(source: StreamKey, target: StreamKey, lost: readonly Loss[]): void {
    const { streams, losses } = this.#deps;
    for (const loss of lost) {
      const row = streams.find(target);
      if (row === undefined) throw new Error("assertion failed: the new epoch has every stream of the old one");
      const [first, last] = [row.high + 1, row.high + 1 + loss.last - loss.first];
      streams.change(target, { high: last, ranges: addInterval(row.ranges, first, last) });
      losses.add(target, row.priority, { ...loss, first, last });
      losses.withdraw(source, row.priority, [[loss.first, loss.last]]);
      losses.add(source, row.priority, lossOf([loss.first, loss.last], "renumbered"));
    }
  }

  #close(key: StreamKey, held: Holding): void {
    const { streams, losses } = this.#deps;
    const row = streams.find(key);
    if (row === undefined) return;
    const isCut = held.ranges.length === limits.rangesOnWire;
    const { ranges, delivered, presumedLost } = closeEpoch(row.ranges, held.ranges, isCut);
    streams.change(key, { ranges, delivered, high: ranges.at(-1)?.[1] ?? 0 });
    for (const range of presumedLost) losses.add(key, row.priority, lossOf(range, "presumed-lost"));
  }

  #move(source: StreamKey, target: StreamKey, segment: NumberedSegment): void {
    const { streams, segments, losses } = this.#deps;
    const { id, first, items, bytes, firstMs, lastMs } = segment;
    const row = streams.find(target);
    if (row === undefined) throw new Error("assertion failed: the new epoch has every stream of the old one");
    const next = contiguousEnd(row.ranges) + 1;
    segments.renumber(id, target, next);
    streams.change(source, { held: -items, heldBytes: -bytes, segments: -1 });
    streams.change(target, {
      held: items,
      heldBytes: bytes,
      segments: 1,
      ranges: addInterval(row.ranges, next, next + items - 1),
    });
    losses.add(source, row.priority, { ...lossOf([first, first + items - 1], "renumbered"), firstMs, lastMs });
  }

  /** Numbers that were set aside for what has gone since. */
  #giveBack(key: StreamKey, reserved: number): void {
    const { streams, losses } = this.#deps;
    const row = streams.find(key);
    if (row === undefined || reserved === 0) return;
    const unused = missingFrom(row.ranges, 1, reserved);
    if (countIntervals(unused) === 0) return;
    const ranges = unused.reduce((set, [first, last]) => addInterval(set, first, last), row.ranges);
    streams.change(key, { ranges });
    for (const range of unused) losses.add(key, row.priority, lossOf(range, "renumbered"));
  }
}

function lossOf([first, last]: Interval, reason: LossReason): Loss {
  return { first, last, reasonCode: lossReasonCodes[reason], bytes: 0, firstMs: 0, lastMs: 0 };
}
