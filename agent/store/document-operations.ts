// What a root asks of its database about the document store: the ledger says that a message is stored there, and damage may have taken
// it away since.
import { addInterval, countIntervals, missingFrom, type IntervalSet } from "#shared/journal/interval-set.ts";
import type { LedgerRow } from "#shared/journal/ledger.ts";
import { lossReasonCodes, type LossReason } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";
import type { IdentityRepository } from "./identity-repository.ts";
import type { Nothing } from "./nothing.ts";
import type { LossRepository } from "./loss-repository.ts";
import type { SegmentRepository } from "./segment-repository.ts";
import type { StreamRepository } from "./stream-repository.ts";

export interface DocumentOperationsDeps {
  readonly identity: IdentityRepository;
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly losses: LossRepository;
}

/** A document store, and how far it goes. */
export interface DocumentsState {
  readonly instance: number;
  /** The highest arrival that is stored there. */
  readonly arrival: number;
}

export interface DocumentsChecked {
  /** The damaged file whose losses have been named last. */
  readonly damaged: string | undefined;
  /** What this node has drained into; undefined: it has never looked. */
  readonly known: DocumentsState | undefined;
  /** This node has had a parent: what its ledger calls delivered may be there. */
  readonly hasHadParent: boolean;
}

type StreamName = Pick<LedgerRow, "origin" | "epoch" | "streamId">;

const keptTold = "kept-told";

export function createDocumentOperations({ identity, streams, segments, losses }: DocumentOperationsDeps) {
  return {
    writes: {
      /** Names as lost what has left the journal for the document store and is not among `stored`. Answers how many messages. */
      nameUnstored(args: {
        readonly origin: string;
        readonly epoch: number;
        readonly streamId: number;
        readonly stored: IntervalSet;
        readonly reason: LossReason;
      }): number {
        const key = { origin: streams.originId(args.origin, args.epoch), stream: args.streamId };
        const row = streams.find(key);
        if (row === undefined || row.high === 0) return 0;
        const accounted = [segments.storedAmong(key, 1, row.high), losses.among(key, 1, row.high), args.stored];
        const gone = row.ranges.flatMap(([first, last]) => missingFrom(union(accounted), first, last));
        for (const [first, last] of gone) {
          losses.add(key, row.priority, {
            first,
            last,
            reasonCode: lossReasonCodes[args.reason],
            bytes: 0,
            firstMs: 0,
            lastMs: 0,
          });
        }
        const messages = countIntervals(gone);
        streams.change(key, { delivered: -messages });
        return messages;
      },

      /** Tells the nodes above that they need not wait for these: a former root, this node, has stored them for good. */
      nameKept(args: StreamName & { readonly ranges: IntervalSet }): { readonly newestId: number } {
        const key = streams.keyOf(args.origin, args.epoch, args.streamId);
        const row = key && streams.find(key);
        const reasonCode = lossReasonCodes["kept-below"];
        if (key !== undefined && row !== undefined) {
          for (const [first, last] of args.ranges)
            losses.passOn(key, row.priority, { first, last, reasonCode, bytes: 0, firstMs: 0, lastMs: 0 });
        }
        return { newestId: segments.newestId() };
      },

      /** Names to the nodes above all that is lost of a stream. */
      repeatLost(args: StreamName): { readonly newestId: number } {
        const key = streams.keyOf(args.origin, args.epoch, args.streamId);
        const row = key && streams.find(key);
        if (key !== undefined && row !== undefined) {
          for (let from: number | undefined = 1; from !== undefined;)
            from = losses.repeat(key, row.priority, from, limits.upkeepSegments).next;
        }
        return { newestId: segments.newestId() };
      },

      /** The nodes above have been told of documents up to that arrival. */
      keptToldTo(args: { readonly arrival: number }): null {
        identity.setCounter(keptTold, args.arrival);
        return null;
      },

      documentsChecked(args: { readonly damaged: string | undefined; readonly state: DocumentsState }): null {
        if (args.damaged !== undefined) identity.setCheckedDocuments(args.damaged);
        identity.setKnownDocuments(args.state);
        return null;
      },
    },
    reads: {
      /** Up to which arrival the nodes above have been told of documents. */
      keptTold(_args: Nothing): number {
        return identity.counter(keptTold);
      },

      checkedDocuments(_args: Nothing): DocumentsChecked {
        return {
          damaged: identity.checkedDocuments(),
          known: identity.knownDocuments(),
          hasHadParent: identity.hasMet(),
        };
      },
    },
  };
}

function union(sets: readonly IntervalSet[]): IntervalSet {
  const [largest = [], ...others] = sets.toSorted((a, b) => b.length - a.length);
  return others.flat().reduce((set, [first, last]) => addInterval(set, first, last), largest);
}
