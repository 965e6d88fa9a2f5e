import { expect, test } from "vitest";
import { parseCondition } from "#shared/condition/condition.ts";
import { explainCondition, type Explanation } from "#shared/condition/evaluate.ts";
import { findNamedFault, parseNamed } from "#shared/condition/named.ts";
import { limits } from "#shared/limits.ts";

function explain(text: string, texts: Readonly<Record<string, string>>): Explanation {
  const parsed = parseCondition(text);
  if ("error" in parsed) throw new Error(parsed.error.message);
  return explainCondition(parsed.ok, { level: "device", tags: ["pump"], named: parseNamed(texts) });
}

const named = {
  device: "level == 'device'",
  pump: "cond.device && 'pump' in tags",
  text: "level",
  none: "",
  broken: "zone == 'roof'",
};

test("[J8] a message may refer to what each node calls by a name", () => {
  expect(explain("cond.pump", named)).toEqual({ result: true });
  expect(explain("!cond.pump || cond.none", named)).toEqual({ result: true });
  expect(explain("cond.text == 'device'", named)).toEqual({ result: true });
  expect(explain("tags.exists(t, cond.device && t == 'pump')", named)).toEqual({ result: true });
});

test("[J8] a name that a node has not is unknown there, and so is what cannot be told", () => {
  const reason = '1:6: "cond.cold" is not defined here';
  expect(explain("!cond.cold", { cold: ")" })).toEqual({
    result: false,
    reason: '1:7: "cond.cold" is not defined here',
  });
  expect(explain("cond.cold", named)).toEqual({ result: false, reason });
  expect(explain("cond.constructor", named).result).toBe(false);
  expect(explain("cond.broken", named).reason).toBe('1:6: cond.broken: 1:1: "zone" is not known here');
  expect(explain("cond", named).reason).toBe('1:1: "cond" is not known here');
});

test("[J8] a variable of a macro is not seen by a named condition, and hides the table where it is called so", () => {
  expect(explain("tags.exists(level, cond.device)", named)).toEqual({ result: true });
  expect(explain("[{'device': false}].exists(cond, cond.device)", named)).toEqual({ result: false });
});

test("[J-S8] named conditions that need one another without end, or too deep, end", () => {
  expect(explain("cond.a", { a: "cond.b", b: "cond.a" }).reason).toContain("more than 8 deep");
  expect(explain("cond.a", { a: "cond.a && cond.a && cond.a" }).result).toBe(false);
  const chain = Object.fromEntries(
    Array.from({ length: limits.conditionsNested }, (_, n) => [`c${n}`, `cond.c${n + 1}`]),
  );
  expect(explain("cond.c1", { ...chain, [`c${limits.conditionsNested}`]: "true" })).toEqual({ result: true });
  expect(explain("cond.c0", { ...chain, [`c${limits.conditionsNested}`]: "true" }).result).toBe(false);
  const wide = Object.fromEntries(
    Array.from({ length: 8 }, (_, n) => [`w${n}`, Array.from({ length: 40 }, () => `cond.w${n + 1}`).join("||")]),
  );
  expect(explain("cond.w0", { ...wide, w8: "false" }).reason).toBe("this takes more than 1000 steps");
});

test("[J-S8] rings of many conditions are found without walking every way", () => {
  const names = Array.from({ length: limits.namedConditions }, (_, n) => `n${n}`);
  const dense = Object.fromEntries(
    names.map((name, n) => [
      name,
      names
        .slice(n + 1, n + 30)
        .map((other) => `cond.${other}`)
        .join(" && "),
    ]),
  );
  expect(findNamedFault(dense)).toBeUndefined();
  expect(findNamedFault({ ...dense, n255: "cond.n0" })?.expected).toMatch(/^a condition that does not need itself/);
});
