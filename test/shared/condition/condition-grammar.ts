// Conditions at random that the parser takes: mostly of fitting types, so that they often have an answer.
import fc from "fast-check";

type Parts = {
  bool: string;
  text: string;
  number: string;
  list: string;
  any: string;
};

const { bool } = fc.letrec<Parts>((tie) => ({
  bool: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom("true", "false", "cond.hot", "unknown", "data('x').last", "has(data('x').avg)"),
    fc.tuple(tie("text"), fc.constantFrom("==", "!=", "<", "<=", ">", ">="), tie("text")).map(joined),
    fc.tuple(tie("number"), fc.constantFrom("==", "!=", "<", "<=", ">", ">="), tie("number")).map(joined),
    fc.tuple(tie("any"), fc.constantFrom("==", "!=", "<", "in"), tie("any")).map(joined),
    fc.tuple(tie("text"), fc.constant("in"), tie("list")).map(joined),
    fc
      .tuple(tie("text"), fc.constantFrom("startsWith", "endsWith", "contains"), tie("text"))
      .map(([text, method, part]) => `(${text}).${method}(${part})`),
    fc.tuple(tie("bool"), fc.constantFrom("&&", "||", "==", "!="), tie("bool")).map(joined),
    tie("bool").map((inner) => `!(${inner})`),
    fc.tuple(tie("bool"), tie("bool"), tie("bool")).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    fc
      .tuple(tie("list"), fc.constantFrom("exists", "all", "exists_one"), fc.constantFrom("t", "name"), tie("bool"))
      .map(([list, macro, variable, body]) => `(${list}).${macro}(${variable}, ${body})`),
  ),
  text: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom("name", "level", "zone", "class", "t", "'a'", "'pump'", "'n1'", "'device'", "data('x').last"),
    fc.tuple(tie("text"), fc.constant("+"), tie("text")).map(joined),
    fc.tuple(tie("list"), fc.constantFrom("0", "1")).map(([list, index]) => `(${list})[${index}]`),
  ),
  number: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom("lat", "lon", "depth", "1", "2", "52.5", "data('x').avg", "0.0 / 0.0", "kv('x')"),
    fc.tuple(tie("number"), fc.constantFrom("+", "-", "*", "/", "%"), tie("number")).map(joined),
    fc.oneof(tie("text"), tie("list")).map((sized) => `size(${sized})`),
    tie("number").map((inner) => `-(${inner})`),
  ),
  list: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom("tags", "['a', 'pump']", "[]"),
    fc.array(tie("text"), { maxLength: 3 }).map((items) => `[${items.join()}]`),
    fc
      .tuple(tie("list"), fc.constantFrom("filter", "map"), tie("bool"))
      .map(([list, macro, body]) => `(${list}).${macro}(t, ${body})`),
  ),
  any: fc.oneof(
    { maxDepth: 4 },
    tie("bool"),
    tie("text"),
    tie("number"),
    tie("list"),
    fc.constantFrom("null", "data('x')", "{'a': name}", "{name: 1}"),
  ),
}));

export const conditionText: fc.Arbitrary<string> = bool;

function joined([left, operator, right]: readonly [string, string, string]): string {
  return `(${left}) ${operator} (${right})`;
}
