// A stored segment as it goes on the wire: marked as historical, its times put right.
import { segmentFlags } from "#shared/journal/segment.ts";
import type { Repair } from "#shared/journal/tree-clock.ts";
import { shiftedTime, shiftTimes } from "#shared/journal/shift-times.ts";
import type { WireSegment } from "#shared/link/frames.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { OutgoingRow } from "./segment-repository.ts";

/** `historicalTo`: the last id that was stored before the session began. Undefined when the body is not what was stored. */
export function outgoingSegment(
  row: OutgoingRow,
  hasher: Hasher,
  repair: Repair | undefined,
  historicalTo: number,
): WireSegment | undefined {
  const { id, clock: _clock, ...stored } = row;
  if (stored.body !== null && hasher.crc32(stored.body) !== stored.crc) return undefined;
  const historical = id <= historicalTo ? segmentFlags.historical : 0;
  const segment: WireSegment = { ...stored, flags: stored.flags | historical };
  return repair === undefined ? segment : repaired(segment, hasher, repair);
}

/** The segment with the times and flags that it is handed on with. A body that is not made of items is for the next to refuse. */
export function repaired<Segment extends WireSegment>(segment: Segment, hasher: Hasher, repair: Repair): Segment {
  const { shiftMs, synced, isAdrift } = repair;
  const marks = (synced ? 0 : segmentFlags.unsynced) | (isAdrift ? segmentFlags.adrift : 0);
  const flags = (segment.flags & ~segmentFlags.unsynced) | marks;
  const body = segment.body === null || shiftMs === 0 ? undefined : shiftTimes(segment.body, segment.items, shiftMs);
  if (body === undefined) return { ...segment, flags };
  const firstMs = shiftedTime(segment.firstMs, shiftMs);
  const lastMs = shiftedTime(segment.lastMs, shiftMs);
  return { ...segment, flags, firstMs, lastMs, body, crc: hasher.crc32(body) };
}
