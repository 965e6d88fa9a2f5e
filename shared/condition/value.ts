// What the parts of a condition evaluate to, and how two values compare.
import type { StepBudget } from "./step-budget.ts";

/** A value that is known for certain. */
export type Known =
  | { readonly type: "null" }
  | { readonly type: "bool"; readonly value: boolean }
  /** 64 bits with a sign. */
  | { readonly type: "int"; readonly value: bigint }
  | { readonly type: "double"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "list"; readonly items: readonly Known[] }
  /** By `keyOf`, so that no key meets a property that every object has. */
  | { readonly type: "map"; readonly entries: ReadonlyMap<string, MapEntry> };

export interface MapEntry {
  readonly key: Known;
  readonly value: Known;
}

/** Why there is no value. The offset in the text is added by the node that it came from. */
export interface Failure {
  readonly type: "error";
  readonly reason: string;
  readonly offset?: number;
}

/**
 * A value that is not known for certain, as it stands in a summary. It is one of `among`, or a double of `span`; with neither it may
 * be anything, a failure included.
 */
export interface Unknown {
  readonly type: "unknown";
  readonly among?: Candidates;
  /** From the first to the second, both included. */
  readonly span?: readonly [number, number];
  /** It is not this truth value; it may be the other one, or a failure. */
  readonly never?: boolean;
}

/** At least one. */
export interface Candidates {
  readonly items: readonly Known[];
  /** The same, when all of them are strings. */
  readonly texts?: ReadonlySet<string>;
}

/** The outcome of parts that are known for certain. */
export type Certain = Known | Failure;

/** The outcome of any part. */
export type Value = Certain | Unknown;

export function failure(reason: string): Failure {
  return { type: "error", reason };
}

export function bool(value: boolean): Known {
  return { type: "bool", value };
}

export function string(value: string): Known {
  return { type: "string", value };
}

/** Fails outside of 64 bits. */
export function int(value: bigint): Certain {
  return BigInt.asIntN(64, value) === value ? { type: "int", value } : failure("an integer needs more than 64 bits");
}

export function double(value: number): Known {
  return { type: "double", value };
}

/** Text that is the same for equal keys of a map; undefined for what cannot be one. */
export function keyOf(value: Known): string | undefined {
  switch (value.type) {
    case "bool":
    case "int":
      return `${value.type} ${value.value}`;
    case "double":
      return Number.isInteger(value.value) ? `int ${BigInt(value.value)}` : undefined;
    case "string":
      return `string ${value.value}`;
    case "null":
    case "list":
    case "map":
      return undefined;
  }
}

/** `a == b`. Values of two types fail, but int with double, and anything with null. */
export function equal(a: Known, b: Known, steps: StepBudget): Certain {
  if (a.type === "null" || b.type === "null") return bool(a.type === b.type);
  if (a.type === "bool" && b.type === "bool") return bool(a.value === b.value);
  if (a.type === "list" && b.type === "list") return equalLists(a.items, b.items, steps);
  if (a.type === "map" && b.type === "map") return equalMaps(a.entries, b.entries, steps);
  const order = compare(a, b, steps);
  return typeof order === "number" ? bool(order === 0) : order;
}

/** Negative, zero or positive as `a` is less than, equal to or greater than `b`; NaN when neither. Strings by code unit. */
export function compare(a: Known, b: Known, steps: StepBudget): number | Failure {
  if (isNumber(a) && isNumber(b)) return orderOf(a.value, b.value);
  if (a.type === "string" && b.type === "string") {
    steps.takeForText(Math.min(a.value.length, b.value.length));
    return orderOf(a.value, b.value);
  }
  return failure(`${a.type} and ${b.type} cannot be compared`);
}

/** `item in collection`: as if compared with each item of the list in an `||`; of a map, with its keys. */
export function contains(collection: Known, item: Known, steps: StepBudget): Certain {
  if (collection.type === "map") return bool(collection.entries.has(keyOf(item) ?? ""));
  if (collection.type !== "list") return failure(`"in" needs a list or a map on its right, not ${collection.type}`);
  let failed: Failure | undefined;
  for (const candidate of collection.items) {
    if (!steps.take(1)) break;
    const same = equal(candidate, item, steps);
    if (same.type === "error") failed ??= same;
    else if (same.type === "bool" && same.value) return same;
  }
  return failed ?? bool(false);
}

export function isNumber(value: Known): value is Extract<Known, { readonly type: "int" | "double" }> {
  return value.type === "int" || value.type === "double";
}

function orderOf<T extends string | bigint | number>(a: T, b: T): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return a >= b ? 0 : Number.NaN;
}

/** As an `&&` over the pairs: one that differs decides, whatever failed. */
function equalLists(a: readonly Known[], b: readonly Known[], steps: StepBudget): Certain {
  if (a.length !== b.length) return bool(false);
  let failed: Failure | undefined;
  for (const [index, item] of a.entries()) {
    const other = b[index];
    if (other === undefined || !steps.take(1)) break;
    const same = equal(item, other, steps);
    if (same.type === "error") failed ??= same;
    else if (same.type === "bool" && !same.value) return same;
  }
  return failed ?? bool(true);
}

function equalMaps(a: ReadonlyMap<string, MapEntry>, b: ReadonlyMap<string, MapEntry>, steps: StepBudget): Certain {
  const others = [...a.keys()].map((key) => b.get(key)?.value);
  const known = others.filter((value) => value !== undefined);
  if (a.size !== b.size || known.length !== a.size) return bool(false);
  const own = [...a.values()].map(({ value }) => value);
  return equalLists(own, known, steps);
}
