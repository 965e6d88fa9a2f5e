// The names that a node must have one of for a condition to hold on it, as far as the text says so: most calls go to a few nodes by name,
// and whoever has another name need not be looked at.
import type { Condition } from "./condition.ts";
import { operandsOf, type Tree } from "./syntax-tree.ts";

/** Undefined: any name will do. */
export function namesIn({ tree }: Condition): ReadonlySet<string> | undefined {
  return tree === undefined ? undefined : namesOf(tree);
}

function namesOf(tree: Tree): ReadonlySet<string> | undefined {
  switch (tree.op) {
    case "==": {
      const [left, right] = tree.args;
      return isName(left) ? constants([right]) : isName(right) ? constants([left]) : undefined;
    }
    case "in": {
      const [item, list] = tree.args;
      return isName(item) && list.op === "list" ? constants(list.args) : undefined;
    }
    // What is false decides, whatever the other parts come to: also when they fail.
    case "&&":
      return operandsOf(tree).reduce<ReadonlySet<string> | undefined>(
        (names, operand) => both(names, namesOf(operand)),
        undefined,
      );
    case "||": {
      const parts = operandsOf(tree).map(namesOf);
      return parts.includes(undefined) ? undefined : new Set(parts.flatMap((names) => [...(names ?? [])]));
    }
    default:
      return undefined;
  }
}

function isName(tree: Tree): boolean {
  return tree.op === "id" && tree.args === "name";
}

function constants(trees: readonly Tree[]): ReadonlySet<string> | undefined {
  const names = new Set<string>();
  for (const tree of trees) {
    if (tree.op !== "value" || typeof tree.args !== "string") return undefined;
    names.add(tree.args);
  }
  return names;
}

function both(a: ReadonlySet<string> | undefined, b: ReadonlySet<string> | undefined): ReadonlySet<string> | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return new Set([...a].filter((name) => b.has(name)));
}
