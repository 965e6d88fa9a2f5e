// Values that JSON and CBOR both can carry: what people pass to functions and get back.

export type PlainValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue };

/** Depth of a value: JSON and CBOR of a peer may nest without end. */
const depthMax = 32;

/** Whether programs can be told it, and answer with it, under a name. */
export function fitsUnderName(value: PlainValue): boolean {
  return toPlainValue(value, 1) !== undefined;
}

/** Why arguments are refused that do not fit. */
export const nestedTooDeep = `the arguments nest more than ${depthMax - 1} deep`;

/** What `JSON.parse` or our CBOR decoder gave, as a plain value; undefined when it is anything else. */
export function toPlainValue(value: unknown, depth = 0): PlainValue | undefined {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value === "bigint") return Number(value);
  if (depth >= depthMax || typeof value !== "object") return undefined;
  // Decoded bytes alias the packet they came in.
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return toList(value, depth);
  return toRecord(value instanceof Map ? value : Object.entries(value), depth);
}

/** For the CBOR encoder: records as maps, large integers as integers. */
export function toCborValue(value: PlainValue): unknown {
  if (typeof value === "number")
    return Number.isSafeInteger(value) && Math.abs(value) > 0xffff_ffff ? BigInt(value) : value;
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  if (isList(value)) return value.map(toCborValue);
  return new Map(Object.entries(value).map(([key, entry]) => [key, toCborValue(entry)]));
}

/** For `JSON.stringify`: bytes as base64 text. */
export function toJsonValue(value: PlainValue): unknown {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Uint8Array) return base64Of(value);
  if (isList(value)) return value.map(toJsonValue);
  // Without a prototype: a key may be called __proto__.
  const record = Object.create(null) as Record<string, unknown>;
  for (const [key, entry] of Object.entries(value)) record[key] = toJsonValue(entry);
  return record;
}

function base64Of(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function isList(value: PlainValue): value is readonly PlainValue[] {
  return Array.isArray(value);
}

function toList(values: readonly unknown[], depth: number): PlainValue | undefined {
  const list: PlainValue[] = [];
  for (const value of values) {
    const plain = toPlainValue(value, depth + 1);
    if (plain === undefined) return undefined;
    list.push(plain);
  }
  return list;
}

function toRecord(entries: Iterable<readonly [unknown, unknown]>, depth: number): PlainValue | undefined {
  const record = Object.create(null) as Record<string, PlainValue>;
  for (const [key, value] of entries) {
    const plain = toPlainValue(value, depth + 1);
    if (plain === undefined || (typeof key !== "string" && typeof key !== "number")) return undefined;
    record[String(key)] = plain;
  }
  return record;
}
