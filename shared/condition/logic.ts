// How outcomes combine: which failures are absorbed, and which are the outcome of the whole.
import { anything } from "./unknown.ts";
import { bool, failure, type Failure, type Known, type Unknown, type Value } from "./value.ts";

type Bool = Extract<Known, { readonly type: "bool" }>;

/** Anything but a bool is a failure: there is no truth in numbers and strings. */
export function asBool(value: Value): Bool | Failure | Unknown {
  if (value.type === "bool" || value.type === "error") return value;
  if (value.type !== "unknown") return failure(`expected a bool, found ${value.type}`);
  return value.never === undefined ? anything : value;
}

/** `||` over the items when `decisive` is true, `&&` when it is false: one such outcome decides, whatever failed. */
export function connect<T>(decisive: boolean, items: Iterable<T>, evaluateItem: (item: T) => Value): Value {
  let failed: Failure | undefined;
  let mayDecide = false;
  let isUnknown = false;
  let mayPass = true;
  for (const item of items) {
    const outcome = asBool(evaluateItem(item));
    if (outcome.type === "bool") {
      if (outcome.value === decisive) return outcome;
    } else if (outcome.type === "error") {
      failed ??= outcome;
      mayPass = false;
    } else {
      isUnknown = true;
      mayDecide ||= outcome.never !== decisive;
      mayPass &&= outcome.never !== !decisive;
    }
  }
  if (!isUnknown) return failed ?? bool(!decisive);
  if (mayDecide) return mayPass ? anything : { type: "unknown", never: !decisive };
  return mayPass ? { type: "unknown", never: decisive } : (failed ?? failure("it has no answer"));
}

/** `!value` */
export function not(value: Value): Value {
  const operand = asBool(value);
  if (operand.type === "bool") return bool(!operand.value);
  if (operand.type === "error" || operand.never === undefined) return operand;
  return { type: "unknown", never: !operand.never };
}

/** The list of what `keep` makes of each item and its outcome; undefined leaves the item out. The first failure ends it. */
export function collect(
  items: readonly Known[],
  evaluateItem: (item: Known) => Value,
  keep: (item: Known, outcome: Known) => Known | Failure | undefined,
): Value {
  const kept: Known[] = [];
  for (const item of items) {
    const outcome = evaluateItem(item);
    if (outcome.type === "unknown") return anything;
    const next = outcome.type === "error" ? outcome : keep(item, outcome);
    if (next?.type === "error") return next;
    if (next !== undefined) kept.push(next);
  }
  return { type: "list", items: kept };
}

/** For `collect`: the items whose outcome is true. */
export function keepIfTrue(item: Known, outcome: Known): Known | Failure | undefined {
  if (outcome.type !== "bool") return failure(`expected a bool, found ${outcome.type}`);
  return outcome.value ? item : undefined;
}
