import { expect, test } from "vitest";
import { cut, painted, printable, textStyleOf } from "#agent/cli/text-style.ts";

test("colours and cut lines are for terminals, and NO_COLOR is honoured", () => {
  const style = (isTerminal: boolean, env: Record<string, string> = {}) =>
    textStyleOf({ env, isTerminal, columns: 80 });
  expect(style(false)).toEqual({ unicode: false, colour: false, columns: undefined });
  expect(style(true)).toEqual({ unicode: false, colour: true, columns: 80 });
  expect(style(true, { NO_COLOR: "1" }).colour).toBe(false);
  expect(style(true, { NO_COLOR: "" }).colour).toBe(true);
  expect(style(true, { TERM: "dumb" }).colour).toBe(false);
});

test("signs beyond ASCII need a UTF-8 locale: LC_ALL before LC_CTYPE before LANG", () => {
  const unicode = (env: Record<string, string>) => textStyleOf({ env, isTerminal: true, columns: 80 }).unicode;
  expect(unicode({ LANG: "de_AT.UTF-8" })).toBe(true);
  expect(unicode({ LANG: "C" })).toBe(false);
  expect(unicode({ LANG: "C.utf8", LC_ALL: "C" })).toBe(false);
  expect(unicode({ LANG: "C", LC_CTYPE: "C.UTF-8", LC_ALL: "" })).toBe(true);
});

test("text from outside cannot steer a terminal", () => {
  expect(printable("a\u001b[31mb\u009bc\r\n\u007fé")).toBe("a?[31mb?c???é");
  expect(printable("a\nb\tc\r", "\n\t")).toBe("a\nb\tc?");
});

test("cut and painted text keep within their means", () => {
  const plain = { unicode: false, colour: false, columns: undefined };
  const rich = { unicode: true, colour: true, columns: 80 };
  expect([cut("abcdef", 6, plain), cut("abcdef", 5, plain), cut("abcdef", 2, plain)]).toEqual([
    "abcdef",
    "ab...",
    "ab",
  ]);
  expect(cut("e\u0301e\u0301e\u0301", 2, rich)).toBe("e\u0301…");
  expect(painted("a", "bad", plain)).toBe("a");
  expect(painted("a", "plain", rich)).toBe("a");
  expect(painted("a", "bad", rich)).toBe("\u001b[31ma\u001b[0m");
});
