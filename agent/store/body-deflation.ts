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

/** The segment with its plain body. Undefined when it cannot be inflated, or would be larger than any body is. */
export function inflated(segment: WireSegment): WireSegment | undefined {
  if (segment.body === null || (segment.flags & segmentFlags.deflate) === 0) return segment;
  try {
    const body = inflateRawSync(segment.body, { maxOutputLength: limits.frameBytes });
    return { ...segment, body, flags: segment.flags & ~segmentFlags.deflate };
  } catch {
    return undefined;
  }
}
