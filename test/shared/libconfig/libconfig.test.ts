import { expect, test } from "vitest";
import { FogbankError } from "#shared/errors.ts";
import { libconfigLimits } from "#shared/libconfig/bounds.ts";
import { parseConfig, parseValue, resolveInclude } from "#shared/libconfig/libconfig.ts";
import { toPlain } from "#shared/libconfig/setting.ts";

function read(text: string): Record<string, unknown> {
  return Object.fromEntries(parseConfig(text, "a.conf").map(({ name, value }) => [name, toPlain(value)]));
}

function fault(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof FogbankError && error.code === "FOGBANK_CONFIG_SYNTAX") return error.message;
    throw error;
  }
  return "no fault";
}

test.each([
  ["a = 1;", { a: 1 }],
  ["a : 1", { a: 1 }],
  ["a = 1, b = 2", { a: 1, b: 2 }],
  ["a = 1 b = 2", { a: 1, b: 2 }],
  ["a = { b = { }; };", { a: { b: {} } }],
  ["a = ( 1, two, [ ], ( ), { b = 3 }, );", { a: [1, "two", [], [], { b: 3 }] }],
  ["a = [ 1, 2, ];", { a: [1, 2] }],
  ["data-dir = 1 *x_Y-9 = 2", { "data-dir": 1, "*x_Y-9": 2 }],
  ["# one\na = 1 // two\n/* three\n = 4 */ b = /**/ 2", { a: 1, b: 2 }],
  ["\uFEFFa = 1\r\nb = 2\r\n", { a: 1, b: 2 }],
  ["", {}],
])("[U15] settings in every form: %j", (text, expected) => {
  expect(read(text)).toEqual(expected);
});

test.each([
  ["0", 0],
  ["-17", -17],
  ["+5", 5],
  ["0x1F", 31],
  ["0XffL", 255],
  ["5L", 5],
  ["5LL", 5],
  ["9007199254740991L", 9007199254740991],
  ["9007199254740993L", 9007199254740993n],
  ["-9223372036854775808L", -9223372036854775808n],
  ["1.5", 1.5],
  ["-.5e1", -5],
  ["1e3", 1000],
  ["2.", 2],
  ["true", true],
  ["FALSE", false],
  ['"a" "b"\n"c"', "abc"],
  ['"\\\\ \\" \\a\\b\\f\\n\\r\\t\\v\\x41"', '\\ " \u0007\b\f\n\r\t\vA'],
])("[U15] the scalar %s", (text, expected) => {
  expect(toPlain(parseValue(text, "a.conf"))).toBe(expected);
});

test("[U15] bare words are booleans or strings", () => {
  expect(read("a = no b = ON c = Yes d = off e = mongodb f = big-ones* g = [ x, y ]")).toEqual({
    a: false,
    b: true,
    c: true,
    d: false,
    e: "mongodb",
    f: "big-ones*",
    g: ["x", "y"],
  });
});

test("[U15] a word followed by = or : begins a setting", () => {
  expect(read('level = fog name = "x" on : off')).toEqual({ level: "fog", name: "x", on: false });
  expect(fault(() => read("level = name = x"))).toBe('a.conf:1:9: expected a value, found the setting "name"');
  expect(fault(() => read("level = name : x"))).toBe('a.conf:1:9: expected a value, found the setting "name"');
});

test("[U15] every setting and value knows its place", () => {
  const [first, second] = parseConfig("a = 1\n  b =\n\t( x );", "a.conf");
  expect(first).toEqual({
    name: "a",
    value: { type: "integer", value: 1, at: { file: "a.conf", line: 1, column: 5 } },
    at: { file: "a.conf", line: 1, column: 1 },
  });
  expect(second?.at).toEqual({ file: "a.conf", line: 2, column: 3 });
  expect(second?.value.at).toEqual({ file: "a.conf", line: 3, column: 2 });
});

test.each([
  ["a", '1:2: expected "=" or ":" after "a", found the end of the file'],
  ["a = ", "1:5: expected a value, found the end of the file"],
  ["a = ;", '1:5: expected a value, found ";"'],
  ["= 1", '1:1: expected the name of a setting, found "="'],
  ["a = 1;;", '1:7: expected the name of a setting, found ";"'],
  ["a = { b = 1", '1:12: expected the name of a setting or "}", found the end of the file'],
  ["a = ( 1 2 )", '1:9: expected "," or ")", found the number 2'],
  ["a = [ 1, x ]", "1:10: expected scalars of one type in an array, or ( ) around a list, found string after integer"],
  ["a = [ { } ]", "1:7: expected a scalar in an array, or ( ) around a list, found a group"],
  ["\na = 1\na = 2", '3:1: expected each name once in a group, found "a" again, first set at a.conf:2:1'],
  ['a = "x', '1:5: expected a closing " for the string that begins here, found the end of the file'],
  ['a = "x\n"', '1:5: expected a closing " for the string that begins here, found the end of the line'],
  ['a = "\\q"', '1:6: expected one of the escapes \\\\ \\" \\a \\b \\f \\n \\r \\t \\v \\xHH, found \\q'],
  ["a = 12abc", '1:5: expected a number, found "12abc"'],
  ["a = 010", '1:5: expected an integer without leading zeros, found "010"'],
  ["a = -0x1", '1:5: expected a hexadecimal number without a sign, found "-0x1"'],
  ["a = 9223372036854775808", '1:5: expected an integer of 64 bits, found "9223372036854775808"'],
  ["a = 1e999", '1:5: expected a float of 64 bits, found "1e999"'],
  ["a = 1 /* b", "1:7: expected */ after the comment that begins here, found the end of the file"],
  ["a = @b", '1:5: expected a setting or a value, found "@"'],
  ["a = \u0000", "1:5: expected a setting or a value, found the character U+0000"],
  ['a "secret"', '1:3: expected "=" or ":" after "a", found a string'],
  ['@include "b.conf"', "1:1: expected no @include here, found one"],
])("[U15] the fault of %j is told with its place", (text, message) => {
  expect(fault(() => read(text))).toBe(`a.conf:${message}`);
});

test("[U15] nothing may follow a value that stands alone", () => {
  expect(fault(() => parseValue("1 2", "X"))).toBe("X:1:3: expected nothing after the value, found the number 2");
});

function nested(levels: number): string {
  return `a = ${"(".repeat(levels)}${")".repeat(levels)}`;
}

test("nesting and size have a bound", () => {
  expect(fault(() => read(nested(libconfigLimits.depth)))).toBe("no fault");
  expect(fault(() => read(nested(libconfigLimits.depth + 1)))).toContain("expected at most 32 levels of nesting");
  expect(fault(() => read(" ".repeat(libconfigLimits.fileChars)))).toBe("no fault");
  expect(fault(() => read(" ".repeat(libconfigLimits.fileChars + 1)))).toContain("at most 262144 characters");
});

test("a number as long as the file costs no more than reading it", () => {
  const digits = "7".repeat(libconfigLimits.fileChars - 10);
  expect(fault(() => read(`a = ${digits}`))).toContain("expected an integer of 64 bits");
  expect(fault(() => read(`a = ${digits}s`))).toContain("expected a number");
  expect(fault(() => read("/**/".repeat(60_000)))).toBe("no fault");
  expect(fault(() => read("#\n".repeat(130_000)))).toBe("no fault");
});

const files: ReadonlyMap<string, string> = new Map([
  ["/etc/main.conf", 'a = 1\n@include "part/b.conf"\nz = { @include "part/c.conf" }'],
  ["/etc/part/b.conf", '@include "c.conf"\nb = 2;'],
  ["/etc/part/c.conf", "c = 3"],
  ["/etc/twice.conf", 'c = 1\n@include "part/c.conf"'],
  ["/etc/circle.conf", '@include "./part/../other.conf"'],
  ["/etc/other.conf", '\n @include "circle.conf"'],
  ["/etc/wide.conf", Array.from({ length: 101 }, () => '@include "empty.conf"').join("\n")],
  ["/etc/empty.conf", ""],
  ["/etc/lost.conf", '@include "nowhere.conf"'],
]);

function load(path: string): string {
  const text = files.get(path);
  if (text === undefined) throw new Error(`no such file: ${path}`);
  return text;
}

function readFile(path: string) {
  return parseConfig(load(path), path, load);
}

test("an included file stands where it is named, its path relative to the file that names it", () => {
  const settings = readFile("/etc/main.conf");
  expect(settings.map(({ name, value }) => [name, toPlain(value)])).toEqual([
    ["a", 1],
    ["c", 3],
    ["b", 2],
    ["z", { c: 3 }],
  ]);
  expect(settings[1]?.at).toEqual({ file: "/etc/part/c.conf", line: 1, column: 1 });
});

test("faults of includes name the place that includes", () => {
  expect(fault(() => readFile("/etc/twice.conf"))).toBe(
    '/etc/part/c.conf:1:1: expected each name once in a group, found "c" again, first set at /etc/twice.conf:1:1',
  );
  expect(fault(() => readFile("/etc/circle.conf"))).toBe(
    "/etc/other.conf:2:2: expected files that do not include each other in a circle, " +
      "found /etc/circle.conf -> /etc/other.conf -> /etc/circle.conf",
  );
  expect(fault(() => readFile("/etc/lost.conf"))).toBe(
    '/etc/lost.conf:1:1: expected to read the included file "/etc/nowhere.conf", found no such file: /etc/nowhere.conf',
  );
  expect(fault(() => readFile("/etc/wide.conf"))).toContain("/etc/wide.conf:101:1: expected at most 10 files in a row");
});

/** Files f1, f2 and so on, each of which includes the next. */
function chain(count: number) {
  return (path: string) => (Number(path.slice(1)) < count ? `@include "f${Number(path.slice(1)) + 1}"` : "end = yes");
}

test("ten files include each other in a row, an eleventh is refused", () => {
  expect(parseConfig('@include "f1"', "f0", chain(10)).map(({ name }) => name)).toEqual(["end"]);
  expect(fault(() => parseConfig('@include "f1"', "f0", chain(11)))).toContain(
    "f10:1:1: expected at most 10 files in a row",
  );
});

test("include paths are resolved without touching a disk", () => {
  expect(resolveInclude("b", "a")).toBe("b");
  expect(resolveInclude("../b", "/x/y/a")).toBe("/x/b");
  expect(resolveInclude("../../b", "x/a")).toBe("../b");
  expect(resolveInclude("/b/./c", "x/a")).toBe("/b/c");
  expect(resolveInclude("../../b", "/a")).toBe("/b");
});
