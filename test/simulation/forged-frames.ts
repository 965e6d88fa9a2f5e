// Frames of older sessions, as no node has sent them: a batch with one segment more, an acknowledgement of everything. They must change
// nothing [O11], and if they did it would show.
import { decodeAck, decodeBatch, encodeAck, encodeBatch } from "#shared/link/frames.ts";
import { decodeFromParent } from "#shared/link/hello.ts";

/** No history gets so far. */
export const forgedNumber = 1_000_000;

/** The session that a Welcome opens; undefined of any other frame. */
export function sessionOf(payload: Uint8Array): number | undefined {
  const decoded = decodeFromParent(payload);
  return "malformed" in decoded || !("welcome" in decoded.frame) ? undefined : decoded.frame.welcome.session;
}

/** Undefined when it is not a batch of a session before `present`. `isPresent`: as if it were of that one. */
export function forgedBatch(
  payload: Uint8Array,
  child: string,
  present: number,
  isPresent: boolean,
): Uint8Array | undefined {
  const decoded = decodeBatch(payload, child);
  if ("malformed" in decoded || decoded.frame.session >= present) return undefined;
  const { segments, session } = decoded.frame;
  const more = segments.slice(0, 1).map((segment) => ({ ...segment, first: forgedNumber }));
  const batch = { ...decoded.frame, session: isPresent ? present : session, segments: [...segments, ...more] };
  return encodeBatch(batch, child);
}

/** Undefined when it is not an acknowledgement of a session before `present`. */
export function forgedAck(
  payload: Uint8Array,
  child: string,
  present: number,
  isPresent: boolean,
): Uint8Array | undefined {
  const decoded = decodeAck(payload, child);
  if ("malformed" in decoded || decoded.frame.session >= present) return undefined;
  const { session, acked } = decoded.frame;
  const all = acked.map((held) => ({ ...held, ranges: [[1, forgedNumber]] as const }));
  return encodeAck({ ...decoded.frame, session: isPresent ? present : session, acked: all }, child);
}
