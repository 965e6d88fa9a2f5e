import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCondition } from "#shared/condition/condition.ts";
import { limits } from "#shared/limits.ts";

/** "ok", or where and why not. */
function read(text: string): string {
  const parsed = parseCondition(text);
  if ("ok" in parsed) return "ok";
  return `${parsed.error.position.line}:${parsed.error.position.column}: ${parsed.error.message}`;
}

test.each([
  "",
  " \n\t",
  "level == 'device'",
  '"x" in tags',
  "tags.exists(t, t == 'pump') && level == 'device'",
  '!(zone == "north") ? depth > 1 : lat < -1.5e3 || lon >= 0.0',
  "size(tags) + tags.size() * 2 - 1 / 1 % 1 <= 4",
  'name.startsWith("a") || name.endsWith("b") || name.contains("c")',
  "tags.all(t, t != '') && tags.exists_one(t, true) && size(tags.filter(t, true)) == size(tags.map(t, size(t)))",
  'has(kv("a/b").c) && {"a": [1, 2,], true: null}["a"][0] == 1 && data("t").last > 3',
  "nobody_knows_this == 1 // but another node may",
  "-9223372036854775808 < 9223372036854775807",
  "'ü' == \"\\u00fc\" && r'\\d' != '''\n'''",
])("[J8] the condition %j is read", (text) => {
  expect(read(text)).toBe("ok");
});

test.each([
  ["level = 'device'", '1:7: unexpected "="'],
  ["level ==", "1:9: unexpected end of the text"],
  ["level ==\n  == 'device'", '2:3: unexpected "=="'],
  ["level == 'device", '1:10: Unterminated string: "\'device"'],
  ["a\r\n&&\n\n  (b c)", '4:6: unexpected "c"'],
  ["a bcd", '1:3: unexpected "bcd"'],
  ["\u00a0", '1:1: unexpected "\u00a0"'],
  ["// nothing", "1:11: unexpected end of the text"],
  ["'é' + ö", '1:7: unexpected "ö"'],
  ["a \u0000", '1:3: unexpected "\\u0000"'],
  ["level == 1e999", '1:10: Invalid number: Infinity: "1e999"'],
  ["if == 1", '1:1: "if" is a reserved word'],
  ["tags.exists('t', true)", "1:13: expected the name of a variable, found \"'t'\""],
  ["tags.exists(t)", "1:6: exists() takes 2 arguments, not 1"],
  ["tags.map(t, true, t)", "1:6: map() takes 2 arguments, not 3"],
  ["size()", "1:1: size() takes 1 argument, not 0"],
  ["true && has(zone)", '1:9: has() takes a field, as in has(kv("a").b)'],
  ["1 == 1u", "1:6: unsigned integers and bytes are not supported"],
  ["b'x' == name", "1:1: unsigned integers and bytes are not supported"],
  ["9223372036854775808 > 1", "1:1: an integer has at most 64 bits"],
  ["1 - 9223372036854775808 > 1", "1:5: an integer has at most 64 bits"],
  ["-9223372036854775809 < 1", "1:2: an integer has at most 64 bits"],
])("[J8] [J-T3] what is wrong with %j is said, and where", (text, fault) => {
  expect(read(text)).toBe(fault);
});

test.each([
  ["name.matches('(a+)+$')", "1:6"],
  ["matches(name, '(a+)+$')", "1:1"],
  ["true &&\n  timestamp('2026-01-01T00:00:00Z') > kv('t')", "2:3"],
  ["tags . /* no */ a", "1:8"],
  ["(name) // (\n  .matches(matches)", "2:4"],
  ["name.matches(name.matches(name))", "1:6"],
  ["cel.bind(x, tags, x)", "1:5"],
  ["optional.none()", "1:10"],
  ["kv('a').?b", "1:9"],
  ["int('3') == 3", "1:1"],
  ["name.constructor('return process')()", "1:35"],
  ["toString()", "1:1"],
  ["tags.__proto__()", "1:6"],
  ["eval('1')", "1:1"],
  ["(() => true)()", "1:3"],
  ["process.exit(1)", "1:9"],
  ["`${name}`", "1:1"],
  ["new Date()", "1:5"],
  ["level == 'a'; true", "1:13"],
  ["function () { return true }", "1:1"],
])("[J-S8] %j is refused at its position", (text, position) => {
  const fault = read(text);
  expect(fault.startsWith(`${position}: `), fault).toBe(true);
});

test("[J-S8] a call that is not there is answered with what there is", () => {
  expect(read("name.matches('x')")).toBe(
    '1:6: "matches" cannot be called; there are the functions size, has, kv, data and the methods ' +
      "size, startsWith, endsWith, contains, exists, all, exists_one, filter, map",
  );
});

test.each([
  ["parentheses", "(".repeat(1000) + "1" + ")".repeat(1000)],
  ["lists", "[".repeat(1000) + "]".repeat(1000)],
  ["negations", `${"!".repeat(2040)}true`],
  ["minus signs", `${"-".repeat(2040)}1`],
  ["a sum", `${"1+".repeat(1000)}1`],
  ["comparisons", `${"1==".repeat(600)}1`],
  ["choices", `${"true?1:".repeat(250)}1`],
  ["fields", `a${".b".repeat(1000)}`],
  ["indexes", `a${"[0]".repeat(600)}`],
  ["methods", `a${".size()".repeat(250)}`],
  ["macros", `${"tags.all(t,".repeat(150)}true${")".repeat(150)}`],
  ["maps", `${'{"a":'.repeat(300)}1${"}".repeat(300)}`],
])("[J-S8] too many levels of %s are refused", (_what, text) => {
  expect(text.length).toBeLessThanOrEqual(limits.conditionBytes);
  expect(read(text)).toMatch(/^1:\d+: a condition has at most 32 levels of nesting/);
});

test("[J8] a chain of && or || is one level, however long, and the last level that is allowed is", () => {
  expect(read(Array.from({ length: 120 }, (_, n) => `name=='n${n}'`).join("||"))).toBe("ok");
  expect(read(`${"!".repeat(limits.conditionDepth - 1)}true`)).toBe("ok");
  expect(read(`${"!".repeat(limits.conditionDepth)}true`)).toContain("32 levels");
  expect(read(`${"!(true || ".repeat(15)}true${")".repeat(15)}`)).toBe("ok");
});

test("[J-S8] a condition with more parts than an evaluation has steps is refused", () => {
  expect(read(`[[${"1,".repeat(490)}],[${"1,".repeat(490)}]] == []`)).toBe("ok");
  expect(read(`[[${"1,".repeat(500)}],[${"1,".repeat(510)}]] == []`)).toMatch(/^1:\d+: .* and 1000 parts$/);
  expect(read(`1 in [${"1,".repeat(900)}1]`)).toBe("ok");
  expect(read(`1 in [${"1,".repeat(1005)}1]`)).toMatch(/^1:\d+: a condition has at most .* 1000 parts$/);
});

test("[J-S8] a text that is too long is refused, in characters and in bytes", () => {
  const quoted = (chars: string): string => `name=='${chars}'`;
  expect(read(quoted("x".repeat(limits.conditionBytes - 8)))).toBe("ok");
  expect(read(quoted("x".repeat(limits.conditionBytes - 7)))).toBe("1:1: a condition has at most 2048 bytes");
  expect(read(quoted("ü".repeat(1020)))).toBe("ok");
  expect(read(quoted("ü".repeat(1021)))).toBe("1:1: a condition has at most 2048 bytes");
  expect(read("(".repeat(10_000_000))).toBe("1:1: a condition has at most 2048 bytes");
});

test("[J-S8] names of functions from outside leave nothing behind in the parser", () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const name = "f".repeat(1900);
  read(`${name}_(1)`);
  collectGarbage();
  const beforeBytes = process.memoryUsage().heapUsed;
  for (let n = 0; n < 5_000; n++) read(`${name}${n}(1)`);
  collectGarbage();
  expect(process.memoryUsage().heapUsed - beforeBytes).toBeLessThan(3_000_000);
});

test("[J-S8] any text is read or refused with a position inside it, and twice the same", () => {
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 100 }), fc.string({ maxLength: 100 }));
  fc.assert(
    fc.property(text, (raw) => {
      const parsed = parseCondition(raw);
      expect(read(raw)).toBe(read(raw));
      if ("ok" in parsed) return;
      const { line, column } = parsed.error.position;
      const length = raw.split("\n")[line - 1]?.length ?? -1;
      expect(column >= 1 && column <= length + 1, `${line}:${column}`).toBe(true);
      expect(parsed.error.message.length).toBeLessThan(300);
      expect(parsed.error.message.isWellFormed()).toBe(true);
    }),
    { numRuns: 500 },
  );
});
