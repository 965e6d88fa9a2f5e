// Bodies of messages: JSON or CBOR, as this client speaks; what comes is read as what it is.
import { decodeCbor } from "../shared/cbor.ts";
import { toPlainValue } from "../shared/machine/plain-value.ts";
import { encodeReply, isCborMap } from "../shared/machine/request.ts";
import { FogbankClientError } from "./client-error.ts";

export type Encoding = "json" | "cbor";

/** Throws `bad-argument` when the value is neither JSON nor bytes. Fields that are undefined are left out. */
export function encodeBody(value: unknown, encoding: Encoding): Uint8Array {
  const plain = toPlainValue(withoutUndefined(value));
  if (plain === undefined)
    throw new FogbankClientError("bad-argument", "this value cannot be sent: use what JSON knows, and Uint8Array");
  return encodeReply(plain, encoding);
}

/** Undefined when the bytes are neither. */
export function decodeBody(payload: Uint8Array): unknown {
  if (isCborMap(payload)) return toPlainValue(decodeCbor(payload)?.value);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload)) as unknown;
  } catch {
    return undefined;
  }
}

export type Fields = Readonly<Record<string, unknown>>;

/** The fields of an object; undefined when it is none. */
export function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function withoutUndefined(value: unknown): unknown {
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null)
    return typeof (value as { toJSON?: unknown }).toJSON === "function"
      ? (JSON.parse(JSON.stringify(value)) as unknown)
      : value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, entry]) => (entry === undefined ? [] : [[name, withoutUndefined(entry)]])),
  );
}
