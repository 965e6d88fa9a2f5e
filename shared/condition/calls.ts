// What a condition may call. Left out on purpose: matches(), whose patterns can take forever, and everything about time.
import type { StepBudget } from "./step-budget.ts";
import { bool, failure, int, type Known, type Value } from "./value.ts";

/** Functions by name, with the number of their arguments. */
export const functions: ReadonlyMap<string, number> = new Map([
  ["size", 1],
  ["has", 1],
  ["kv", 1],
  ["data", 1],
]);

/** Methods by name, with the number of their arguments. */
export const methods: ReadonlyMap<string, number> = new Map([
  ["size", 0],
  ["startsWith", 1],
  ["endsWith", 1],
  ["contains", 1],
  ["exists", 2],
  ["all", 2],
  ["exists_one", 2],
  ["filter", 2],
  ["map", 2],
]);

/** Code points of a string, or entries of a list or a map. */
export function sizeOf(value: Known, steps: StepBudget): Value {
  switch (value.type) {
    case "string":
      return steps.takeForText(value.value.length) ? int(codePoints(value.value)) : failure("too long");
    case "list":
      return int(BigInt(value.items.length));
    case "map":
      return int(BigInt(value.entries.size));
    case "null":
    case "bool":
    case "int":
    case "double":
      return failure(`${value.type} has no size`);
  }
}

/** `receiver.name(argument)` for the methods of strings. */
export function callOnString(name: string, receiver: Known, argument: Known, steps: StepBudget): Value {
  if (receiver.type !== "string" || argument.type !== "string")
    return failure(`${name}() needs two strings, not ${receiver.type} and ${argument.type}`);
  const [text, part] = [receiver.value, argument.value];
  switch (name) {
    case "startsWith":
      return bool(text.startsWith(part));
    case "endsWith":
      return bool(text.endsWith(part));
    case "contains": // the worst that a search can do is their product
      return steps.takeForText(text.length * part.length) ? bool(text.includes(part)) : failure("too long");
    default:
      return failure(`${name}() is not supported`);
  }
}

function codePoints(text: string): bigint {
  let count = 0;
  for (let at = 0; at < text.length; at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1) count++;
  return BigInt(count);
}
