// What a node asks of its database about streams of class final: how far the root has them, and what has to be handed on again.
import type { NodeName } from "#shared/ids.ts";
import type { FinalHolding, FinalMark, Shortage } from "#shared/link/final-news.ts";
import type { Holding } from "#shared/link/hello.ts";
import { limits } from "#shared/limits.ts";
import type { FinalMarks } from "./final-marks.ts";
import { GoneFinals } from "./gone-finals.ts";
import type { IdentityRepository } from "./identity-repository.ts";
import type { Nothing } from "./nothing.ts";
import type { LossRepository } from "./loss-repository.ts";
import type { OfferedNumbers } from "./offered-numbers.ts";
import type { OutgoingReader } from "./outgoing-reader.ts";
import type { RetoldLosses } from "./retold-losses.ts";
import type { SegmentRepository } from "./segment-repository.ts";
import type { StreamRepository } from "./stream-repository.ts";

export interface FinalOperationsDeps {
  readonly identity: IdentityRepository;
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly losses: LossRepository;
  readonly outgoing: OutgoingReader;
  readonly finals: FinalMarks;
  readonly offered: OfferedNumbers;
  readonly retold: RetoldLosses;
  readonly isRoot: boolean;
}

/** `name`: whose database this is. */
export function createFinalOperations(deps: FinalOperationsDeps, name: NodeName) {
  const { identity, streams, segments, losses, outgoing, finals, offered, retold, isRoot } = deps;
  const gone = new GoneFinals({ streams, segments, losses }, name);

  const writes = {
    /** The root's marks, as the parent passed them on: what they have passed is deleted here too. */
    settleFinal(args: { readonly marks: readonly FinalMark[] }): number {
      return args.marks.reduce((sum, mark) => sum + finals.settle(mark, name), 0);
    },

    /** Whose child this node is now. Another database than the last time has nothing of what was only handed on: it goes again. */
    meet(args: {
      readonly parent: string;
      readonly instance: number;
      readonly holds?: readonly Holding[];
      readonly relayed?: readonly FinalHolding[];
    }) {
      // An older copy that was put back unseen has the same instance, and lacks what was handed to it since.
      const own = (args.holds ?? []).map((held): FinalHolding => ({ ...held, origin: name }));
      const lacks = [...own, ...(args.relayed ?? [])].some((held) => finals.isShort(held));
      const isOther = identity.meet(args.parent, args.instance) || lacks;
      offered.end();
      if (isOther && args.holds !== undefined) gone.nameLacking(args.holds);
      if (isOther) finals.handOnAgain();
      if (isOther && !isRoot) retold.begin();
      return { isOther, parents: identity.parents(), newestId: isOther ? segments.newestId() : 0 };
    },

    /** The parent is short of these messages of class final: they go again, or are named as lost. */
    handOnOnce(args: { readonly wanted: readonly Shortage[] }): { readonly newestId: number } {
      for (const shortage of args.wanted) {
        finals.handOnOnce(shortage, losses);
        if (shortage.origin === name) gone.nameWanted(shortage);
        const { origin, epoch: of, streamId: stream, ranges } = shortage;
        if (streams.state(origin, of, stream) !== undefined)
          outgoing.forget({ origin: streams.originId(origin, of), stream }, ranges);
      }
      return { newestId: segments.newestId() };
    },
  };

  const reads = {
    /** What those below are to hand on once more. */
    shortages(_args: Nothing): readonly Shortage[] {
      return finals.shortages(name, losses);
    },

    /** What this node has had of these, for a child that may have handed them on to it: of many ranges the newest, and not too many in all. */
    finalHoldings(args: { readonly streams: readonly Omit<FinalHolding, "ranges">[] }): readonly FinalHolding[] {
      let told = 0;
      return args.streams.flatMap(({ origin, epoch, streamId }) => {
        const key = streams.keyOf(origin, epoch, streamId);
        const row = key && streams.find(key);
        if (row === undefined || told >= limits.finalRangesTold) return [];
        const ranges = row.ranges.slice(-limits.rangesOnWire);
        told += ranges.length;
        return [{ origin, epoch, streamId, ranges }];
      });
    },

    /** How far streams of class final are stored at the root, for the children. */
    finalMarks(_args: Nothing): readonly FinalMark[] {
      return finals.all();
    },
  };

  return { writes, reads };
}
