import { Command } from "commander";
import { expect, test } from "vitest";
import { listOf, oneOf, parseOptions, pattern, wholeNumber } from "../../../scripts/demo/command-line.ts";

const names = ["a", "b"] as const;

function parse(...args: readonly string[]) {
  const command = new Command("x")
    .configureOutput({ writeErr: () => undefined, writeOut: () => undefined })
    .option("--count <n>", "", wholeNumber(1, 20), 3)
    .option("--only <name>", "", oneOf(names))
    .option("--like <pattern>", "", pattern)
    .option("--some <names>", "", listOf(names))
    .exitOverride();
  return parseOptions(() => command.parse(["node", "x", ...args]).opts());
}

test("options are parsed, and names can be repeated or listed", () => {
  expect(parse()).toEqual({ count: 3 });
  expect(parse("--count", "20", "--only", "b", "--only", "a")).toEqual({ count: 20, only: ["b", "a"] });
  expect(parse("--like", "^a|b")).toEqual({ count: 3, like: /^a|b/i });
  expect(parse("--some", "a,b")).toEqual({ count: 3, some: ["a", "b"] });
});

test("a usage error is exit code 2, help is 0", () => {
  for (const count of ["0", "21", "1.5", "1e1", "", "x"]) expect(parse("--count", count)).toBe(2);
  expect(parse("--only", "c")).toBe(2);
  expect(parse("--some", "a,c")).toBe(2);
  expect(parse("--like", "(")).toBe(2);
  expect(parse("--unknown")).toBe(2);
  expect(parse("--help")).toBe(0);
});
