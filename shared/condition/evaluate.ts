// Whether a condition holds for a node, with our own walk over the tree: the library's evaluator does not count its steps.
//
// An outcome is a value or a failure (an unknown name, types that do not fit). `&&` and `||` and the macros made of them
// absorb failures as CEL does: `false && x` is false and `true || x` is true, whatever x is, on either side. A failure
// that survives makes the whole condition false, and so does running out of steps.
import { limits } from "../limits.ts";
import { calculate, negate } from "./arithmetic.ts";
import { callOnString, sizeOf } from "./calls.ts";
import type { Condition } from "./condition.ts";
import { asBool, collect, connect, holds, keepIfTrue, not, whenKnown } from "./logic.ts";
import { positionOf, quoteBriefly } from "./position.ts";
import { StepBudget } from "./step-budget.ts";
import { fieldsOf, type Subject } from "./subject.ts";
import { operandsOf, type Tree, type TreeOf } from "./syntax-tree.ts";
import {
  bool,
  compare,
  contains,
  double,
  equal,
  failure,
  keyOf,
  string,
  type Known,
  type MapEntry,
  type Value,
} from "./value.ts";

export interface Explanation {
  readonly result: boolean;
  /** Why there was no answer, and the result is false for want of one. */
  readonly reason?: string;
}

/** Whether `condition` holds for `subject`. False when that cannot be told. */
export function evaluateCondition(condition: Condition, subject: Subject): boolean {
  const value = run(condition, subject);
  return value.type === "bool" && value.value;
}

/** As `evaluateCondition`, with the reason when the condition failed rather than did not hold. */
export function explainCondition(condition: Condition, subject: Subject): Explanation {
  const value = run(condition, subject);
  if (value.type === "bool") return { result: value.value };
  if (value.type !== "error") return { result: false, reason: `the condition is of type ${value.type}, not bool` };
  if (value.offset === undefined) return { result: false, reason: value.reason };
  const { line, column } = positionOf(condition.text, value.offset);
  return { result: false, reason: `${line}:${column}: ${value.reason}` };
}

interface Evaluation {
  readonly fields: ReadonlyMap<string, Value>;
  readonly steps: StepBudget;
}

/** A variable of a macro; it hides outer ones and fields of the same name. */
interface Scope {
  readonly name: string;
  readonly value: Known;
  readonly outer: Scope | undefined;
}

function run({ tree }: Condition, subject: Subject): Value {
  if (tree === undefined) return bool(true);
  const steps = new StepBudget(limits.conditionSteps);
  const value = evaluate({ fields: fieldsOf(subject), steps }, tree, undefined);
  return steps.isSpent ? failure(`this takes more than ${limits.conditionSteps} steps`) : value;
}

/** Once the steps are spent every part fails at once, so that the walk ends; `run` sees to the result. */
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
      return whenKnown(evaluate(at, node.args, scope), negate);
    case "?:":
      return choose(at, node, scope);
    case "list":
      return evaluateList(at, node.args, scope);
    case "map":
      return evaluateMap(at, node, scope);
    case ".":
      return whenKnown(evaluate(at, node.args[0], scope), (value) => select(value, string(node.args[1])));
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
  for (let inner = scope; inner !== undefined; inner = inner.outer) if (inner.name === name) return inner.value;
  return at.fields.get(name) ?? failure(`${quoteBriefly(name)} is not known here`);
}

function choose(at: Evaluation, node: TreeOf<"?:">, scope: Scope | undefined): Value {
  const [question, whenTrue, whenFalse] = node.args;
  const answer = asBool(evaluate(at, question, scope));
  return answer.type === "error" ? answer : evaluate(at, answer.value ? whenTrue : whenFalse, scope);
}

function evaluateList(at: Evaluation, nodes: readonly Tree[], scope: Scope | undefined): Value {
  const items: Known[] = [];
  for (const node of nodes) {
    const item = evaluate(at, node, scope);
    if (item.type === "error") return item;
    items.push(item);
  }
  return { type: "list", items };
}

function evaluateMap(at: Evaluation, node: TreeOf<"map">, scope: Scope | undefined): Value {
  const entries = new Map<string, MapEntry>();
  for (const [keyNode, valueNode] of node.args) {
    const key = evaluate(at, keyNode, scope);
    if (key.type === "error") return key;
    const value = evaluate(at, valueNode, scope);
    if (value.type === "error") return value;
    const text = keyOf(key);
    if (text === undefined) return failure(`${key.type} cannot be the key of a map`);
    if (entries.has(text)) return failure("a key stands twice in a map");
    entries.set(text, { key, value });
  }
  return { type: "map", entries };
}

type BinaryOperator = Exclude<Extract<Tree, { readonly args: readonly [Tree, Tree] }>["op"], "&&" | "||" | "[?]">;

function evaluateBinary(at: Evaluation, node: TreeOf<BinaryOperator>, scope: Scope | undefined): Value {
  const left = evaluate(at, node.args[0], scope);
  if (left.type === "error") return left;
  const right = evaluate(at, node.args[1], scope);
  if (right.type === "error") return right;
  switch (node.op) {
    case "[]":
      return select(left, right);
    case "==":
      return equal(left, right, at.steps);
    case "!=":
      return not(equal(left, right, at.steps));
    case "<":
      return holds(compare(left, right, at.steps), (order) => order < 0);
    case "<=":
      return holds(compare(left, right, at.steps), (order) => order <= 0);
    case ">":
      return holds(compare(left, right, at.steps), (order) => order > 0);
    case ">=":
      return holds(compare(left, right, at.steps), (order) => order >= 0);
    case "in":
      return contains(right, left, at.steps);
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      return calculate(node.op, left, right, at.steps);
  }
}

/** An entry of a map, or an item of a list, which counts from 0. */
function select(from: Known, key: Known): Value {
  const name = keyOf(key);
  if (from.type === "map") return from.entries.get(name ?? "")?.value ?? failure("the map has no such key");
  if (from.type !== "list") return failure(`${from.type} has no fields`);
  const index = key.type === "int" || key.type === "double" ? Number(key.value) : -1;
  return from.items[index] ?? failure("the list has no such item");
}

function callFunction(at: Evaluation, node: TreeOf<"call">, scope: Scope | undefined): Value {
  const [name, [argument]] = node.args;
  if (argument === undefined) return failure(`${name}() is not supported`);
  if (name === "has" && argument.op === ".") {
    const [from, field] = argument.args;
    return whenKnown(evaluate(at, from, scope), (map) => {
      if (map.type !== "map") return failure(`${map.type} has no fields`);
      return bool(map.entries.has(keyOf(string(field)) ?? ""));
    });
  }
  return whenKnown(evaluate(at, argument, scope), (value) => {
    if (name === "size") return sizeOf(value, at.steps);
    return failure(`${name}() is not known here`); // of kv() and data() there are no values yet
  });
}

function callMethod(at: Evaluation, node: TreeOf<"rcall">, scope: Scope | undefined): Value {
  const [name, receiverNode, [first, second]] = node.args;
  const receiver = evaluate(at, receiverNode, scope);
  if (receiver.type === "error") return receiver;
  if (first === undefined) return sizeOf(receiver, at.steps);
  if (second !== undefined && first.op === "id") return callMacro(at, name, receiver, first.args, second, scope);
  return whenKnown(evaluate(at, first, scope), (argument) => callOnString(name, receiver, argument, at.steps));
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
      return whenKnown(collect(items, evaluateItem, keepIfTrue), (kept) =>
        bool(kept.type === "list" && kept.items.length === 1),
      );
    default:
      return failure(`${macro}() is not supported`);
  }
}
