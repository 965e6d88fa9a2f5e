// What keeps the journal within its bounds: room for what comes, age, small segments made into full ones, holes that are closed, old
// epochs that are forgotten. See eviction.ts, expiry.ts, compaction.ts, hole-watch.ts and forgotten-epochs.ts.
import type { DatabaseSync } from "node:sqlite";
import type { Hasher } from "#shared/system/hasher.ts";
import type { Budget } from "./budget.ts";
import { Compaction } from "./compaction.ts";
import { Eviction, type Demand } from "./eviction.ts";
import { Expiry } from "./expiry.ts";
import { ForgottenEpochs, type ForgottenEpoch } from "./forgotten-epochs.ts";
import { HoleWatch, type HoleReview } from "./hole-watch.ts";
import { IdentityRepository } from "./identity-repository.ts";
import type { Nothing } from "./nothing.ts";
import type { LossRepository, SentNumbers } from "./loss-repository.ts";
import type { QuarantineRepository } from "./quarantine-repository.ts";
import { SegmentRemoval, type RemovedTotal } from "./segment-removal.ts";
import { OwnStreamBounds, type StreamBounds } from "./stream-bounds.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository } from "./stream-repository.ts";
import { StreamWeights } from "./stream-weights.ts";

export interface StoreUsage {
  readonly usedBytes: number;
  readonly maxBytes: number;
  /** Nothing new is taken, and nothing gives way for it: only the reserve for deletes and gap rows is left. */
  readonly full: boolean;
  /** Something would give way for what is new. */
  readonly yields: boolean;
}

export interface UpkeepDeps {
  readonly streams: StreamRepository;
  readonly losses: LossRepository;
  readonly quarantined: QuarantineRepository;
  readonly hasher: Hasher;
  readonly budget: Budget;
  readonly sentOf: SentNumbers;
  /** Segments up to this id have been published to local subscribers. */
  readonly publishedId: () => number;
  /** The largest id ever given to a segment. */
  readonly newestId: () => number;
  /** Milliseconds that never step. */
  readonly monotonic: () => number;
}

/** How long this node has run, over its restarts, milliseconds: no clock that is set changes it. */
const ranCounter = "ran-ms";

/** `name`: whose database this is. `isFinal`: a root, which holds back what comes from below instead of losing some of it. */
export function createUpkeepOperations(
  database: DatabaseSync,
  deps: UpkeepDeps,
  { name, isFinal }: { readonly name: string; readonly isFinal: boolean },
) {
  const { budget, quarantined, sentOf, monotonic } = deps;
  const bounds = new OwnStreamBounds(name);
  const weights = new StreamWeights(database, bounds);
  const removal = new SegmentRemoval(database, deps, sentOf);
  /** The tree's time as it was last told. */
  let told = { nowMs: 0, atMs: monotonic() };
  const now = (): number => told.nowMs + monotonic() - told.atMs;
  const eviction = new Eviction({
    budget,
    weights,
    removal,
    quarantined,
    bounds,
    now,
    self: name,
    ...(isFinal && { onlyOf: name }),
  });
  const expiry = new Expiry({ weights, removal, bounds });
  const identity = new IdentityRepository(database);
  const holes = new HoleWatch(database, deps, isFinal);
  const oldEpochs = new ForgottenEpochs(database, deps.streams, name);
  // A root numbers arrivals by the ids of segments and the places inside: both stay as they are.
  const compaction = isFinal ? undefined : new Compaction(database, deps);

  return {
    /** Tells what the configuration says of the own streams, and the time. */
    configure(streams: readonly ({ readonly name: string } & StreamBounds)[], nowMs: number): void {
      bounds.set(streams);
      told = { nowMs, atMs: monotonic() };
    },
    eviction,
    /** What a stream is, as far as its rank goes. */
    traits: (...stream: Parameters<StreamWeights["find"]>) => weights.find(...stream),
    writes: {
      /** One step of making room; answers how many segments went. */
      evict(args: { readonly demands: readonly Demand[] }): number {
        return eviction.step(args.demands);
      },

      /** Takes out some of what is too old; `nowMs` is the tree's time. With gaps to hand on it answers the newest id. */
      expire(args: { readonly nowMs: number }): { readonly more: boolean; readonly newestId: number } {
        told = { nowMs: args.nowMs, atMs: monotonic() };
        const { segments, more } = expiry.run(args.nowMs);
        return { more, newestId: segments === 0 ? 0 : deps.newestId() };
      },

      /**
       * Makes some full segments of small ones. Answers the newest id: what gave way to a message that was refused after all has left a
       * gap of which nobody has been told.
       */
      compact(_args: Nothing): { readonly more: boolean; readonly newestId: number } {
        return { more: compaction?.run() ?? false, newestId: deps.newestId() };
      },

      /**
       * Looks at the holes in some streams, from the first ones on when `after` is null. `ranMs`: for how long the node has run since the
       * last time that was counted. With gaps to hand on it answers the newest id, else 0.
       */
      reviewHoles(args: {
        readonly after: StreamKey | null;
        readonly ranMs: number;
      }): HoleReview & { readonly newestId: number } {
        const ranMs = identity.counter(ranCounter) + args.ranMs;
        if (args.ranMs > 0) identity.setCounter(ranCounter, ranMs);
        const review = holes.review(args.after, ranMs);
        return { ...review, newestId: review.presumedLost === 0 ? 0 : deps.newestId() };
      },

      /** Forgets some old epochs; none: there are no more. `nowMs`: of this node's own clock. */
      forgetEpochs(args: { readonly nowMs: number }): readonly ForgottenEpoch[] {
        return oldEpochs.forget(args.nowMs);
      },
    },
    reads: {
      /** What went for want of room or for its age since the node was started. */
      removed(_args: Nothing): readonly RemovedTotal[] {
        return removal.totals();
      },

      usage(_args: Nothing): StoreUsage {
        return {
          usedBytes: budget.usedBytes(),
          maxBytes: budget.maxBytes,
          full: eviction.isFull(),
          yields: eviction.mayYield(),
        };
      },
    },
    /** The document store is about to be given segments up to that id. */
    drainsTo: (id: number) => removal.drainsTo(id),
    rolledBack: () => removal.rolledBack(),
  };
}
