// Typed reading of what a peer sent: integer-keyed maps and arrays, and how numbers are written. A wrong shape throws `Malformed`, which only `decodeFrame` catches.
import { decodeCbor } from "../cbor.ts";
import { isNodeName, type NodeName } from "../ids.ts";
import { parseIntervals, type IntervalSet } from "../journal/interval-set.ts";
import { limits } from "../limits.ts";

/** Streams that one list on the wire names at most. */
export const streamsOnWire = 65_536;

/** What was wrong with a frame, for the log. */
export class Malformed extends Error {}

/** Runs `read` over the decoded bytes; answers the reason when the frame is not what it should be. */
export function decodeFrame<T>(
  bytes: Uint8Array,
  read: (value: unknown) => T,
): { readonly frame: T } | { readonly malformed: string } {
  const decoded = decodeCbor(bytes);
  if (decoded === undefined) return { malformed: "not one CBOR item" };
  try {
    return { frame: read(decoded.value) };
  } catch (error) {
    if (error instanceof Malformed) return { malformed: error.message };
    throw error;
  }
}

export function asMap(value: unknown, what: string): ReadonlyMap<unknown, unknown> {
  if (value instanceof Map) return value;
  throw new Malformed(`${what} is not a map`);
}

export function asArray(value: unknown, what: string, itemsMax: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new Malformed(`${what} is not an array`);
  if (value.length > itemsMax) throw new Malformed(`${what} has ${value.length} items, more than ${itemsMax}`);
  return value;
}

export function asUint(value: unknown, what: string, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max) return value;
  throw new Malformed(`${what} is not an integer from 0 to ${max}`);
}

/** Milliseconds since 1970, no later than a date can be. */
export function asTimeMs(value: unknown, what: string): number {
  return asUint(value, what, timeMsMax);
}

export function asText(value: unknown, what: string, charsMax: number): string {
  if (typeof value === "string" && value.length <= charsMax) return value;
  throw new Malformed(`${what} is not a text of at most ${charsMax} characters`);
}

export function asBytes(value: unknown, what: string, bytesMax: number): Uint8Array {
  if (value instanceof Uint8Array && value.length <= bytesMax) return value;
  throw new Malformed(`${what} is not a byte string of at most ${bytesMax}`);
}

export function asNodeName(value: unknown, what: string): NodeName {
  if (typeof value === "string" && isNodeName(value)) return value;
  throw new Malformed(`${what} is not a node name`);
}

export function asRanges(value: unknown, what: string): IntervalSet {
  const ranges = parseIntervals(value, limits.rangesOnWire);
  if (ranges === undefined) throw new Malformed(`${what} are not sorted ranges`);
  return ranges;
}

/** `value` read by `read`, or undefined when it is absent. */
export function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value);
}

/** The last moment that ECMAScript's dates know (ECMA-262, 21.4.1.1). */
const timeMsMax = 8_640_000_000_000_000;

export const u32Max = 0xffff_ffff;

export function packRange(range: readonly [number, number]): readonly unknown[] {
  return [wireInt(range[0]), wireInt(range[1])];
}

/** Integers beyond 32 bits must be bigint for the encoder, or they turn into floats. */
export function wireInt(value: number): number | bigint {
  return value > u32Max ? BigInt(value) : value;
}
