// CEL text to the syntax tree of @marcbachmann/cel-js, which this file alone imports: its parser, never its evaluator.
import { Environment, ParseError, type ASTNode } from "@marcbachmann/cel-js";
import { limits } from "../limits.ts";
import { quoteBriefly } from "./position.ts";

/** A node of the tree. The library may write on its nodes, so nothing but this folder gets hold of one. */
export type Tree = ASTNode;

/** The nodes of one operator. */
export type TreeOf<Op extends Tree["op"]> = Extract<Tree, { readonly op: Op }>;

/** What is wrong with a text, and the offset at which. */
export interface Fault {
  readonly message: string;
  readonly offset: number;
}

/** The tree of `text`, unchecked: chains of operators make it deeper than the library's own bound. */
export function parseTree(text: string): { readonly tree: Tree } | { readonly fault: Fault } {
  try {
    return { tree: createEnvironment().parse(text).ast };
  } catch (error) {
    if (error instanceof ParseError) return { fault: faultOf(error, text) };
    return { fault: { message: "this cannot be read as a condition", offset: 0 } }; // the parser's stack overflowed
  }
}

/** The operands of a chain `a && b && c` or `a || b || c`, which the parser nests to the left, however long it is. */
export function operandsOf(chain: TreeOf<"&&" | "||">): readonly Tree[] {
  const operands: Tree[] = [];
  let left: Tree = chain;
  while ((left.op === "&&" || left.op === "||") && left.op === chain.op) {
    operands.push(left.args[1]);
    left = left.args[0];
  }
  return [left, ...operands.toReversed()];
}

/** The nodes right below `node`, in the order of the text; a chain of `&&` or `||` is one node. */
export function childrenOf(node: Tree): readonly Tree[] {
  switch (node.op) {
    case "value":
    case "id":
      return [];
    case "!_":
    case "-_":
      return [node.args];
    case ".":
    case ".?":
      return [node.args[0]];
    case "call":
      return node.args[1];
    case "rcall":
      return [node.args[1], ...node.args[2]];
    case "map":
      return node.args.flat();
    case "&&":
    case "||":
      return operandsOf(node);
    case "list":
    case "?:":
    case "[]":
    case "[?]":
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
      return node.args;
  }
}

/**
 * A new one for each text. The parser looks up every call in a table that all environments share, and a lookup leaves an
 * entry there for good: names from outside would fill the memory. Registering a function gives an environment its own.
 */
function createEnvironment(): Environment {
  const bounds = { maxDepth: limits.conditionDepth, maxAstNodes: limits.conditionSteps };
  return new Environment({ limits: bounds }).registerFunction("ownTable(): bool", () => false);
}

function faultOf(error: ParseError, text: string): Fault {
  const offset = Math.min(error.range?.start ?? 0, text.length);
  const found = text.slice(offset, Math.max(error.range?.end ?? 0, offset + 1));
  switch (error.code) {
    case "limit_exceeded": {
      const message = `a condition has at most ${limits.conditionDepth} levels of nesting and ${limits.conditionSteps} parts`;
      return { message, offset };
    }
    // The library shows the last character of a token, or half a surrogate pair.
    case "unexpected_character":
    case "unexpected_token":
    case "expected_token":
      return { message: `unexpected ${found === "" ? "end of the text" : quoteBriefly(found)}`, offset };
    case "reserved_identifier":
      return { message: `${quoteBriefly(found)} is a reserved word`, offset };
    case "invalid_macro_argument":
      return { message: `expected the name of a variable, found ${quoteBriefly(found)}`, offset };
    default:
      return { message: `${error.summary.slice(0, 80)}: ${quoteBriefly(found)}`, offset };
  }
}
