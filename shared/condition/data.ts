// What `data(path)` stands for in a condition.
import { double, int, string, type Known, type MapEntry } from "./value.ts";

/** What `JSON.parse` gives. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** What has been published on one topic lately. */
export interface DataStatistics {
  /** The latest payload as JSON, or as text when it is none; undefined when it is too large to be kept, or not text. */
  readonly last: JsonValue | undefined;
  /** How many numbers there were within the window. */
  readonly count: number;
  /** Of those numbers; absent when there were none. */
  readonly avg?: number;
  readonly min?: number;
  readonly max?: number;
}

/** A map with those entries that there are. */
export function dataValue({ last, count, avg, min, max }: DataStatistics): Known {
  const entries = new Map<string, MapEntry>();
  const put = (name: string, value: Known): void => void entries.set(`string ${name}`, { key: string(name), value });
  if (last !== undefined) put("last", knownOf(last));
  put("count", { type: "int", value: BigInt(count) });
  for (const [name, value] of [
    ["avg", avg],
    ["min", min],
    ["max", max],
  ] as const)
    if (value !== undefined) put(name, double(value));
  return { type: "map", entries };
}

/** A whole number is an int, as it would be in a condition. */
function knownOf(value: JsonValue): Known {
  if (value === null) return { type: "null" };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "string") return string(value);
  if (typeof value === "number") {
    const whole = Number.isSafeInteger(value) ? int(BigInt(value)) : undefined;
    return whole?.type === "int" ? whole : double(value);
  }
  if (isList(value)) return { type: "list", items: value.map(knownOf) };
  const entries = new Map<string, MapEntry>();
  for (const [name, entry] of Object.entries(value))
    entries.set(`string ${name}`, { key: string(name), value: knownOf(entry) });
  return { type: "map", entries };
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
