// Values that are not known for certain: how operators treat what may be one of several.
//
// What comes out stands for at least every outcome that the operator could have, so that "certainly false" can be trusted.
import type { StepBudget } from "./step-budget.ts";
import {
  bool,
  compare,
  equal,
  string,
  type Certain,
  type Failure,
  type Known,
  type Unknown,
  type Value,
} from "./value.ts";

/** It may be any value, or a failure. */
export const anything: Unknown = { type: "unknown" };

/** One of `texts`, of which there is at least one. */
export function oneOf(texts: Iterable<string>): Value {
  const distinct = new Set(texts);
  const items = [...distinct].map(string);
  const [first] = items;
  if (first === undefined) return anything;
  return items.length === 1 ? first : { type: "unknown", among: { items, texts: distinct } };
}

/** A double from `least` to `most`. Zeros of both signs are two values: one may divide by them. */
export function between(least: number, most: number): Value {
  return Object.is(least, most) ? { type: "double", value: least } : { type: "unknown", span: [least, most] };
}

/** What `next` makes of the value, whichever it is; a failure stays what it is. */
export function whenKnown(value: Value, steps: StepBudget, next: (value: Known) => Value): Value {
  if (value.type === "error") return value;
  if (value.type !== "unknown") return next(value);
  const outcomes: Certain[] = [];
  for (const candidate of value.among?.items ?? []) {
    if (!steps.take(1)) return anything;
    const outcome = next(candidate);
    if (outcome.type === "unknown" || isMixed(outcomes[0], outcome)) return anything;
    outcomes.push(outcome);
  }
  return unite(outcomes);
}

/** `left == right`. */
export function equalTo(left: Value, right: Value, steps: StepBudget): Value {
  const quick = equalToText(left, right) ?? equalToText(right, left) ?? equalToSpan(left, right, steps);
  if (quick !== undefined) return quick;
  return whenKnown(left, steps, (a) => whenKnown(right, steps, (b) => equal(a, b, steps)));
}

/** Whether the order of `left` and `right` is one of those that `isWanted`, which knows one turning point. */
export function ordered(left: Value, right: Value, steps: StepBudget, isWanted: (order: number) => boolean): Value {
  const decide = (a: Known, b: Known): Certain => {
    const order = compare(a, b, steps);
    return typeof order === "number" ? bool(isWanted(order)) : order;
  };
  const ends = endsOf(left, right);
  if (ends === undefined) return whenKnown(left, steps, (a) => whenKnown(right, steps, (b) => decide(a, b)));
  // What holds at both ends of the span holds within it.
  return unite(ends.map(([a, b]) => decide(a, b)));
}

/** The one outcome that all of them have, or what it may be. */
function unite(outcomes: readonly Certain[]): Value {
  const [first] = outcomes;
  if (first === undefined || outcomes.some((outcome) => isMixed(first, outcome))) return anything;
  if (first.type === "error" || first.type === "bool") return first;
  return { type: "unknown", among: { items: outcomes.filter((outcome) => outcome.type !== "error") } };
}

/** Whether two outcomes leave it open whether there is one, or which truth value it is. */
function isMixed(first: Certain | undefined, other: Certain): boolean {
  if (first === undefined) return false;
  if (first.type === "bool") return other.type !== "bool" || other.value !== first.value;
  return first.type === "error" ? other.type !== "error" : other.type === "error" || other.type === "bool";
}

function equalToText(value: Value, other: Value): Value | undefined {
  if (value.type !== "unknown" || other.type !== "string") return undefined;
  const { texts } = value.among ?? {};
  if (texts === undefined) return undefined;
  return texts.has(other.value) ? anything : bool(false);
}

function equalToSpan(left: Value, right: Value, steps: StepBudget): Value | undefined {
  const ends = endsOf(left, right);
  if (ends === undefined) return undefined;
  const orders = ends.map(([a, b]) => compare(a, b, steps));
  const failed = orders.find((order): order is Failure => typeof order !== "number");
  if (failed !== undefined)
    return ends.every(([a, b]) => a.type !== "null" && b.type !== "null") ? failed : bool(false);
  const isOutside = orders.every((order) => Number(order) > 0) || orders.every((order) => Number(order) < 0);
  return isOutside || orders.some((order) => Number.isNaN(order)) ? bool(false) : anything;
}

/** Both ends of the one span, with the other value beside each; undefined when it is not one span and one known value. */
function endsOf(left: Value, right: Value): readonly (readonly [Known, Known])[] | undefined {
  const [from, to] = [left, right].map(spanOf);
  if (from !== undefined && isKnown(right)) return from.map((end) => [end, right] as const);
  return to !== undefined && isKnown(left) ? to.map((end) => [left, end] as const) : undefined;
}

function spanOf(value: Value): readonly Known[] | undefined {
  if (value.type !== "unknown") return undefined;
  return value.span?.map((end): Known => ({ type: "double", value: end }));
}

function isKnown(value: Value): value is Known {
  return value.type !== "error" && value.type !== "unknown";
}
