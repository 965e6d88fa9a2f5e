// Moves the times in a segment's body, in a copy and without decoding it: what a node stamped before it knew the tree's time is put
// right when it is sent.
import { decodeSegment, encodeSegment } from "./segment.ts";

/** Heads as `SegmentBuilder` writes them: an array of 3 or 4, then a time in 8 bytes. */
const arrayOfThree = 0x83;
const arrayOfFour = 0x84;
const uint64 = 0x1b;
const timeBytes = 8;
const textMajor = 3;
const bytesMajor = 2;

/**
 * A body of the same `items` with every time later by `shiftMs`, which may be negative; none is earlier than 1970. Undefined when it
 * is not a body of so many.
 */
export function shiftTimes(body: Uint8Array, items: number, shiftMs: number): Uint8Array | undefined {
  const shifted = body.slice();
  const view = new DataView(shifted.buffer);
  let at = 0;
  for (let item = 0; item < items; item++) {
    const end = itemEnd(shifted, view, at);
    if (end === undefined) return shiftDecoded(body, items, shiftMs);
    view.setBigUint64(at + 2, BigInt(shiftedTime(Number(view.getBigUint64(at + 2)), shiftMs)));
    at = end;
  }
  return at === body.length ? shifted : undefined;
}

/** `timeMs` moved by `shiftMs`, milliseconds since 1970. */
export function shiftedTime(timeMs: number, shiftMs: number): number {
  return Math.max(0, timeMs + shiftMs);
}

/** Where the item that begins at `at` ends; undefined when it is not laid out as `SegmentBuilder` does it. */
function itemEnd(bytes: Uint8Array, view: DataView, at: number): number | undefined {
  const head = bytes[at];
  if ((head !== arrayOfThree && head !== arrayOfFour) || bytes[at + 1] !== uint64) return undefined;
  const topicEnd = stringEnd(bytes, view, at + 2 + timeBytes, textMajor);
  const payloadEnd = topicEnd === undefined ? undefined : stringEnd(bytes, view, topicEnd, bytesMajor);
  if (payloadEnd === undefined || head === arrayOfThree) return payloadEnd;
  // Flags of one byte.
  return (bytes[payloadEnd] ?? 0xff) < 24 ? payloadEnd + 1 : undefined;
}

function stringEnd(bytes: Uint8Array, view: DataView, at: number, major: number): number | undefined {
  const head = bytes[at];
  if (head === undefined || head >> 5 !== major) return undefined;
  const short = head & 0x1f;
  let end: number;
  if (short < 24) end = at + 1 + short;
  else if (short === 24 && at + 2 <= bytes.length) end = at + 2 + view.getUint8(at + 1);
  else if (short === 25 && at + 3 <= bytes.length) end = at + 3 + view.getUint16(at + 1);
  else if (short === 26 && at + 5 <= bytes.length) end = at + 5 + view.getUint32(at + 1);
  else return undefined;
  return end <= bytes.length ? end : undefined;
}

/** For a body that another program has encoded. */
function shiftDecoded(body: Uint8Array, items: number, shiftMs: number): Uint8Array | undefined {
  const decoded = decodeSegment(body, items);
  if (decoded === undefined) return undefined;
  return encodeSegment(decoded.map((item) => ({ ...item, timeMs: shiftedTime(item.timeMs, shiftMs) })));
}
