// What a configuration text says: settings, their values, and where each one stands.
import type { Position } from "./position.ts";

export type Scalar =
  | { readonly type: "string"; readonly value: string; readonly at: Position }
  /** A bigint only beyond 2^53, where a number would not be exact. */
  | { readonly type: "integer"; readonly value: number | bigint; readonly at: Position }
  | { readonly type: "float"; readonly value: number; readonly at: Position }
  | { readonly type: "boolean"; readonly value: boolean; readonly at: Position };

export type Value =
  | Scalar
  | { readonly type: "group"; readonly settings: readonly Setting[]; readonly at: Position }
  | { readonly type: "list"; readonly items: readonly Value[]; readonly at: Position }
  /** Scalars of one type. */
  | { readonly type: "array"; readonly items: readonly Scalar[]; readonly at: Position };

export interface Setting {
  readonly name: string;
  readonly value: Value;
  /** Where the name stands. */
  readonly at: Position;
}

/** A value without its positions, as programs use it. */
export type PlainValue =
  | string
  | number
  | bigint
  | boolean
  | readonly PlainValue[]
  | { readonly [name: string]: PlainValue };

/** Lists and arrays become arrays, groups become objects. */
export function toPlain(value: Value): PlainValue {
  switch (value.type) {
    case "group":
      return Object.fromEntries(value.settings.map((setting) => [setting.name, toPlain(setting.value)]));
    case "list":
    case "array":
      return value.items.map(toPlain);
    case "string":
    case "integer":
    case "float":
    case "boolean":
      return value.value;
  }
}

/** The value that reads as `plain`, all of it placed at `at`. Arrays become lists, which may hold anything. */
export function fromPlain(plain: PlainValue, at: Position): Value {
  if (typeof plain === "string") return { type: "string", value: plain, at };
  if (typeof plain === "boolean") return { type: "boolean", value: plain, at };
  if (typeof plain === "bigint") return { type: "integer", value: plain, at };
  if (typeof plain === "number") return { type: Number.isSafeInteger(plain) ? "integer" : "float", value: plain, at };
  if (isList(plain)) return { type: "list", items: plain.map((item) => fromPlain(item, at)), at };
  return {
    type: "group",
    settings: Object.entries(plain).map(([name, item]) => ({ name, value: fromPlain(item, at), at })),
    at,
  };
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(plain: PlainValue): plain is readonly PlainValue[] {
  return Array.isArray(plain);
}
