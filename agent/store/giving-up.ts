// Gives up segments that cannot be handed on, so that they hold up nothing else: their numbers are named as lost, their bodies put aside.
import { lossReasonCodes, type LossReason } from "#shared/journal/segment.ts";
import type { NakCode } from "#shared/link/frames.ts";
import { limits } from "#shared/limits.ts";
import type { LossRepository } from "./loss-repository.ts";
import type { OutgoingReader, SegmentRef } from "./outgoing-reader.ts";
import type { QuarantineRepository } from "./quarantine-repository.ts";
import type { SegmentRepository } from "./segment-repository.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository } from "./stream-repository.ts";

export interface GivingUpDeps {
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly losses: LossRepository;
  readonly quarantined: QuarantineRepository;
  readonly outgoing: OutgoingReader;
}

export interface RefusedArgs {
  readonly naks: readonly (SegmentRef & { readonly code: NakCode })[];
  /** For the record, and by the sender's monotonic clock. */
  readonly nowMs: number;
  readonly monotonicMs: number;
}

/** Names the segment's numbers as lost. Answers how many those are: 0 when it is gone already, or a gap itself. */
export function giveUp(deps: GivingUpDeps, ref: SegmentRef, reason: LossReason, nowMs: number): number {
  const { streams, segments, losses, quarantined, outgoing } = deps;
  const key = keyOf(deps, ref);
  const segment = segments.find(key, ref.first);
  const row = streams.find(key);
  if (segment === undefined || row === undefined || segment.body === null) return 0;
  const { id, first, items, firstMs, lastMs, body } = segment;
  const last = first + items - 1;
  const reasonCode = lossReasonCodes[reason];
  // In this order: a full file has no room for both, and of class final everything there may wait for this one.
  segments.remove(id);
  quarantined.keep(key, segment, reasonCode, nowMs);
  streams.change(key, { held: -items, heldBytes: -body.length, segments: -1 });
  losses.add(key, row.priority, { first, last, reasonCode, bytes: body.length, firstMs, lastMs });
  outgoing.forget(key, [[first, last]]);
  return items;
}

/**
 * What the parent did not take is kept back for a while, and given up when that has happened too often. Answers how many messages were.
 * Of class final, what the root's mark has passed goes at once, and is delivered.
 * Where the parent hears the origin elsewhere, the news that it was here may be on its way: that is never given up.
 */
export function keepBack(deps: GivingUpDeps, { naks, nowMs, monotonicMs }: RefusedArgs): number {
  let given = 0;
  for (const nak of naks) {
    const key = keyOf(deps, nak);
    const items = deps.segments.itemsOf(key, nak.first);
    if (items === undefined) continue;
    const last = nak.first + items - 1;
    const row = deps.streams.find(key);
    if (row?.class === "final" && last <= row.finalMark) {
      // The root waits for none of it.
      deps.segments.forget(key, [[nak.first, last]]);
      deps.outgoing.forget(key, [[nak.first, last]]);
      continue;
    }
    // That it is live elsewhere may change within seconds.
    const uncountedMs = nak.code === "elsewhere" ? limits.elsewherePauseMs : undefined;
    const times = deps.outgoing.refuse(key, [nak.first, last], monotonicMs, uncountedMs);
    // A place in the parent's ledger may become free: it says nothing against the segment.
    if (times < limits.refusalsMax || nak.code === "no-place") continue;
    given += giveUp(deps, nak, nak.code === "not-below" ? "rejected" : "corrupt", nowMs);
  }
  return given;
}

function keyOf({ streams }: GivingUpDeps, { origin, epoch, streamId }: SegmentRef): StreamKey {
  return { origin: streams.originId(origin, epoch), stream: streamId };
}
