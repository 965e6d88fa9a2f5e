import fc from "fast-check";
import { expect, test } from "vitest";
import { matchesFilter } from "#shared/mqtt/topic.ts";
import { TopicTree } from "#shared/mqtt/topic-tree.ts";

const level = fc.constantFrom("", "a", "b", "$x");
const topicName = fc
  .array(level, { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join("/"))
  .filter((text) => text !== "");
const topicFilter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { maxLength: 4 }), fc.boolean())
  .map(([levels, hash]) => (hash ? [...levels, "#"] : levels).join("/"))
  .filter((text) => text !== "");

const ascending = (a: number, b: number): number => a - b;

interface Change {
  readonly add: boolean;
  readonly filter: string;
  readonly value: number;
}

const change: fc.Arbitrary<Change> = fc.record({ add: fc.boolean(), filter: topicFilter, value: fc.nat({ max: 3 }) });

test("after any additions and removals the tree matches as a list of filters does", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), fc.array(topicName, { maxLength: 10 }), (changes, topics) => {
      const tree = new TopicTree<number>();
      const pairs = new Map<string, { filter: string; value: number }>();
      for (const { add, filter, value } of changes) {
        const key = `${filter} ${value}`;
        const had = pairs.has(key);
        if (add) pairs.set(key, { filter, value });
        else pairs.delete(key);
        expect(add ? tree.add(filter, value) : tree.remove(filter, value)).toBe(add ? !had : had);
      }
      expect(tree.size).toBe(pairs.size);
      for (const topic of topics) {
        const expected = [...pairs.values()].filter(({ filter }) => matchesFilter(filter, topic));
        expect([...tree.match(topic)].toSorted(ascending)).toEqual(
          expected.map(({ value }) => value).toSorted(ascending),
        );
        expect(tree.hasMatch(topic)).toBe(expected.length > 0);
        const exact = expected.filter(({ filter }) => filter === topic).map(({ value }) => value);
        expect([...tree.exactly(topic)].toSorted(ascending)).toEqual(exact.toSorted(ascending));
      }
    }),
    { numRuns: 1_000 },
  );
});

test("hasMatchBelow says whether some longer topic could match", () => {
  const couldMatch = (filter: string, prefix: string): boolean => {
    const levels = filter.split("/");
    const head = levels.slice(0, prefix.split("/").length);
    if (head.includes("#")) return matchesFilter(head.join("/"), prefix);
    return levels.length > head.length && matchesFilter(head.join("/"), prefix);
  };
  fc.assert(
    fc.property(fc.array(topicFilter, { maxLength: 5 }), topicName, (filters, prefix) => {
      const tree = new TopicTree<string>();
      for (const filter of filters) tree.add(filter, filter);
      expect(tree.hasMatchBelow(prefix)).toBe(filters.some((filter) => couldMatch(filter, prefix)));
    }),
    { numRuns: 2_000 },
  );
});

test("a tree that is emptied reaches nothing below", () => {
  const tree = new TopicTree<number>();
  tree.add("a/b/+", 1);
  tree.add("a/#", 1);
  tree.remove("a/b/+", 1);
  tree.remove("a/#", 1);
  expect([tree.size, tree.hasMatchBelow("a"), tree.hasMatch("a/b/c")]).toEqual([0, false, false]);
});
