// The record format of SQLite, read without SQLite: it refuses a damaged file as a whole, and Node's build has no recovery extension.
// Every length is checked against the bytes that are there; what does not add up is undefined, never a guess.
import type { SqlValue } from "#shared/system/sql-database.ts";

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A variable-length integer of 1 to 9 bytes. Undefined when it is cut off, or larger than any number that is used here. */
export function readVarint(
  bytes: Uint8Array,
  from: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let index = 0; index < 8; index++) {
    const byte = bytes[from + index];
    if (byte === undefined) return undefined;
    value = value * 128 + (byte & 127);
    if (byte < 128) return Number.isSafeInteger(value) ? { value, end: from + index + 1 } : undefined;
  }
  return undefined; // nine bytes: negative, or beyond 2^56
}

/** The values of a record, or undefined when head and body do not fill `payload` exactly. */
export function decodeRecord(payload: Uint8Array): readonly SqlValue[] | undefined {
  const head = readVarint(payload, 0);
  if (head === undefined || head.value > payload.length) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const values: SqlValue[] = [];
  let at = head.value;
  for (let typeAt = head.end; typeAt < head.value;) {
    const type = readVarint(payload, typeAt);
    if (type === undefined || type.end > head.value) return undefined;
    typeAt = type.end;
    const bytes = bytesOf(type.value);
    if (bytes === undefined || at + bytes > payload.length) return undefined;
    const value = readValue(view, type.value, at, bytes);
    if (value === undefined) return undefined;
    values.push(value);
    at += bytes;
  }
  return at === payload.length ? values : undefined;
}

const integerBytes: readonly (number | undefined)[] = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];

function bytesOf(type: number): number | undefined {
  return type >= 12 ? Math.floor((type - 12) / 2) : integerBytes[type];
}

function readValue(view: DataView, type: number, at: number, bytes: number): SqlValue | undefined {
  if (type === 0) return null;
  if (type === 7) return view.getFloat64(at);
  if (type === 8 || type === 9) return type - 8;
  if (type < 7) return readInteger(view, at, bytes);
  const content = new Uint8Array(view.buffer, view.byteOffset + at, bytes);
  if (type % 2 === 0) return content.slice();
  try {
    return strictUtf8.decode(content);
  } catch {
    return undefined;
  }
}

function readInteger(view: DataView, at: number, bytes: number): number | bigint {
  if (bytes === 8) {
    const value = view.getBigInt64(at);
    return BigInt(Number(value)) === value && Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  let value = view.getInt8(at);
  for (let index = 1; index < bytes; index++) value = value * 256 + view.getUint8(at + index);
  return value;
}
