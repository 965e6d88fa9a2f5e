import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCondition } from "#shared/condition/condition.ts";
import { evaluateCondition, explainCondition, type Explanation } from "#shared/condition/evaluate.ts";
import type { Subject } from "#shared/condition/subject.ts";

const pump: Subject = {
  level: "device",
  name: "device-7",
  zone: "hall-2",
  tags: ["pump", "spare"],
  depth: 2,
  lat: 52,
  lon: 13.4,
  class: "PumpController",
};
const bare: Subject = { level: "fog", name: "fog-1" };

function explain(text: string, subject: Subject = pump): Explanation {
  const parsed = parseCondition(text);
  if ("error" in parsed) throw new Error(parsed.error.message);
  const explanation = explainCondition(parsed.ok, subject);
  expect(evaluateCondition(parsed.ok, subject)).toBe(explanation.result);
  return explanation;
}

test.each([
  "",
  "  \n ",
  "level == 'device'",
  '"pump" in tags',
  "tags.exists(t, t == 'pump') && level == 'device'",
  'level in ["fog", "device"]',
  'zone.startsWith("hall-") && zone.endsWith("2") && zone.contains("all")',
  'class == "PumpController" && name != "device-8"',
  "depth == 2 && depth == 2.0 && depth < 2.5 && 1 < depth",
  "lat == 52 && lat > 51.9 && lon <= 13.4",
  "!('valve' in tags) && size(tags) == 2 && tags.size() == 2",
  "tags.all(t, size(t) > 3) && tags.exists_one(t, t.startsWith('s'))",
  "tags.filter(t, t != 'spare') == ['pump'] && tags.map(t, size(t)) == [4, 5]",
  "tags.exists(level, level == 'spare') && level == 'device'",
  "tags.exists(a, tags.exists(b, a + b == 'sparepump'))",
  "tags[1] == 'spare' && (tags + ['x'])[2] == 'x'",
  "level == 'cloud' ? false : depth > 0 ? true : false",
  "{'a': 1, 2: 'b', true: null}['a'] == 1 && {2: 'b'}[2.0] == 'b' && {'a': {'b': 3}}.a.b == 3",
  "has({'a': 1}.a) && !has({'a': 1}.b) && 'a' in {'a': 1} && !(1 in {'a': 1})",
  "{'b': 1, 'a': 2} == {'a': 2.0, 'b': 1} && {'a': 1} != {'b': 1} && {'a': 1}.exists(k, k == 'a')",
  "7 / 2 == 3 && -7 / 2 == -3 && 7 % 4 == 3 && 7 / 2.0 == 3.5 && 2 + 3 * 4 - 1 == 13",
  "1.0 / 0.0 > 9223372036854775807 && !(0.0 / 0.0 == 0.0 / 0.0) && 0.0 / 0.0 != 0.0",
  "9007199254740993 != 9007199254740992.0 && -9223372036854775808 < 0",
  "'a' < 'b' && 'a' <= 'a' && 'b' > 'a' && !('a' >= 'b') && 'a' + 'b' == 'ab'",
  "null == null && null != 1 && !(tags == null)",
  "[1, 2.0, 'x'] == [1.0, 2, 'x'] && [1] != [1, 2] && true == !false",
  "size('a\u{1F600}') == 2 && size({'a': 1}) == 1 && size('') == 0",
])("[J8] %j holds for the pump", (text) => {
  expect(explain(text)).toEqual({ result: true });
});

test.each([
  "level == 'fog'",
  '"valve" in tags',
  "tags.exists(t, t == 'pump') && level == 'fog'",
  "tags.all(t, t == 'pump')",
  "tags.exists_one(t, t.contains('p'))",
  "depth > 2",
])("[J8] %j does not hold for the pump, which is no failure", (text) => {
  expect(explain(text)).toEqual({ result: false });
});

test.each([
  ["zone == 'north'", '1:1: "zone" is not known here'],
  ["zone != 'north'", '1:1: "zone" is not known here'],
  ["!(zone == 'north')", '1:3: "zone" is not known here'],
  ["true &&\n  'x' in tags", '2:10: "tags" is not known here'],
  ["!('x' in tags)", '1:10: "tags" is not known here'],
  ["lat < 90.0 || lat >= 90.0", '1:1: "lat" is not known here'],
  ["true && one && two && three", '1:9: "one" is not known here'],
  ["loyalty > 0.5", '1:1: "loyalty" is not known here'],
  ["kv('a/b') == 1", "1:1: kv() is not known here"],
  ["!has(data('t').last)", '1:6: nothing has been published on "/data/t" here'],
  ["level == 1", "1:1: string and int cannot be compared"],
  ["level != 1", "1:1: string and int cannot be compared"],
  ["level < true", "1:1: string and bool cannot be compared"],
  ["!level", "1:1: expected a bool, found string"],
  ["level && true", "1:1: expected a bool, found string"],
  ["1 ? true : true", "1:1: expected a bool, found int"],
  ["-level == 'x'", "1:1: there is no -string"],
  ["level + 1 == 'fog1'", "1:1: there is no string + int"],
  ["level.x == 1", "1:7: string has no fields"],
  ["has(level.x)", "1:1: string has no fields"],
  ["{'a': 1}.b == 1", "1:10: the map has no such key"],
  ["[1][1] == 1", "1:1: the list has no such item"],
  ["[1][-1] == 1", "1:1: the list has no such item"],
  ["[1]['length'] == 1", "1:1: the list has no such item"],
  ["'f' in level", '1:1: "in" needs a list or a map on its right, not string'],
  ["level.exists(x, true)", "1:1: exists() needs a list or a map, not string"],
  ["level.contains(1)", "1:1: contains() needs two strings, not string and int"],
  ["size(1) == 1", "1:1: int has no size"],
  ["1 / 0 == 1", "1:1: division by zero"],
  ["1 % 0 == 1", "1:1: division by zero"],
  ["1.5 % 1.0 == 0.5", "1:1: % needs two integers"],
  ["9223372036854775807 + 1 > 0", "1:1: an integer needs more than 64 bits"],
  ["-(-9223372036854775807 - 1) > 0", "1:1: an integer needs more than 64 bits"],
  ["{1.5: 1} == {}", "1:1: double cannot be the key of a map"],
  ["{1: 1, 1: 2} == {}", "1:1: a key stands twice in a map"],
  ["[1].exists_one(x, y)", '1:19: "y" is not known here'],
  ["[1].map(x, y) == [1]", '1:12: "y" is not known here'],
  ["level", "the condition is of type string, not bool"],
  ["null", "the condition is of type null, not bool"],
  ["1", "the condition is of type int, not bool"],
])("[J8] %j cannot be told of a bare node, so it is false", (text, reason) => {
  expect(explain(text, bare)).toEqual({ result: false, reason });
});

test.each([
  ["false && unknown", "unknown && false", false],
  ["true || unknown", "unknown || true", true],
  ["false && 1", "1 && false", false],
  ["true || 1", "1 || true", true],
  ["[2, 'x'].exists(i, i > 1)", "['x', 2].exists(i, i > 1)", true],
  ["[0, 'x'].all(i, i > 1)", "['x', 0].all(i, i > 1)", false],
  ["1 in [1, 'x']", "1 in ['x', 1]", true],
  ["[1, 2] == ['x', 3]", "[2, 1] == [3, 'x']", false],
])("[J8] a failure is absorbed where the rest decides: %j and %j", (text, mirrored, result) => {
  expect([explain(text), explain(mirrored)]).toEqual([{ result }, { result }]);
});

test.each([
  ["true && unknown", "unknown && true"],
  ["false || unknown", "unknown || false"],
  ["[0, 'x'].exists(i, i > 1)", "['x', 0].exists(i, i > 1)"],
  ["[2, 'x'].all(i, i > 1)", "['x', 2].all(i, i > 1)"],
  ["1 in [2, 'x']", "1 in ['x', 2]"],
  ["!(1 in [2, 'x'])", "!([1, 2] == [1, 'x'])"],
  ["[1, 'x'].filter(i, i > 0) == [1]", "!([1, 'x'].exists_one(i, i > 0))"],
])("[J8] a failure survives where the rest does not decide: %j and %j", (text, mirrored) => {
  expect([explain(text).result, explain(mirrored).result]).toEqual([false, false]);
  expect([explain(text).reason, explain(mirrored).reason]).not.toContain(undefined);
});

/** Parts that are true, false, or fail. */
const part: fc.Arbitrary<string> = fc.constantFrom(
  "true",
  "false",
  "unknown",
  "level == 'device'",
  "depth > 7",
  "zone < 1",
  "1 / 0 == 0",
);
const expression: fc.Arbitrary<string> = fc.letrec<{ all: string; pair: string; not: string }>((tie) => ({
  all: fc.oneof({ maxDepth: 4, depthIdentifier: "expression" }, part, tie("pair"), tie("not")),
  pair: fc.tuple(tie("all"), fc.constantFrom("&&", "||"), tie("all")).map(([a, op, b]) => `(${a} ${op} ${b})`),
  not: tie("all").map((a) => `!(${a})`),
})).all;

/** true, false, or undefined for a failure. */
function outcome(text: string): boolean | undefined {
  const { result, reason } = explain(text);
  return reason === undefined ? result : undefined;
}

test("[J8] && and || commute, mirror each other, and a failed condition stays failed when negated", () => {
  fc.assert(
    fc.property(expression, expression, (a, b) => {
      expect(outcome(`${a} && ${b}`)).toBe(outcome(`${b} && ${a}`));
      expect(outcome(`${a} || ${b}`)).toBe(outcome(`${b} || ${a}`));
      expect(outcome(`!((${a}) && (${b}))`)).toBe(outcome(`!(${a}) || !(${b})`));
      expect(outcome(`!((${a}) || (${b}))`)).toBe(outcome(`!(${a}) && !(${b})`));
      expect(outcome(`!(!(${a}))`)).toBe(outcome(a));
    }),
  );
});

test("[J8] a chain of && or || means what its pairs mean", () => {
  fc.assert(
    fc.property(fc.array(part, { minLength: 2, maxLength: 6 }), fc.constantFrom("&&", "||"), (parts, op) => {
      const inPairs = parts.reduceRight((rest, next) => `(${next}) ${op} (${rest})`);
      expect(outcome(parts.join(` ${op} `))).toBe(outcome(inPairs));
      const macro = op === "&&" ? "all" : "exists";
      const listed = parts.map((text, index) => `i == ${index} ? ${text} : `).join("");
      expect(outcome(`[${[...parts.keys()].join()}].${macro}(i, ${listed} true)`)).toBe(outcome(inPairs));
    }),
  );
});

test("[J8] two subjects share a condition and nothing else", () => {
  const parsed = parseCondition("tags.exists(t, t == 'pump')");
  if ("error" in parsed) throw new Error(parsed.error.message);
  const results = [pump, bare, pump, { tags: [] }, pump].map((subject) => evaluateCondition(parsed.ok, subject));
  expect(results).toEqual([true, false, true, false, true]);
});
