// Bodies of segments as they cross a slow link: raw deflate (RFC 1951), on the wire alone.
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { segmentFlags } from "#shared/journal/segment.ts";
import type { WireSegment } from "#shared/link/frames.ts";
import { limits } from "#shared/limits.ts";

/** Below this there is nothing to gain. */
const bodyBytesMin = 128;

/** The segment with its body deflated, or as it is when that is not smaller. */
export function deflated(segment: WireSegment): WireSegment {
  if (segment.body === null || segment.body.length < bodyBytesMin) return segment;
  const body = deflateRawSync(segment.body, { level: 1 });
  return body.length < segment.body.length
    ? { ...segment, body, flags: segment.flags | segmentFlags.deflate }
    : segment;
}

/**
 * The segments of one batch with their plain bodies, as far as these can be inflated: one that would be larger than any body is, or for
 * which the batch has too much, stays as it is. Bounded together: a few bytes on the wire could fill the memory.
 */
export function inflatedSegments(segments: readonly WireSegment[]): readonly WireSegment[] {
  let bytesLeft: number = limits.inflatedBytesOfBatch;
  return segments.map((segment) => {
    if (segment.body === null || (segment.flags & segmentFlags.deflate) === 0) return segment;
    const most = Math.min(limits.bodyBytes, bytesLeft);
    if (most === 0) return segment;
    try {
      const body = inflateRawSync(segment.body, { maxOutputLength: most });
      bytesLeft -= body.length;
      return { ...segment, body, flags: segment.flags & ~segmentFlags.deflate };
    } catch {
      // What was unpacked in vain has cost as much.
      bytesLeft -= most;
      return segment;
    }
  });
}
