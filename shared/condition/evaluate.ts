// Whether a condition holds for a node, with our own walk over the tree: the library's evaluator does not count its steps.
//
// An outcome is a value or a failure (an unknown name, types that do not fit). `&&` and `||` and the macros made of them
// absorb failures as CEL does: `false && x` is false and `true || x` is true, whatever x is, on either side. A failure
// that survives makes the whole condition false, and so does running out of steps.
import { limits } from "../limits.ts";
import { negate } from "./arithmetic.ts";
import { callOnString, sizeOf } from "./calls.ts";
import type { Condition } from "./condition.ts";
import { asBool, collect, connect, keepIfTrue, not } from "./logic.ts";
import { operate, select, type BinaryOperator } from "./operators.ts";
import { positionOf, quoteBriefly } from "./position.ts";
import { StepBudget } from "./step-budget.ts";
import type { Subject } from "./subject.ts";
import { operandsOf, type Tree, type TreeOf } from "./syntax-tree.ts";
import { anything, whenKnown } from "./unknown.ts";
import { bool, double, failure, keyOf, string, type Known, type MapEntry, type Unknown, type Value } from "./value.ts";
import { viewOf, type View } from "./view.ts";

export interface Explanation {
  readonly result: boolean;
  /** Why there was no answer, and the result is false for want of one. */
  readonly reason?: string;
}

/** Whether `condition` holds for `subject`. False when that cannot be told. */
export function evaluateCondition(condition: Condition, subject: Subject): boolean {
  const value = evaluateIn(condition, viewOf(subject), new StepBudget(limits.conditionSteps));
  return value.type === "bool" && value.value;
}

/** As `evaluateCondition`, with the reason when the condition failed rather than did not hold. */
export function explainCondition(condition: Condition, subject: Subject): Explanation {
  const value = evaluateIn(condition, viewOf(subject), new StepBudget(limits.conditionSteps));
  if (value.type === "bool") return { result: value.value };
  return { result: false, reason: reasonOf(value, condition) };
}

/** Why `value`, which is no bool, is no answer. */
export function reasonOf(value: Value, { text }: Condition): string {
  if (value.type !== "error") return `the condition is of type ${value.type}, not bool`;
  if (value.offset === undefined) return value.reason;
  const { line, column } = positionOf(text, value.offset);
  return `${line}:${column}: ${value.reason}`;
}

/** What `condition` comes to in `view`; anything but true and false is no answer. Takes from `steps`, and fails when they are spent. */
export function evaluateIn({ tree }: Condition, view: View, steps: StepBudget): Value {
  if (tree === undefined) return bool(true);
  const value = evaluateTree(tree, view, steps);
  return steps.isSpent ? failure(`this takes more than ${limits.conditionSteps} steps`) : value;
}

/** A part of a condition that stands in no macro. When `steps` are spent the outcome means nothing. */
export function evaluateTree(tree: Tree, view: View, steps: StepBudget): Value {
  return evaluate({ view, steps, namedDepth: 0 }, tree, undefined);
}

interface Evaluation {
  readonly view: View;
  readonly steps: StepBudget;
  /** Named conditions around this one. */
  readonly namedDepth: number;
}

/** A variable of a macro; it hides outer ones and fields of the same name. */
interface Scope {
  readonly name: string;
  readonly value: Known;
  readonly outer: Scope | undefined;
}

/** Once the steps are spent every part fails at once, so that the walk ends; `evaluateIn` sees to the result. */
function evaluate(at: Evaluation, node: Tree, scope: Scope | undefined): Value {
  if (!at.steps.take(1)) return failure("no steps left");
  const value = evaluateNode(at, node, scope);
  return value.type === "error" && value.offset === undefined ? { ...value, offset: node.pos } : value;
}

function evaluateNode(at: Evaluation, node: Tree, scope: Scope | undefined): Value {
  switch (node.op) {
    case "value":
      return literal(node.args);
    case "id":
      return lookUp(at, node.args, scope);
    case "&&":
    case "||":
      return connect(node.op === "||", operandsOf(node), (operand) => evaluate(at, operand, scope));
    case "!_":
      return not(evaluate(at, node.args, scope));
    case "-_":
      return whenKnown(evaluate(at, node.args, scope), at.steps, negate);
    case "?:":
      return choose(at, node, scope);
    case "list":
      return evaluateList(at, node.args, scope);
    case "map":
      return evaluateMap(at, node, scope);
    case ".":
      return selectField(at, node, scope);
    case "call":
      return callFunction(at, node, scope);
    case "rcall":
      return callMethod(at, node, scope);
    case "[]":
    case "==":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
    case "in":
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      return evaluateBinary(at, node, scope);
    case ".?":
    case "[?]":
      return failure(`${node.op} is not supported`);
  }
}

function literal(value: TreeOf<"value">["args"]): Value {
  if (value === null) return { type: "null" };
  if (typeof value === "boolean") return bool(value);
  if (typeof value === "bigint") return { type: "int", value }; // 2^63 may stand behind a minus
  if (typeof value === "number") return double(value);
  return typeof value === "string" ? string(value) : failure("unsigned integers and bytes are not supported");
}

function lookUp(at: Evaluation, name: string, scope: Scope | undefined): Value {
  return declared(name, scope)?.value ?? at.view.name(name);
}

function declared(name: string, scope: Scope | undefined): Scope | undefined {
  let inner = scope;
  while (inner !== undefined && inner.name !== name) inner = inner.outer;
  return inner;
}

function selectField(at: Evaluation, node: TreeOf<".">, scope: Scope | undefined): Value {
  const [from, field] = node.args;
  if (from.op === "id" && from.args === "cond" && declared("cond", scope) === undefined)
    return evaluateNamed(at, field);
  return whenKnown(evaluate(at, from, scope), at.steps, (value) => select(value, string(field)));
}

/** `cond.<name>`: this node's own definition, which sees no variables of the macros around it. */
function evaluateNamed(at: Evaluation, name: string): Value {
  const definition = at.view.named(name);
  if ("type" in definition) return definition;
  if (at.namedDepth >= limits.conditionsNested)
    return failure(`named conditions stand in one another more than ${limits.conditionsNested} deep`);
  if (definition.tree === undefined) return bool(true);
  const value = evaluate({ ...at, namedDepth: at.namedDepth + 1 }, definition.tree, undefined);
  return value.type === "error" ? failure(`cond.${name}: ${reasonOf(value, definition)}`) : value;
}

function choose(at: Evaluation, node: TreeOf<"?:">, scope: Scope | undefined): Value {
  const [question, whenTrue, whenFalse] = node.args;
  const answer = asBool(evaluate(at, question, scope));
  if (answer.type === "error") return answer;
  if (answer.type === "unknown") return anything; // what the question is not says nothing about the outcome
  return evaluate(at, answer.value ? whenTrue : whenFalse, scope);
}

function evaluateList(at: Evaluation, nodes: readonly Tree[], scope: Scope | undefined): Value {
  const items: Known[] = [];
  let unknown: Unknown | undefined;
  for (const node of nodes) {
    const item = evaluate(at, node, scope);
    if (item.type === "error") return item;
    if (item.type === "unknown") unknown = anything;
    else items.push(item);
  }
  return unknown ?? { type: "list", items };
}

function evaluateMap(at: Evaluation, node: TreeOf<"map">, scope: Scope | undefined): Value {
  const entries = new Map<string, MapEntry>();
  for (const [keyNode, valueNode] of node.args) {
    const key = evaluate(at, keyNode, scope);
    if (key.type === "error") return key;
    const value = evaluate(at, valueNode, scope);
    if (value.type === "error") return value;
    if (key.type === "unknown" || value.type === "unknown") return anything;
    const text = keyOf(key);
    if (text === undefined) return failure(`${key.type} cannot be the key of a map`);
    if (entries.has(text)) return failure("a key stands twice in a map");
    entries.set(text, { key, value });
  }
  return { type: "map", entries };
}

function evaluateBinary(at: Evaluation, node: TreeOf<BinaryOperator>, scope: Scope | undefined): Value {
  const left = evaluate(at, node.args[0], scope);
  if (left.type === "error") return left;
  const right = evaluate(at, node.args[1], scope);
  return right.type === "error" ? right : operate(node.op, left, right, at.steps);
}

function callFunction(at: Evaluation, node: TreeOf<"call">, scope: Scope | undefined): Value {
  const [name, [argument]] = node.args;
  if (argument === undefined) return failure(`${name}() is not supported`);
  if (name === "has" && argument.op === ".") {
    const [from, field] = argument.args;
    return whenKnown(evaluate(at, from, scope), at.steps, (map) => {
      if (map.type !== "map") return failure(`${map.type} has no fields`);
      return bool(map.entries.has(keyOf(string(field)) ?? ""));
    });
  }
  return whenKnown(evaluate(at, argument, scope), at.steps, (value) => {
    if (name === "size") return sizeOf(value, at.steps);
    if (name !== "data" && name !== "kv") return failure(`${quoteBriefly(name)} cannot be called`);
    if (value.type !== "string") return failure(`${name}() needs a string`);
    return at.steps.take(limits.dataReadSteps) ? at.view.read(name, value.value) : failure("no steps left");
  });
}

function callMethod(at: Evaluation, node: TreeOf<"rcall">, scope: Scope | undefined): Value {
  const [name, receiverNode, [first, second]] = node.args;
  return whenKnown(evaluate(at, receiverNode, scope), at.steps, (receiver) => {
    if (first === undefined) return sizeOf(receiver, at.steps);
    if (second !== undefined && first.op === "id") return callMacro(at, name, receiver, first.args, second, scope);
    return whenKnown(evaluate(at, first, scope), at.steps, (argument) =>
      callOnString(name, receiver, argument, at.steps),
    );
  });
}

/** The macros, over the items of a list or the keys of a map. */
function callMacro(
  at: Evaluation,
  macro: string,
  range: Known,
  variable: string,
  body: Tree,
  scope: Scope | undefined,
): Value {
  if (range.type !== "list" && range.type !== "map")
    return failure(`${macro}() needs a list or a map, not ${range.type}`);
  const items = range.type === "list" ? range.items : [...range.entries.values()].map(({ key }) => key);
  const evaluateItem = (value: Known): Value => evaluate(at, body, { name: variable, value, outer: scope });
  switch (macro) {
    case "exists":
      return connect(true, items, evaluateItem);
    case "all":
      return connect(false, items, evaluateItem);
    case "map":
      return collect(items, evaluateItem, (_item, outcome) => outcome);
    case "filter":
      return collect(items, evaluateItem, keepIfTrue);
    case "exists_one":
      return whenKnown(collect(items, evaluateItem, keepIfTrue), at.steps, (kept) =>
        bool(kept.type === "list" && kept.items.length === 1),
      );
    default:
      return failure(`${macro}() is not supported`);
  }
}
