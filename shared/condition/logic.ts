// How outcomes combine: which failures are absorbed, and which are the outcome of the whole.
import { bool, failure, type Failure, type Known, type Value } from "./value.ts";

type Bool = Extract<Known, { readonly type: "bool" }>;

/** `next` of a value; a failure stays what it is. */
export function whenKnown(value: Value, next: (value: Known) => Value): Value {
  return value.type === "error" ? value : next(value);
}

/** Anything but a bool is a failure: there is no truth in numbers and strings. */
export function asBool(value: Value): Bool | Failure {
  return value.type === "bool" || value.type === "error" ? value : failure(`expected a bool, found ${value.type}`);
}

/** `||` over the items when `decisive` is true, `&&` when it is false: one such outcome decides, whatever failed. */
export function connect<T>(decisive: boolean, items: Iterable<T>, evaluateItem: (item: T) => Value): Value {
  let failed: Failure | undefined;
  for (const item of items) {
    const outcome = asBool(evaluateItem(item));
    if (outcome.type === "error") failed ??= outcome;
    else if (outcome.value === decisive) return outcome;
  }
  return failed ?? bool(!decisive);
}

/** `!value` */
export function not(value: Value): Value {
  const operand = asBool(value);
  return operand.type === "error" ? operand : bool(!operand.value);
}

/** Whether the order of two values is one that an operator asks for. */
export function holds(order: number | Failure, isWanted: (order: number) => boolean): Value {
  return typeof order === "number" ? bool(isWanted(order)) : order;
}

/** The list of what `keep` makes of each item and its outcome; undefined leaves the item out. The first failure ends it. */
export function collect(
  items: readonly Known[],
  evaluateItem: (item: Known) => Value,
  keep: (item: Known, outcome: Known) => Value | undefined,
): Value {
  const kept: Known[] = [];
  for (const item of items) {
    const outcome = evaluateItem(item);
    const next = outcome.type === "error" ? outcome : keep(item, outcome);
    if (next?.type === "error") return next;
    if (next !== undefined) kept.push(next);
  }
  return { type: "list", items: kept };
}

/** For `collect`: the items whose outcome is true. */
export function keepIfTrue(item: Known, outcome: Known): Value | undefined {
  const isKept = asBool(outcome);
  if (isKept.type === "error") return isKept;
  return isKept.value ? item : undefined;
}
