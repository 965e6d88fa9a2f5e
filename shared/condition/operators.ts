// The operators with two operands, on values that may not be known for certain.
import { calculate } from "./arithmetic.ts";
import { connect, not } from "./logic.ts";
import type { StepBudget } from "./step-budget.ts";
import type { Tree } from "./syntax-tree.ts";
import { anything, equalTo, ordered, whenKnown } from "./unknown.ts";
import { contains, failure, keyOf, type Known, type Unknown, type Value } from "./value.ts";

export type BinaryOperator = Exclude<
  Extract<Tree, { readonly args: readonly [Tree, Tree] }>["op"],
  "&&" | "||" | "[?]"
>;

/** `left operator right`. */
export function operate(
  operator: BinaryOperator,
  left: Known | Unknown,
  right: Known | Unknown,
  steps: StepBudget,
): Value {
  switch (operator) {
    case "==":
      return equalTo(left, right, steps);
    case "!=":
      return not(equalTo(left, right, steps));
    case "<":
      return ordered(left, right, steps, (order) => order < 0);
    case "<=":
      return ordered(left, right, steps, (order) => order <= 0);
    case ">":
      return ordered(left, right, steps, (order) => order > 0);
    case ">=":
      return ordered(left, right, steps, (order) => order >= 0);
    case "in":
      return isIn(left, right, steps);
    case "[]":
      return both(left, right, steps, select);
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      return both(left, right, steps, (a, b) => calculate(operator, a, b, steps));
  }
}

/** An entry of a map, or an item of a list, which counts from 0. */
export function select(from: Known, key: Known): Value {
  const name = keyOf(key);
  if (from.type === "map") return from.entries.get(name ?? "")?.value ?? failure("the map has no such key");
  if (from.type !== "list") return failure(`${from.type} has no fields`);
  const index = key.type === "int" || key.type === "double" ? Number(key.value) : -1;
  return from.items[index] ?? failure("the list has no such item");
}

function isIn(item: Known | Unknown, collection: Known | Unknown, steps: StepBudget): Value {
  if (item.type !== "unknown" || collection.type !== "list")
    return both(item, collection, steps, (one, all) => contains(all, one, steps));
  // What may be a failure is one even if there is nothing to compare it with.
  if (item.among === undefined && item.span === undefined) return anything;
  return connect(true, collection.items, (candidate) => (steps.take(1) ? equalTo(candidate, item, steps) : anything));
}

function both(
  left: Known | Unknown,
  right: Known | Unknown,
  steps: StepBudget,
  next: (left: Known, right: Known) => Value,
): Value {
  return whenKnown(left, steps, (a) => whenKnown(right, steps, (b) => next(a, b)));
}
