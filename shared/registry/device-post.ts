// What a device posted: a value, and its place in the dictionary of its data. Posts that no class knows are stored there as they come.
import { decodeCbor } from "../cbor.ts";
import { type PlainValue, toPlainValue } from "../machine/plain-value.ts";
import { registryLimits } from "./bounds.ts";
import type { DeviceTopic } from "./device-topic.ts";

/** A bare text has no type yet: the class of the device gives it one. */
export type PostedValue =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "value"; readonly value: PlainValue };

export interface DevicePost {
  readonly post: string;
  /** Names below the post, from the outside in. */
  readonly path: readonly string[];
  readonly posted: PostedValue;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * What a publish on a device topic posts. With a payload, the levels behind the post are a path and the payload is the value: a CBOR map
 * or JSON (its first byte tells), text, or else bytes. Without one, those levels are the value themselves, as text.
 */
export function readPost({ post, rest }: DeviceTopic, payload: Uint8Array): DevicePost {
  if (payload.length === 0) return { post, path: [], posted: { type: "text", text: rest.join("/") } };
  return { post, path: rest, posted: readPayload(payload) };
}

/** The value as it is stored where no class says its type: a number or boolean only where its text says exactly that, else the text. */
export function untypedValue(posted: PostedValue): PlainValue {
  if (posted.type === "value") return posted.value;
  const { text } = posted;
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return Number.isFinite(number) && String(number) === text ? number : text;
}

/**
 * `data` with `value` at its place; what stands elsewhere stays. What is in the way of the path, and is no dictionary, is replaced.
 * Undefined when one of the dictionaries on the way has no room for a new name.
 */
export function storePost(
  data: PlainValue | undefined,
  { post, path }: Pick<DevicePost, "post" | "path">,
  value: PlainValue,
): PlainValue | undefined {
  return storeAt(data, [post, ...path], 0, value);
}

function storeAt(
  data: PlainValue | undefined,
  path: readonly string[],
  depth: number,
  value: PlainValue,
): PlainValue | undefined {
  const name = path[depth];
  if (name === undefined) return value;
  // Without a prototype: a name may be __proto__.
  const dictionary = Object.assign(Object.create(null) as Record<string, PlainValue>, isDictionary(data) ? data : {});
  const inner = storeAt(dictionary[name], path, depth + 1, value);
  if (inner === undefined) return undefined;
  if (!(name in dictionary) && Object.keys(dictionary).length >= registryLimits.dictionaryNames) return undefined;
  dictionary[name] = inner;
  return dictionary;
}

function isDictionary(value: PlainValue | undefined): value is { readonly [key: string]: PlainValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function readPayload(payload: Uint8Array): PostedValue {
  const first = payload[0] ?? 0;
  if (first >= 0xa0 && first <= 0xbf) {
    const value = toPlainValue(decodeCbor(payload)?.value);
    return { type: "value", value: value ?? Uint8Array.from(payload) };
  }
  const text = textOf(payload);
  if (text === undefined) return { type: "value", value: Uint8Array.from(payload) };
  const value = /^[{["]/.test(text) ? parsePlainJson(text) : undefined;
  return value === undefined ? { type: "text", text } : { type: "value", value };
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function parsePlainJson(text: string): PlainValue | undefined {
  try {
    return toPlainValue(JSON.parse(text));
  } catch {
    return undefined;
  }
}
