// Why a condition holds for a node or does not: the part of it that decided, and what that part saw.
import { limits } from "../limits.ts";
import type { Condition } from "./condition.ts";
import { evaluateIn, evaluateTree, reasonOf } from "./evaluate.ts";
import { asBool } from "./logic.ts";
import { StepBudget } from "./step-budget.ts";
import { childrenOf, operandsOf, type Tree } from "./syntax-tree.ts";
import type { Known, Value } from "./value.ts";
import type { View } from "./view.ts";

export interface Verdict {
  /** `unknown`: it cannot be told from this view, which is not the node's own. */
  readonly result: "true" | "false" | "unknown";
  /** A sentence without a full stop. */
  readonly why: string;
}

/** Walking down to what decided evaluates each part once more, at each level of the way. */
const explanationSteps = limits.conditionSteps * limits.conditionDepth;
const termsShown = 4;
const charsShown = 120;
const itemsShown = 8;

/** What `condition` comes to in `view`, and why. Takes from `total` what that costs; when it is spent the reason is less precise. */
export function explainIn(condition: Condition, view: View, total = new StepBudget(explanationSteps)): Verdict {
  const { tree } = condition;
  if (tree === undefined) return { result: "true", why: "the empty condition always holds" };
  const steps = new StepBudget(limits.conditionSteps);
  const value = evaluateIn(condition, view, steps);
  total.take(steps.taken);
  if (steps.isSpent) return { result: "unknown", why: `it takes more than ${limits.conditionSteps} steps` };
  const search = { condition, view, steps: total };
  const part = decidingPart(search, tree);
  const decided = evaluateTree(part, view, total);
  const why = total.isSpent ? "it would take too many steps to say why" : whyOf(search, part, decided);
  return { result: resultOf(value), why };
}

interface Search {
  readonly condition: Condition;
  readonly view: View;
  readonly steps: StepBudget;
}

function resultOf(value: Value): Verdict["result"] {
  if (value.type === "unknown") return value.never === true ? "false" : "unknown";
  return value.type === "bool" && value.value ? "true" : "false";
}

/** Down through `&&`, `||` and `!`, as long as one operand alone made the outcome. */
function decidingPart(search: Search, part: Tree): Tree {
  if (part.op === "!_") return decidingPart(search, part.args);
  if (part.op !== "&&" && part.op !== "||") return part;
  const decisive = part.op === "||";
  const operands = operandsOf(part).map((tree) => ({
    tree,
    value: asBool(evaluateTree(tree, search.view, search.steps)),
  }));
  const whole = evaluateTree(part, search.view, search.steps);
  const of = (type: Value["type"]): Tree | undefined => operands.find(({ value }) => value.type === type)?.tree;
  const decided = operands.find(({ value }) => value.type === "bool" && value.value === decisive)?.tree;
  // A failure decides when the rest, whatever it is, cannot make the whole true.
  const open = whole.type === "unknown" && whole.never === undefined ? of("unknown") : (of("error") ?? of("unknown"));
  const next = decided ?? open;
  return next === undefined ? part : decidingPart(search, next);
}

function whyOf({ condition, view, steps }: Search, part: Tree, value: Value): string {
  const text = textOf(part, condition.text);
  if (value.type === "error") return `${text} has no answer: ${reasonOf(value, condition)}`;
  const seen = termsOf(part)
    .map((term) => ({ text: textOf(term, condition.text), value: evaluateTree(term, view, steps) }))
    .filter((term, at, all) => term.text !== text && all.findIndex((other) => other.text === term.text) === at)
    .slice(0, termsShown)
    .map((term) => `${term.text} is ${describe(term.value)}`);
  const outcome = value.type === "unknown" ? "depends on what only the node knows" : `is ${describe(value)}`;
  return `${text} ${outcome}${seen.length === 0 ? "" : `: ${seen.join(", ")}`}`;
}

/** The fields, readings and named conditions that a part mentions, without the variables of its macros. */
function termsOf(part: Tree): readonly Tree[] {
  const terms: Tree[] = [];
  const walk = (node: Tree, variables: readonly string[]): void => {
    if (node.op === "id") {
      if (!variables.includes(node.args)) terms.push(node);
    } else if (isReading(node)) terms.push(node);
    else if (node.op === "rcall" && node.args[2].length === 2) {
      const [, receiver, [variable, body]] = node.args;
      walk(receiver, variables);
      if (body !== undefined && variable?.op === "id") walk(body, [...variables, variable.args]);
    } else for (const child of childrenOf(node)) walk(child, variables);
  };
  walk(part, []);
  return terms;
}

/** `data("a").avg`, `cond.hot` and the like. */
function isReading(node: Tree): boolean {
  if (node.op === "call") return (node.args[0] === "data" || node.args[0] === "kv") && node.args[1][0]?.op === "value";
  if (node.op !== ".") return false;
  return (node.args[0].op === "id" && node.args[0].args === "cond") || isReading(node.args[0]);
}

/** What stands in the text. The parser's nodes end before their closing parentheses. */
function textOf({ start, end }: Tree, text: string): string {
  let last = end;
  const open = (): number => text.slice(start, last).split("(").length - text.slice(start, last).split(")").length;
  while (open() > 0 && text[last] === ")") last++;
  return cut(text.slice(start, last).replaceAll(/\s+/g, " "));
}

function describe(value: Value): string {
  if (value.type === "error") return "not known";
  if (value.type !== "unknown") return cut(render(value));
  if (value.span !== undefined) return `${value.span[0]} to ${value.span[1]}`;
  return value.among === undefined ? "known to the node alone" : `one of ${value.among.items.length}`;
}

function render(value: Known): string {
  switch (value.type) {
    case "null":
      return "null";
    case "string":
      return JSON.stringify(value.value);
    case "bool":
    case "int":
    case "double":
      return String(value.value);
    case "list":
      return `[${few(value.items.map(render))}]`;
    case "map":
      return `{${few([...value.entries.values()].map((entry) => `${render(entry.key)}: ${render(entry.value)}`))}}`;
  }
}

function few(items: readonly string[]): string {
  return items.length <= itemsShown ? items.join(", ") : [...items.slice(0, itemsShown), "…"].join(", ");
}

function cut(text: string): string {
  return text.length > charsShown ? `${text.slice(0, charsShown)}…` : text;
}
