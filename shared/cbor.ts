// CBOR as all of Fogbank reads and writes it: integer-keyed maps as `Map`, so that an absent key differs from null and unknown keys survive.
// Decoded byte strings alias their source: copy before keeping one.
import { Encoder, setSizeLimits, type Options } from "cbor-x/index-no-eval";

// A hostile length must not allocate: the longest list on our wire is the descendants of a node.
setSizeLimits({ maxArraySize: 65_536, maxMapSize: 65_536, maxObjectSize: 65_536 });

const options: Options & { readonly int64AsNumber: boolean } = {
  useRecords: false,
  tagUint8Array: false,
  mapsAsObjects: false,
  variableMapSize: true,
  int64AsNumber: true,
};

const codec = new Encoder(options);

/** Bytes of `value`. Integers above 2^32 must come as bigint, or they become floats. */
export function encodeCbor(value: unknown): Uint8Array {
  return codec.encode(value);
}

/** One whole item, or undefined when the bytes are not exactly one well-formed item of the kinds that we use: no tags, no indefinite lengths. */
export function decodeCbor(bytes: Uint8Array): { readonly value: unknown } | undefined {
  if (itemsOf(bytes) !== 1) return undefined;
  try {
    const value: unknown = codec.decode(bytes);
    return { value };
  } catch {
    return undefined;
  }
}

/** All items of a CBOR sequence (RFC 8742), or undefined when the bytes are not one. */
export function decodeCborSequence(bytes: Uint8Array): readonly unknown[] | undefined {
  if (bytes.length === 0) return [];
  if (itemsOf(bytes) === undefined) return undefined;
  try {
    const values: unknown = codec.decodeMultiple(bytes);
    return Array.isArray(values) ? values : undefined;
  } catch {
    return undefined;
  }
}

/** Nesting that a decoder may meet: ours has a few levels, arguments of functions up to 32. */
const depthMax = 48;

/**
 * How many items `bytes` hold at the top, by looking at the heads alone; undefined when it is no whole sequence, nests too deep, or has
 * a tag or an indefinite length. The library behind spends time that grows with the square of a large number's bytes on some tags,
 * so that one packet would stop the process for minutes.
 */
function itemsOf(bytes: Uint8Array): number | undefined {
  let at = 0;
  let items = 0;
  /** Items that are still to come, from the outermost container inward. */
  const open: number[] = [];
  while (at < bytes.length) {
    const head = readHead(bytes, at);
    if (head === undefined) return undefined;
    at = head.end;
    if (open.length === 0) items++;
    else open[open.length - 1] = (open.at(-1) ?? 0) - 1;
    if (head.children > 0) {
      if (open.length >= depthMax) return undefined;
      open.push(head.children);
    }
    while (open.at(-1) === 0) open.pop();
  }
  return at === bytes.length && open.length === 0 ? items : undefined;
}

/** Where the item that begins at `at` ends, its content included if it is a string, and how many items belong into it. */
function readHead(bytes: Uint8Array, at: number): { readonly end: number; readonly children: number } | undefined {
  const first = bytes[at] ?? 0;
  const major = first >> 5;
  const minor = first & 31;
  if (minor > 27 || major === 6) return undefined;
  const lengthBytes = minor < 24 ? 0 : 1 << (minor - 24);
  const end = at + 1 + lengthBytes;
  if (end > bytes.length) return undefined;
  if (major < 2 || major === 7) return { end, children: 0 };
  let value = minor < 24 ? minor : 0;
  for (let index = at + 1; index < end; index++) value = value * 256 + (bytes[index] ?? 0);
  // A length beyond the bytes that are left cannot be true: every item has at least one.
  if (value > bytes.length - end) return undefined;
  if (major === 2 || major === 3) return { end: end + value, children: 0 };
  return { end, children: major === 5 ? value * 2 : value };
}
