// What a node asks of its database about itself: who it is, and who it goes on as when another database gives its numbers.
import type { NodeName } from "#shared/ids.ts";
import type { Fingerprint, Renewal } from "#shared/journal/fingerprint.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import type { Holding } from "#shared/link/hello.ts";
import type { DataHolding } from "#shared/system/document-store.ts";
import type { ChildRepository, ChildRow } from "./child-repository.ts";
import type { ClockRepository } from "./clock-repository.ts";
import type { Epochs } from "./epochs.ts";
import type { CursorName, IdentityRepository, NodeIdentity } from "./identity-repository.ts";
import type { Nothing } from "./nothing.ts";
import type { OfferedNumbers } from "./offered-numbers.ts";
import type { SegmentRepository } from "./segment-repository.ts";
import type { StreamBounds } from "./stream-bounds.ts";
import type { StreamRepository } from "./stream-repository.ts";

/** A stream of this node's own messages; its number is given once and kept. */
export type OwnStream = Omit<StreamState, "origin" | "epoch" | "high" | "streamId"> & StreamBounds;

export interface Opened {
  readonly identity: NodeIdentity;
  readonly cursors: Readonly<Record<CursorName, number>>;
  readonly newestId: number;
  /** As they were when this node stopped. */
  readonly children: readonly ChildRow[];
  /** Numbers of the own streams, in the order they were asked for. */
  readonly streamIds: readonly number[];
  /** Whose child this node has been, the latest first. */
  readonly parents: readonly NodeName[];
  /** Why this database has taken a new epoch and instance, if it has. */
  readonly renewed: Renewal | undefined;
  /** The document store may have what this database does not know of: `adopt` has to follow, before anything else. */
  readonly adopts: boolean;
  /** The life of the node before this one, if there was any. Milliseconds since 1970; not stopped: it was killed. */
  readonly earlier?: { readonly beganMs: number; readonly stoppedMs: number | undefined };
}

export interface IdentityOperationsDeps {
  readonly identity: IdentityRepository;
  readonly offered: OfferedNumbers;
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly children: ChildRepository;
  readonly clocks: ClockRepository;
  readonly epochs: Epochs;
  /** Hears of the own streams as they are configured. */
  readonly configured: (streams: readonly OwnStream[], nowMs: number) => void;
  /** Hears up to which id the document store may have segments that are still here. */
  readonly storedUpTo: (id: number) => void;
}

/** Counter that is 1 from the opening of a database that knows less than the documents may have until it knows it. */
const adopting = "adopting";
/** When the node was started, and when it was stopped: 0 while it runs. Milliseconds since 1970. */
const started = "started";
const stopped = "stopped";

/** `name`: whose database this is. */
export function createIdentityOperations(deps: IdentityOperationsDeps, name: NodeName) {
  const { identity, offered, streams, segments, children, clocks, epochs, configured, storedUpTo } = deps;
  return {
    /**
     * First of all: who this database is. `fresh` is used for a new file, and for one that is not where it was. `bootId`: of the
     * operating system, or of this process where that has none. `hasDocuments`: what leaves this journal goes into a document store;
     * `idsAbove`: the highest id of a segment that this one has, else 0.
     */
    open(args: {
      readonly fresh: NodeIdentity;
      readonly fingerprint?: Fingerprint;
      readonly bootId?: string;
      readonly streams: readonly OwnStream[];
      readonly nowMs: number;
      readonly idsAbove: number;
      readonly hasDocuments?: boolean;
    }): Opened {
      // New, or so damaged that it has to start a new life.
      const isNew = identity.isNew();
      const { identity: known, renewed } = identity.open(name, args.fresh, args.fingerprint);
      if (args.hasDocuments === true && (isNew || renewed === "other-file")) identity.setCounter(adopting, 1);
      const adopts = identity.counter(adopting) === 1;
      clocks.begin(args.bootId ?? "");
      // Before the streams are numbered: they keep the numbers that they have.
      epochs.resume(args.nowMs);
      const { epoch } = known;
      const streamIds = args.streams.map((stream) => {
        const streamId = streams.numberOf(name, epoch, stream.name);
        streams.describe({ ...stream, streamId, origin: name, epoch, high: 0 }, args.nowMs);
        return streamId;
      });
      offered.begin();
      configured(args.streams, args.nowMs);
      segments.ids.raise(args.idsAbove);
      storedUpTo(args.idsAbove);
      const cursors = { "fan-out": identity.cursor("fan-out"), sink: identity.cursor("sink") };
      const newestId = segments.newestId();
      const before = children.all();
      children.loseAll(args.nowMs);
      const parents = identity.parents();
      const earlier = beginLife(identity, args.nowMs);
      return { identity: known, renewed, adopts, cursors, newestId, children: before, streamIds, parents, ...earlier };
    },

    /** The node stops on purpose. */
    endLife(args: { readonly nowMs: number }): null {
      identity.setCounter(stopped, args.nowMs);
      return null;
    },

    /** Counts as delivered what the document store has. `isLast`: that was all. */
    adopt(args: { readonly holdings: readonly DataHolding[]; readonly isLast: boolean }): null {
      for (const holding of args.holdings) streams.adopt(holding);
      if (args.isLast) identity.setCounter(adopting, 0);
      return null;
    },

    /**
     * Another database gives numbers in an epoch of this one, `of` (the present one, when it is not said): takes a new one, for what is
     * stored and not acknowledged of that, and for what comes. `holds`: what the parent has.
     */
    renewEpoch(args: {
      readonly fresh: Pick<NodeIdentity, "epoch" | "instance">;
      readonly of?: number;
      readonly holds: readonly Holding[];
      readonly nowMs: number;
    }): { readonly identity: NodeIdentity; readonly newestId: number } {
      epochs.renew(args.of ?? identity.epoch(), args.fresh, args.holds, args.nowMs);
      offered.begin();
      return { identity: identity.current(), newestId: segments.newestId() };
    },

    /** To be repeated until it answers that all is done, before anything is handed on. */
    renumber(_args: Nothing): { readonly isDone: boolean; readonly newestId: number } {
      return { isDone: epochs.renumber(), newestId: segments.newestId() };
    },
  };
}

function beginLife(identity: IdentityRepository, nowMs: number): Pick<Opened, "earlier"> {
  const beganMs = identity.counter(started);
  const stoppedMs = identity.counter(stopped);
  identity.setCounter(started, nowMs);
  identity.setCounter(stopped, 0);
  return beganMs === 0 ? {} : { earlier: { beganMs, stoppedMs: stoppedMs === 0 ? undefined : stoppedMs } };
}
