import { expect, test } from "vitest";
import { formatAge, renderLine, styleOf } from "../../../scripts/demo/text-style.ts";

test("line drawing needs a UTF-8 locale, colours a terminal, and NO_COLOR forbids both", () => {
  expect(styleOf({ LANG: "en_US.UTF-8" }, true)).toEqual({ unicode: true, colour: true });
  expect(styleOf({ LANG: "en_US.UTF-8" }, false)).toEqual({ unicode: true, colour: false });
  expect(styleOf({ LANG: "en_US.UTF-8", LC_ALL: "C" }, true)).toEqual({ unicode: false, colour: true });
  expect(styleOf({}, true)).toEqual({ unicode: false, colour: true });
  expect(styleOf({ LANG: "C.utf8", NO_COLOR: "1" }, true)).toEqual({ unicode: false, colour: false });
});

test("a line is cut at its visible characters", () => {
  const spans = [{ text: "└─ fog-1" }, { text: " down", colour: "red" }] as const;
  expect(renderLine(spans, { unicode: true, colour: true }, 10)).toBe("└─ fog-1\x1b[31m d\x1b[0m");
  expect(renderLine(spans, { unicode: false, colour: false })).toBe("`- fog-1 down");
});

test("ages fit a column", () => {
  expect([900, 12_000, 72_000, 3_600_000 + 180_000].map(formatAge)).toEqual(["0s", "12s", "1m12s", "1h03m"]);
});
