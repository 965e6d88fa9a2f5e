// What somebody could send to stop a node, to learn about it, or to make two nodes disagree.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCondition } from "#shared/condition/condition.ts";
import { explainCondition, type Explanation } from "#shared/condition/evaluate.ts";
import type { Subject } from "#shared/condition/subject.ts";
import { limits } from "#shared/limits.ts";

const subject: Subject = { level: "device", name: "a".repeat(64), tags: Array.from({ length: 50 }, (_, n) => `t${n}`) };
const tooManySteps = { result: false, reason: "this takes more than 1000 steps" };

function explain(text: string, about: Subject = subject): Explanation {
  const parsed = parseCondition(text);
  if ("error" in parsed) throw new Error(`${parsed.error.position.column}: ${parsed.error.message}`);
  return explainCondition(parsed.ok, about);
}

test.each([
  "tags.all(a, tags.all(b, a != b + 'x'))",
  "tags.all(a, tags.all(b, tags.all(c, tags.all(d, tags.all(e, tags.all(f, true))))))",
  "!tags.exists(a, tags.exists(b, tags.exists(c, a == 'no')))",
  "tags.exists(a, tags.exists(b, unknown)) || true",
  "true && (tags.map(a, tags.map(b, tags)) != [])",
  "tags.exists(a, tags.exists(b, a == b && b == 't40'))",
  `[${"tags,".repeat(90)}tags].all(l, 't49' in l)`,
  `[tags].all(a, [${"a+a+a+a+a+a+a+a,".repeat(20)}a].all(b, b == b))`,
])("[J-S8] %j ends when its steps are spent, and is false whatever it has found", (text) => {
  expect(explain(text)).toEqual(tooManySteps);
});

test("[J-S8] the steps that one condition may take are enough for plain use, and not for one more", () => {
  const list = (items: number): string => `size([${Array.from({ length: items }, () => 1).join()}]) > 0`;
  expect(explain(list(limits.conditionSteps - 4))).toEqual({ result: true });
  expect(explain("tags.exists(t, t == 't49') && tags.all(t, t.startsWith('t') && size(t) > 1)")).toEqual({
    result: true,
  });
  const many = { tags: Array.from({ length: 5_000 }, () => "t") };
  expect(explain("tags.all(t, true)", many)).toEqual(tooManySteps);
  expect(explain("'x' in tags", many)).toEqual(tooManySteps);
  expect(explain("tags == tags", many)).toEqual(tooManySteps);
  expect(explain("tags + tags == tags", many)).toEqual(tooManySteps);
  expect(explain("size(tags) == 5000", many)).toEqual({ result: true });
});

test("[J-S8] long strings cost steps, and cannot be made by joining", () => {
  const long = { zone: "a".repeat(1_000_000) };
  expect(explain("zone == zone", long)).toEqual({ result: true });
  expect(explain(`${"zone==zone&&".repeat(9)}true`, long)).toEqual(tooManySteps);
  expect(explain(`zone.contains('${"a".repeat(500)}b')`, long)).toEqual(tooManySteps);
  expect(explain("[zone, zone, zone, zone, zone].all(z, size(z) > 0)", long)).toEqual(tooManySteps);
  const joined = explain(`'${"a".repeat(1_000)}'.map(x, x) == [] || 'a' + '${"a".repeat(900)}' != ''`);
  expect(joined).toEqual({ result: true });
  expect(explain("zone + 'a' != ''", long).reason).toBe("1:1: a joined string has at most 2048 characters");
  const sixteen = ".map(a, a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a)";
  expect(explain(`['a']${sixteen.repeat(2)} != []`)).toEqual({ result: true });
  expect(explain(`['a']${sixteen.repeat(3)} != []`).reason).toContain("at most 2048 characters");
});

test("[J-S8] numbers that grow fail instead of taking memory", () => {
  const squared = "*9223372036854775807".repeat(20);
  expect(explain(`9223372036854775807${squared} > 0`).reason).toContain("more than 64 bits");
  expect(explain("1e308 * 10.0 == 1e308 * 100.0 && 1e308 * 10 > 9223372036854775807")).toEqual({ result: true });
  expect(explain("{1e308: 1} == {}").result).toBe(false);
  expect(explain("[1][9223372036854775807] == 1").result).toBe(false);
  expect(explain("[1][1e300] == 1 || [1][0.5] == 1").result).toBe(false);
});

test.each([
  "constructor",
  "toString == toString",
  "hasOwnProperty",
  "level.constructor != null",
  "level.__proto__ != null",
  "level.length > 0",
  "tags.length > 0",
  "tags.constructor != null",
  "tags['constructor'] != null",
  "tags['__proto__'] != null",
  "{'a': 1}.constructor != null",
  "{'a': 1}['__proto__'] != null",
  "{'a': 1}.a.toString != null",
  "has({'a': 1}.__proto__)",
  "'toString' in {'a': 1}",
  "{}.hasOwnProperty != null",
  "{'__proto__': {'b': true}}.b",
  "process != null || globalThis != null || this != null",
])("[J-S8] %j finds no property of an object", (text) => {
  expect(explain(text).result).toBe(false);
});

test("[J-S8] a map may have any key, and only its own", () => {
  expect(explain("{'__proto__': 1, 'constructor': 2}.__proto__ == 1")).toEqual({ result: true });
  expect(explain("{'__proto__': 1, 'constructor': 2}.constructor == 2")).toEqual({ result: true });
  expect(explain("{'int 1': 1}[1] == 1").result).toBe(false);
});

test("[J-S8] values that a subject should not have make a condition false, and no more", () => {
  const odd = { depth: Number.NaN, lat: Number.NaN, lon: Number.POSITIVE_INFINITY, tags: [] };
  expect(explain("depth == depth", odd).reason).toContain('"depth" is not known here');
  expect(explain("lat == lat || lat < 0.0 || lat >= 0.0", odd)).toEqual({ result: false });
  expect(explain("lon > 1e308 && tags.all(t, unknown) && !tags.exists(t, unknown)", odd)).toEqual({ result: true });
  expect(explain("depth == 1", { depth: 1.5 }).result).toBe(false);
});

const word = fc.constantFrom(
  ..."level name zone tags depth lat class t x kv data size has exists all exists_one map filter contains".split(" "),
  ..."startsWith matches true false null in && || ! == != < <= > >= + - * / % ? : ( ) [ ] { } , . .".split(" "),
  ..."'a' \"pump\" 1 0 2.5 9223372036854775807 1u b'x' __proto__ tags.exists(t, size(tags)".split(" "),
);

test("[J-S8] a soup of tokens is refused, true or false, in bounded time and the same each time", () => {
  let read = 0;
  fc.assert(
    fc.property(fc.array(word, { maxLength: 400 }), fc.boolean(), (words, isShort) => {
      const text = (isShort ? words.slice(0, 5) : words).join(" ");
      const [first, second] = [parseCondition(text), parseCondition(text)];
      expect("ok" in first).toBe("ok" in second);
      if ("error" in first || "error" in second) return;
      read++;
      expect(explainCondition(first.ok, subject)).toEqual(explainCondition(second.ok, subject));
    }),
    { numRuns: 3_000 },
  );
  expect(read).toBeGreaterThan(20);
});

/** Expressions that are well-formed and mostly senseless. */
const expression: fc.Arbitrary<string> = fc.letrec<{
  all: string;
  leaf: string;
  pair: string;
  call: string;
  other: string;
}>((tie) => ({
  all: fc.oneof({ maxDepth: 6, depthIdentifier: "soup" }, tie("leaf"), tie("pair"), tie("call"), tie("other")),
  leaf: fc.constantFrom("tags", "t", "level", "unknown", "1", "-2.5", "'t7'", "true", "null", "[]", "{}", "lat"),
  pair: fc
    .tuple(tie("all"), fc.constantFrom(..."&& || == != < >= + - * / % in".split(" ")), tie("all"))
    .map(([a, op, b]) => `(${a} ${op} ${b})`),
  call: fc
    .tuple(tie("all"), fc.constantFrom("exists", "all", "exists_one", "map", "filter"), tie("all"))
    .map(([a, macro, b]) => `(${a}).${macro}(t, ${b})`),
  other: fc
    .tuple(tie("all"), tie("all"), tie("all"))
    .chain(([a, b, c]) =>
      fc.constantFrom(
        `[${a}, ${b}]`,
        `{${a}: ${b}}`,
        `(${a} ? ${b} : ${c})`,
        `!(${a})`,
        `-(${a})`,
        `size(${a})`,
        `(${a})[${b}]`,
        `(${a}).f`,
        `has((${a}).f)`,
        `(${a}).contains(${b})`,
        `kv(${a})`,
      ),
    ),
})).all;

test("[J-S8] a senseless condition is false or true, and the same each time", () => {
  let read = 0;
  fc.assert(
    fc.property(expression, (text) => {
      const parsed = parseCondition(text);
      if ("error" in parsed) return;
      read++;
      expect(explainCondition(parsed.ok, subject)).toEqual(explainCondition(parsed.ok, subject));
    }),
    { numRuns: 3_000 },
  );
  expect(read).toBeGreaterThan(1_000);
});
