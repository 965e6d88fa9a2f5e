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

/** Inflates the bodies of one batch, which are bounded together: a few bytes on the wire could fill the memory. */
export class BatchInflation {
  #bytesLeft = limits.inflatedBytesOfBatch;

  /** The segment with its plain body. Undefined when it cannot be inflated, would be larger than any body is, or the batch has too much. */
  plain(segment: WireSegment): WireSegment | undefined {
    if (segment.body === null || (segment.flags & segmentFlags.deflate) === 0) return segment;
    const most = Math.min(limits.bodyBytes, this.#bytesLeft);
    if (most === 0) return undefined;
    try {
      const body = inflateRawSync(segment.body, { maxOutputLength: most });
      this.#bytesLeft -= body.length;
      return { ...segment, body, flags: segment.flags & ~segmentFlags.deflate };
    } catch {
      // What was unpacked in vain has cost as much.
      this.#bytesLeft -= most;
      return undefined;
    }
  }
}
