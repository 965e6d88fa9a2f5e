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

/** One whole item, or undefined when the bytes are not exactly one well-formed item. */
export function decodeCbor(bytes: Uint8Array): { readonly value: unknown } | undefined {
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
  try {
    const values: unknown = codec.decodeMultiple(bytes);
    return Array.isArray(values) ? values : undefined;
  } catch {
    return undefined;
  }
}
