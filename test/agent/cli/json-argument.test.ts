import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJsonArgument } from "#agent/cli/json-argument.ts";

function faultOf(text: string): string {
  try {
    parseJsonArgument(text, "it");
    return "none";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

test.each([
  ["hello", 'line 1, column 1: unexpected "hello"'],
  ["", "line 1, column 1: the end is missing"],
  ["[1,]", 'line 1, column 4: unexpected "]"'],
  ["[1 2]", 'line 1, column 4: unexpected "2]"'],
  ["[1]]", 'line 1, column 4: unexpected "]"'],
  ["[[]", "line 1, column 4: the end is missing"],
  ['{"a":}', 'line 1, column 6: unexpected "}"'],
  ['{"a" 1}', 'line 1, column 6: unexpected "1}"'],
  ['{"a":1,}', 'line 1, column 8: unexpected "}"'],
  ["{a:1}", 'line 1, column 2: unexpected "a:1}"'],
  ["[}", 'line 1, column 2: unexpected "}"'],
  ['"\\x"', 'line 1, column 1: unexpected "\\"\\\\x\\""'],
  ["012", 'line 1, column 2: unexpected "12"'],
  ['{"a": [1, {}],\n "b": tru}', 'line 2, column 7: unexpected "tru}"'],
])("%j is told with the place of its fault", (text, where) => {
  expect(faultOf(text)).toBe(`it: not JSON at ${where}`);
});

test("what is JSON comes back as it is, and what follows it is the fault", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(parseJsonArgument(text, "it")).toEqual(JSON.parse(text));
      expect(faultOf(`${text} }`)).toBe(`it: not JSON at line 1, column ${text.length + 2}: unexpected "}"`);
      expect(faultOf(`[${text},`)).toBe(`it: not JSON at line 1, column ${text.length + 3}: the end is missing`);
    }),
  );
});
