// What this database knows of the own numbers that a parent holds: by that it can find out that it is not the only one that gave them.
import type { OwnNumbers, OwnMark } from "#shared/link/identity-check.ts";
import type { Holding } from "#shared/link/hello.ts";
import type { Epochs } from "./epochs.ts";
import type { OfferedNumbers } from "./offered-numbers.ts";
import type { SegmentRepository } from "./segment-repository.ts";
import type { StreamRepository } from "./stream-repository.ts";

export interface IdentityEvidenceDeps {
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly epochs: Epochs;
  readonly offered: OfferedNumbers;
}

export interface IdentityEvidence {
  readonly own: readonly OwnNumbers[];
  /** Of own segments that end where the parent's marks say, what this node knows itself. */
  readonly marks: readonly OwnMark[];
}

/** `name`: whose database this is. */
export function createIdentityReads({ streams, segments, epochs, offered }: IdentityEvidenceDeps, name: string) {
  return {
    /** Of the streams that the parent says it `holds` numbers of. */
    evidence({ holds }: { readonly holds: readonly Holding[] }): IdentityEvidence {
      const own = [...new Set(holds.map(({ epoch }) => epoch))].flatMap(ownOf);
      return { own, marks: marksOf(own, holds) };
    },
  };

  function ownOf(epoch: number): readonly OwnNumbers[] {
    const states = streams.statesOf(name, epoch);
    if (states.length === 0) return [];
    const isWaiting = epochs.isWaiting(epoch);
    return states.map(({ streamId, high }) => {
      return { epoch, streamId, high, offered: offered.highest(epoch, streamId, high), isWaiting };
    });
  }

  function marksOf(own: readonly OwnNumbers[], holds: readonly Holding[]): readonly OwnMark[] {
    const known = streams.marks(name);
    return holds.flatMap(({ epoch, streamId, mark }) => {
      if (mark === undefined || !own.some((one) => one.epoch === epoch && one.streamId === streamId)) return [];
      const key = { origin: streams.originId(name, epoch), stream: streamId };
      const stored = segments.endingWith(key, mark.last);
      if (stored !== undefined) return [{ epoch, streamId, last: mark.last, ...stored }];
      return known.filter((one) => one.epoch === epoch && one.streamId === streamId && one.last === mark.last);
    });
  }
}
