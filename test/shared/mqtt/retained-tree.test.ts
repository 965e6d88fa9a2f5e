import fc from "fast-check";
import { expect, test } from "vitest";
import { RetainedTree } from "#shared/mqtt/retained-tree.ts";
import { matchesFilter } from "#shared/mqtt/topic.ts";

const level = fc.constantFrom("", "a", "b", "$", "$a", "é");
const anyTopic = fc
  .array(level, { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join("/"))
  .filter((text) => text !== "");
const anyFilter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { maxLength: 4 }), fc.boolean())
  .map(([levels, isOpen]) => (isOpen ? [...levels, "#"] : levels).join("/"))
  .filter((text) => text !== "");
const anyStep = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant("set" as const), topic: anyTopic, value: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), topic: anyTopic, value: fc.constant(0) }) },
);

test("it keeps what a plain list keeps, and finds by filter what the list has that matches", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 40 }), fc.array(anyFilter, { maxLength: 10 }), (steps, filters) => {
      const tree = new RetainedTree<string>();
      const model = new Map<string, string>();
      for (const { type, topic, value } of steps) {
        const before = model.get(topic);
        if (type === "set") {
          expect(tree.set(topic, `${topic}=${value}`)).toBe(before);
          model.set(topic, `${topic}=${value}`);
        } else {
          expect(tree.delete(topic)).toBe(before);
          model.delete(topic);
        }
        expect(tree.size).toBe(model.size);
        const prefixes = [...model.keys()].flatMap((name) =>
          name.split("/").map((_, end, all) => all.slice(0, end + 1).join("/")),
        );
        expect(tree.nodes).toBe(new Set(prefixes).size);
        expect(tree.get(topic)).toBe(model.get(topic));
      }
      for (const filter of filters) {
        const expected = [...model].filter(([topic]) => matchesFilter(filter, topic)).map(([, value]) => value);
        expect(new Set(tree.matching(filter))).toEqual(new Set(expected));
      }
    }),
    { numRuns: 300 },
  );
});

test("a topic and one below it are two things", () => {
  const tree = new RetainedTree<number>();
  tree.set("a/b", 1);
  expect([tree.get("a"), tree.delete("a"), tree.size]).toEqual([undefined, undefined, 1]);
  tree.set("a", 2);
  expect(tree.delete("a/b")).toBe(1);
  expect([...tree.matching("a/#")]).toEqual([2]);
});

test("as many levels as a topic may have are no matter", () => {
  const tree = new RetainedTree<number>();
  const deep = Array(512).fill("a").join("/");
  tree.set(deep, 1);
  expect([...tree.matching("#")]).toEqual([1]);
  expect([...tree.matching(deep.replaceAll("a", "+"))]).toEqual([1]);
  expect(tree.delete(deep)).toBe(1);
});

test("a long walk offers a rest now and then, and goes on from there", () => {
  const tree = new RetainedTree<string>();
  for (let at = 0; at < 10_000; at++) tree.set(`a/${at}`, String(at));
  const found = [...tree.matching("a/+")];
  expect(found.filter((value) => value === undefined).length).toBeGreaterThan(1);
  expect(found.filter((value) => value !== undefined)).toHaveLength(10_000);
  expect([...tree.matching("+/none")].every((value) => value === undefined)).toBe(true);
});
