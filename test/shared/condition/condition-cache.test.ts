import fc from "fast-check";
import { expect, test } from "vitest";
import { ConditionCache } from "#shared/condition/condition-cache.ts";
import { parseCondition } from "#shared/condition/condition.ts";
import { limits } from "#shared/limits.ts";

test("[J8] a text is parsed once, whether it is a condition or not", () => {
  const cache = new ConditionCache();
  for (const text of ["level == 'fog'", "level ==", ""]) expect(cache.parse(text)).toBe(cache.parse(text));
  expect(cache.parse("level == 'fog'")).toEqual(expect.objectContaining({ ok: expect.anything() }));
  expect(cache.parse("level ==")).toEqual(parseCondition("level =="));
});

test("[J-S8] what was not used for longest is forgotten when there are too many", () => {
  const cache = new ConditionCache();
  const used = cache.parse("depth == -1");
  const idle = cache.parse("depth == -2");
  for (let n = 0; n < limits.conditionsCached; n++) {
    cache.parse(`depth == ${n}`);
    expect(cache.parse("depth == -1")).toBe(used);
  }
  expect(cache.parse("depth == -2")).not.toBe(idle);
});

test("[J-S8] long texts push others out before they are many, and a text that is too long is not kept at all", () => {
  const cache = new ConditionCache();
  const short = cache.parse("true");
  const long = (n: number): string => `name == '${String(n).padStart(limits.conditionBytes - 10, "x")}'`;
  const fitting = Math.floor((limits.conditionsCachedChars - 4) / long(0).length);
  for (let n = 0; n < fitting; n++) cache.parse(long(n));
  expect(cache.parse("x".repeat(limits.conditionBytes + 1))).toHaveProperty("error");
  const last = cache.parse(long(fitting - 1));
  expect(cache.parse("true")).toBe(short);
  cache.parse(long(fitting));
  cache.parse(long(fitting + 1));
  expect(cache.parse(long(fitting - 1))).toBe(last);
  expect(cache.parse("true")).toBe(short);
  // Used since the last look, it is passed over once.
  for (let n = 0; n <= 2 * fitting; n++) cache.parse(long(1000 + n));
  expect(cache.parse("true")).not.toBe(short);
});

test("[J8] what comes out of the cache is what parsing gives", () => {
  const cache = new ConditionCache();
  const text = fc.constantFrom("true", "", "level == 'fog'", "(", "name.matches('x')", "size(tags) > 1");
  fc.assert(
    fc.property(fc.array(text, { maxLength: 20 }), (texts) => {
      for (const each of texts) expect("ok" in cache.parse(each)).toBe("ok" in parseCondition(each));
    }),
  );
});
