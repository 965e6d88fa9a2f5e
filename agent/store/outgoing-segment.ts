// A stored segment as it goes on the wire: marked as historical, its times put right.
import { segmentFlags } from "#shared/journal/segment.ts";
import { shiftedTime, shiftTimes } from "#shared/journal/shift-times.ts";
import type { WireSegment } from "#shared/link/frames.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { OutgoingRow } from "./segment-repository.ts";

/** How far the times that were stamped by a clock of this node are to be moved; `synced`: to the time of a root. */
export interface ClockShift {
  readonly shiftMs: number;
  readonly synced: boolean;
}

/** By the row of `clock`; undefined while nothing is known of it. */
export type ShiftOf = (clockId: number) => ClockShift | undefined;

/** `historicalTo`: the last id that was stored before the session began. Undefined when the body is not what was stored. */
export function outgoingSegment(
  row: OutgoingRow,
  hasher: Hasher,
  shiftOf: ShiftOf,
  historicalTo: number,
): WireSegment | undefined {
  const { id, clock, ...stored } = row;
  if (stored.body !== null && hasher.crc32(stored.body) !== stored.crc) return undefined;
  const historical = id <= historicalTo ? segmentFlags.historical : 0;
  const segment: WireSegment = { ...stored, flags: stored.flags | historical };
  return clock === 0 ? segment : repaired(segment, hasher, shiftOf(clock));
}

function repaired(segment: WireSegment, hasher: Hasher, shift: ClockShift | undefined): WireSegment {
  const { shiftMs, synced } = shift ?? { shiftMs: 0, synced: false };
  const flags = synced ? segment.flags : segment.flags | segmentFlags.unsynced;
  if (shiftMs === 0) return { ...segment, flags };
  const body = segment.body === null ? null : shiftTimes(segment.body, segment.items, shiftMs);
  // A body that is not made of items is for the parent to refuse.
  if (body === undefined) return { ...segment, flags };
  const firstMs = shiftedTime(segment.firstMs, shiftMs);
  const lastMs = shiftedTime(segment.lastMs, shiftMs);
  return { ...segment, flags, firstMs, lastMs, body, crc: body === null ? segment.crc : hasher.crc32(body) };
}
