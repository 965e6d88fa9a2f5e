// A condition: CEL text, parsed into a tree that has been checked, and is small enough to be walked by recursion.
// It is data: nothing here or in evaluate.ts runs it as code (CONDITIONS.md describes the language).
import { limits } from "../limits.ts";
import { functions, methods } from "./calls.ts";
import { positionOf, quoteBriefly, type Position } from "./position.ts";
import { childrenOf, parseTree, type Fault, type Tree, type TreeOf } from "./syntax-tree.ts";

/** Made by `parseCondition` only. */
export interface Condition {
  readonly text: string;
  /** Undefined for the empty condition, which always holds. */
  readonly tree: Tree | undefined;
}

/** Why a text is not a condition, and where. */
export interface ConditionError {
  readonly message: string;
  readonly position: Position;
}

export type ParsedCondition = { readonly ok: Condition } | { readonly error: ConditionError };

/** Checks and parses `text`, whatever it is. Names are not checked: another node may know them. */
export function parseCondition(text: string): ParsedCondition {
  if (isTooLong(text)) {
    const message = `a condition has at most ${limits.conditionBytes} bytes`;
    return { error: { message, position: positionOf(text, 0) } };
  }
  if (/^[ \t\r\n]*$/.test(text)) return { ok: { text, tree: undefined } };
  const parsed = parseTree(text);
  const fault = "fault" in parsed ? parsed.fault : findFault(parsed.tree, text);
  if (fault !== undefined) return { error: { message: fault.message, position: positionOf(text, fault.offset) } };
  return { ok: { text, tree: "tree" in parsed ? parsed.tree : undefined } };
}

function isTooLong(text: string): boolean {
  return text.length > limits.conditionBytes || new TextEncoder().encode(text).length > limits.conditionBytes;
}

/** The first fault of the tree. Walks without recursion: trees that are too deep for that are what it looks for. */
function findFault(root: Tree, text: string): Fault | undefined {
  const open: { readonly node: Tree; readonly depth: number; readonly isNegated: boolean }[] = [];
  let next: (typeof open)[number] | undefined = { node: root, depth: 1, isNegated: false };
  for (; next !== undefined; next = open.pop()) {
    const { node, depth, isNegated } = next;
    if (depth > limits.conditionDepth) {
      return { message: `a condition has at most ${limits.conditionDepth} levels of nesting`, offset: node.start };
    }
    const message = complaintAbout(node, isNegated);
    if (message !== undefined) return { message, offset: node.op === "rcall" ? nameOffset(node, text) : node.start };
    for (const child of childrenOf(node).toReversed())
      open.push({ node: child, depth: depth + 1, isNegated: node.op === "-_" });
  }
  return undefined;
}

function complaintAbout(node: Tree, isNegated: boolean): string | undefined {
  switch (node.op) {
    case "value":
      return complaintAboutLiteral(node.args, isNegated);
    case "call": {
      const [name, args] = node.args;
      if (name === "has" && args.length === 1 && args[0]?.op !== ".")
        return 'has() takes a field, as in has(kv("a").b)';
      return complaintAboutCall(name, args.length, functions);
    }
    case "rcall":
      return complaintAboutCall(node.args[0], node.args[2].length, methods);
    case ".?":
    case "[?]":
      return `${node.op} is not supported`;
    default:
      return undefined;
  }
}

/** The least int stands in the tree as a minus in front of a number that is none. */
function complaintAboutLiteral(value: TreeOf<"value">["args"], isNegated: boolean): string | undefined {
  if (typeof value === "object" && value !== null) return "unsigned integers and bytes are not supported";
  if (typeof value !== "bigint") return undefined;
  return BigInt.asIntN(64, isNegated ? -value : value) === (isNegated ? -value : value)
    ? undefined
    : "an integer has at most 64 bits";
}

function complaintAboutCall(name: string, count: number, allowed: ReadonlyMap<string, number>): string | undefined {
  const expected = allowed.get(name);
  if (expected === count) return undefined;
  if (expected !== undefined) return `${name}() takes ${expected} argument${expected === 1 ? "" : "s"}, not ${count}`;
  const names = (known: ReadonlyMap<string, number>): string => [...known.keys()].join(", ");
  return `${quoteBriefly(name)} cannot be called; there are the functions ${names(functions)} and the methods ${names(methods)}`;
}

/** Where the name of a method stands: the tree knows only its receiver and its arguments. */
function nameOffset(node: TreeOf<"rcall">, text: string): number {
  const [name, receiver, [argument]] = node.args;
  return Math.max(text.lastIndexOf(name, (argument?.start ?? node.end) - 1), receiver.end);
}
