// What the link to the parent, the links of children and the document store ask of a node's database.
import type { DatabaseSync } from "node:sqlite";
import type { NodeName } from "#shared/ids.ts";
import type { IntervalSet } from "#shared/journal/interval-set.ts";
import type { LossReason } from "#shared/journal/segment.ts";
import type { LowMark, Priority, StreamState } from "#shared/journal/stream.ts";
import type { Frame } from "#shared/journal/tree-clock.ts";
import type { AckedRanges, EncodedSegments } from "#shared/link/frames.ts";
import type { Holding } from "#shared/link/hello.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { ClockRepository } from "./clock-repository.ts";
import { FinalMarks } from "./final-marks.ts";
import { createFinalOperations } from "./final-operations.ts";
import { giveUp, keepBack, type RefusedArgs } from "./giving-up.ts";
import type { IdentityRepository } from "./identity-repository.ts";
import { createIntakeOperations, type IntakeOptions } from "./intake-operations.ts";
import { LossRepository } from "./loss-repository.ts";
import type { Nothing } from "./nothing.ts";
import type { OfferedNumbers } from "./offered-numbers.ts";
import { OutgoingReader, type OutgoingRequest, type SegmentRef } from "./outgoing-reader.ts";
import type { QuarantineRepository } from "./quarantine-repository.ts";
import { RetoldLosses } from "./retold-losses.ts";
import type { SegmentRepository, StoredSegment } from "./segment-repository.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository, StreamsAsked } from "./stream-repository.ts";

export interface OutgoingAnswer {
  /** Null: there is nothing to send now. */
  readonly found: {
    readonly priority: Priority;
    readonly segments: EncodedSegments;
    /** The ledger's description of every stream among the segments. */
    readonly streams: readonly StreamState[];
    readonly lows: readonly LowMark[];
  } | null;
  /** Priorities that were asked for and had nothing. */
  readonly dry: readonly Priority[];
  /** Segments whose body is not what was stored: to be given up. */
  readonly damaged: readonly SegmentRef[];
}

/** Messages that are named as lost now, and the id behind which no gap that says so stands. */
export interface GivenUp {
  readonly messages: number;
  readonly newestId: number;
}

export interface LinkRepositories {
  readonly offered: OfferedNumbers;
  readonly identity: IdentityRepository;
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly clocks: Pick<ClockRepository, "shiftOf" | "repaired" | "idOf">;
  readonly quarantined: QuarantineRepository;
  readonly hasher: Hasher;
}

interface Greeting extends StreamsAsked {
  readonly lows: readonly LowMark[];
  readonly parents: readonly NodeName[];
}

/** Numbers that someone else has now. */
export interface HandedOn extends AckedRanges {
  /**
   * When that was read which was handed on, no segment had a larger id. What has a larger one came since: where a gap was handed on, the
   * messages may have come after all, and nobody else has those. Absent: whatever is stored under the numbers.
   */
  readonly idMax?: number | undefined;
  /** The root says that it has these, or a gap for them: own messages that have come back from below may be what it lacks. */
  readonly isFromWelcome?: true;
}

interface GiveUpArgs extends SegmentRef {
  readonly reason: LossReason;
  readonly nowMs: number;
}

interface FollowingArgs {
  readonly id: number;
  readonly bytesMax: number;
  /** By what stamps of before the tree's time was known are repaired. */
  readonly stamps?: Frame;
  /** It is for the document store. */
  readonly drains?: true;
}

interface Following {
  readonly segments: readonly StoredSegment[];
  /** Ids of those whose bytes are not what was stored, when it is for the document store. */
  readonly damaged: readonly number[];
  readonly streams: readonly StreamState[];
}

export function createLinkOperations(
  database: DatabaseSync,
  { identity, offered, streams, segments, clocks, quarantined, hasher }: LinkRepositories,
  options: Omit<IntakeOptions, "epoch">,
) {
  const { name, isFinal } = options;
  const outgoing = new OutgoingReader({ streams, segments, clocks, hasher }, name);
  const losses = new LossRepository(database, streams, segments.ids, (key) => outgoing.sentOf(key));
  const repositories = { streams, segments, losses, quarantined, outgoing };
  const intake = createIntakeOperations(
    database,
    { streams, segments, losses, clocks, hasher },
    { ...options, epoch: () => identity.epoch() },
  );
  const finals = new FinalMarks(streams, segments, isFinal);
  const retold = new RetoldLosses(database, { identity, losses });

  const finalOperations = createFinalOperations(
    { identity, streams, segments, losses, outgoing, finals, offered, retold, isRoot: isFinal },
    name,
  );

  const writes = {
    ...intake.writes,
    ...finalOperations.writes,

    /** Names some more of what is lost to a parent that may not know; answers the newest id. `retelling` says whether there is any. */
    retell(_args: Nothing) {
      const more = retold.step();
      return { more, newestId: segments.newestId() };
    },

    /**
     * Deletes what was handed on and confirmed; of class final it stays until the root's mark has passed it. `arrival`: the highest of
     * what the document store has confirmed.
     */
    forget(args: { readonly acked: readonly HandedOn[]; readonly arrival?: number }): number {
      let delivered = 0;
      if (args.arrival !== undefined) identity.storedUpTo(args.arrival);
      for (const { origin, epoch: of, streamId, ranges: told, idMax, isFromWelcome } of args.acked) {
        const key = { origin: streams.originId(origin, of), stream: streamId };
        const row = streams.find(key);
        const ranges = isFromWelcome === true ? segments.withoutReturned(key, told) : told;
        const isOwn = origin === name;
        if (row !== undefined && finals.keeps(row)) delivered += finals.handOn(key, row, ranges, isOwn, idMax);
        else delivered += segments.forget(key, ranges, isOwn, idMax);
        outgoing.forget(key, ranges);
      }
      return delivered;
    },

    /** Gives up a stored segment. Answers how many messages it had: 0 when it is gone already. */
    quarantine(args: GiveUpArgs): GivenUp {
      const messages = giveUp(repositories, args, args.reason, args.nowMs);
      return { messages, newestId: segments.newestId() };
    },

    /** The parent did not take these. Answers how many messages were given up for that. */
    refused(args: RefusedArgs): GivenUp {
      const messages = keepBack(repositories, args);
      return { messages, newestId: segments.newestId() };
    },
  };

  const reads = {
    ...finalOperations.reads,

    /** What goes to the parent next. */
    outgoing(args: OutgoingRequest): OutgoingAnswer {
      const { found, dry, damaged } = outgoing.read(args);
      if (found === null) return { found, dry, damaged };
      return { found: { ...found, ...describe(found.streams) }, dry, damaged };
    },

    after(args: FollowingArgs): Following {
      const found = segments.readAfter(args.id, args.bytesMax);
      const damaged = args.drains === true ? damagedAmong(found, hasher) : [];
      return { segments: repairedAll(found, args.stamps), damaged, streams: describe(found).streams };
    },

    retelling(_args: Nothing): boolean {
      return retold.isUnderWay;
    },

    /** What may have grown since an answer of `greeting` or this with that number. */
    streamsSince(args: { readonly asked: number }): StreamsAsked {
      return streams.statesSince(args.asked);
    },

    /** All streams, with the low marks of the own ones and the parents that this node has had, for a hello. */
    greeting(_args: Nothing): Greeting {
      const states = streams.states();
      return { ...states, lows: lowsOf(states.streams), parents: identity.parents() };
    },

    /** What this node holds of `node`'s own streams. */
    holdings(args: { readonly node: string }): readonly Holding[] {
      const marks = streams.marks(args.node);
      return streams.ledger(args.node).map(({ epoch: of, streamId, ranges }) => {
        const mark = marks.find((one) => one.epoch === of && one.streamId === streamId);
        return { epoch: of, streamId, ranges, ...(mark === undefined ? {} : { mark }) };
      });
    },
  };

  const sentOf = (key: StreamKey): IntervalSet => outgoing.sentOf(key);
  const releaseOthers = (): void => finals.releaseOthers();
  return { writes, reads, rolledBack: () => intake.rolledBack(), releaseOthers, losses, sentOf };

  function repairedAll(found: readonly StoredSegment[], stamps: Frame | undefined): readonly StoredSegment[] {
    return stamps === undefined ? found : found.map((segment) => clocks.repaired(segment, stamps));
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

function damagedAmong(found: readonly StoredSegment[], hasher: Hasher): readonly number[] {
  return found.filter(({ body, crc }) => body !== null && hasher.crc32(body) !== crc).map(({ id }) => id);
}
