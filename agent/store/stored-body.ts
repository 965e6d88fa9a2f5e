// The body of a spool as it lies in the database: whole, or with only the messages left in it that somebody still waits for. Entries
// keep the places that messages had at first; the ranges that are left say where these are now.
import type { IntervalSet } from "#shared/journal/interval-set.ts";
import { spooledBytes } from "#shared/mqtt/spool.ts";

export interface StoredBody {
  readonly bytes: Uint8Array;
  /** Which bytes of the first body these are, counted from 1; null: all of them. */
  readonly kept: IntervalSet | null;
}

/** Where the message that was at `place` at first begins now; -1: it is not there. */
export function placeIn({ kept }: StoredBody, place: number): number {
  if (kept === null) return place;
  let before = 0;
  for (const [first, last] of kept) {
    if (place < first - 1) return -1;
    if (place < last) return before + place - (first - 1);
    before += last - first + 1;
  }
  return -1;
}

/** The body with only the messages at `places`, which ascend. Undefined when one of them is not there. */
export function thinned(body: StoredBody, places: readonly number[]): StoredBody | undefined {
  const kept: [first: number, last: number][] = [];
  const parts: Uint8Array[] = [];
  let newest: [first: number, last: number] | undefined;
  for (const place of places) {
    const at = placeIn(body, place);
    const length = at === -1 ? undefined : spooledBytes(body.bytes, at);
    if (length === undefined) return undefined;
    parts.push(body.bytes.subarray(at, at + length));
    if (newest?.[1] === place) newest[1] = place + length;
    else kept.push((newest = [place + 1, place + length]));
  }
  return { bytes: joined(parts), kept };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
