// Conditions that a node's configuration gives a name, and that others refer to as `cond.<name>`.
import { limits } from "../limits.ts";
import { parseCondition, type Condition } from "./condition.ts";
import { childrenOf, type Tree } from "./syntax-tree.ts";

/** What is wrong with one entry of such a table, in words that follow "expected". */
export interface NamedFault {
  readonly name: string;
  readonly expected: string;
}

/** Every entry of `texts` as a condition; what is none is left out. */
export function parseNamed(texts: Readonly<Record<string, string>>): ReadonlyMap<string, Condition> {
  const conditions = new Map<string, Condition>();
  for (const [name, text] of Object.entries(texts)) {
    const parsed = parseCondition(text);
    if ("ok" in parsed) conditions.set(name, parsed.ok);
  }
  return conditions;
}

/** The first fault of `texts`: a name that cannot be referred to, a text that is no condition, one that needs itself or one that is not there. */
export function findNamedFault(texts: Readonly<Record<string, string>>): NamedFault | undefined {
  const conditions = parseNamed(texts);
  for (const [name, text] of Object.entries(texts)) {
    const expected = complaintAbout(name, text, conditions);
    if (expected !== undefined) return { name, expected };
  }
  return undefined;
}

function complaintAbout(name: string, text: string, conditions: ReadonlyMap<string, Condition>): string | undefined {
  const isName = /^[A-Za-z]\w*$/.test(name) && name.length <= limits.conditionNameChars;
  if (!isName || "error" in parseCondition(`cond.${name}`))
    return `a name of at most ${limits.conditionNameChars} letters, digits or _, beginning with a letter`;
  const parsed = parseCondition(text);
  if ("error" in parsed) {
    const { message, position } = parsed.error;
    return `a condition (line ${position.line}, column ${position.column}: ${message})`;
  }
  const missing = [...namesIn(parsed.ok)].find((other) => !conditions.has(other));
  if (missing !== undefined)
    return `a condition that refers only to others of this group, and cond.${missing} is not there`;
  const ring = findRing(name, conditions);
  return ring === undefined ? undefined : `a condition that does not need itself (${ring.join(" needs ")})`;
}

/** A way from `name` back to itself; undefined when there is none. */
function findRing(name: string, conditions: ReadonlyMap<string, Condition>): readonly string[] | undefined {
  const seen = new Set<string>();
  const open: (readonly string[])[] = [[name]];
  for (let way = open.pop(); way !== undefined; way = open.pop()) {
    const condition = conditions.get(way.at(-1) ?? name);
    for (const other of condition === undefined ? [] : namesIn(condition)) {
      if (other === name) return [...way, other];
      if (seen.has(other)) continue;
      seen.add(other);
      open.push([...way, other]);
    }
  }
  return undefined;
}

/** What `condition` refers to as `cond.<name>`. */
function namesIn({ tree }: Condition): ReadonlySet<string> {
  const names = new Set<string>();
  const open: Tree[] = tree === undefined ? [] : [tree];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node.op === "." && node.args[0].op === "id" && node.args[0].args === "cond") names.add(node.args[1]);
    open.push(...childrenOf(node));
  }
  return names;
}
