import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { coversFilter, isNodeTopicName, isTopicFilter, isTopicName, matchesFilter } from "#shared/mqtt/topic.ts";

/** Few and awkward levels, so that filters and topics meet often. */
const level = fc.constantFrom("", "a", "b", "ab", "$", "$fog", "é", "😀");
const topicName = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join("/"))
  .filter((text) => text !== "");
const topicFilter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([levels, hash]) => (hash ? [...levels, "#"] : levels).join("/"))
  .filter((text) => text !== "");

test("a topic name has 1 to 1024 bytes and no U+0000 [MQTT-4.7.3-1] [MQTT-4.7.3-2]", () => {
  for (const text of ["a", "/", "//", " ", "/data/x", "é".repeat(512), "$SYS/x", "😀"])
    expect(isTopicName(text)).toBe(true);
  for (const text of ["", "a\0b", "a".repeat(1025), "é".repeat(513), "\ud800", "\udc00\ud800"]) {
    expect(isTopicName(text)).toBe(false);
  }
});

test("a topic name has no wildcards [MQTT-3.3.2-2]", () => {
  for (const text of ["#", "+", "a/#", "a/+/b", "a+"]) expect(isTopicName(text)).toBe(false);
});

test("names and filters have a bounded number of levels", () => {
  const deepest = Array(limits.topicLevels).fill("a").join("/");
  expect([isTopicName(deepest), isTopicFilter(deepest)]).toEqual([true, true]);
  expect([isTopicFilter(`${deepest}/a/a/#`), isNodeTopicName(`/from/n/${deepest}`)]).toEqual([true, true]);
  expect([isTopicName(`${deepest}/a`), isTopicFilter(`${deepest}/a/a/a/#`)]).toEqual([false, false]);
});

test("# stands alone in the last level of a filter [MQTT-4.7.1-2]", () => {
  for (const text of ["#", "/#", "a/#", "a/b/#"]) expect(isTopicFilter(text)).toBe(true);
  for (const text of ["a#", "#/a", "a/#/b", "##", "a/b#", "#+", "#/"]) expect(isTopicFilter(text)).toBe(false);
});

test("+ fills a whole level of a filter [MQTT-4.7.1-3]", () => {
  for (const text of ["+", "/+", "+/", "a/+/b", "+/+", "+/#", "+/a"]) expect(isTopicFilter(text)).toBe(true);
  for (const text of ["a+", "+a", "a/+b", "a/b+/c", "++", "+#"]) expect(isTopicFilter(text)).toBe(false);
});

test("the examples of the norm [MQTT-4.7.1-2] [MQTT-4.7.1-3]", () => {
  const matches = (filter: string, ...topics: string[]) => topics.map((topic) => matchesFilter(filter, topic));
  const sport = ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"];
  expect(matches("sport/tennis/player1/#", ...sport)).toEqual([true, true, true]);
  expect(matches("sport/#", "sport", "sports")).toEqual([true, false]);
  expect(matches("sport/tennis/+", sport[0] ?? "", sport[1] ?? "")).toEqual([true, false]);
  expect(matches("sport/+", "sport", "sport/")).toEqual([false, true]);
  expect([matchesFilter("+/+", "/finance"), matchesFilter("/+", "/finance"), matchesFilter("+", "/finance")]).toEqual([
    true,
    true,
    false,
  ]);
});

test("a wildcard in front does not match a topic that starts with $ [MQTT-4.7.2-1]", () => {
  for (const filter of ["#", "+/b", "+/#"]) expect(matchesFilter(filter, "$fog/b")).toBe(false);
  for (const filter of ["$fog/#", "$fog/+", "$fog/b"]) expect(matchesFilter(filter, "$fog/b")).toBe(true);
  expect(matchesFilter("a/#", "a/$b")).toBe(true);
});

test("every topic name is a filter that matches exactly itself", () => {
  fc.assert(
    fc.property(topicName, topicName, (one, other) => {
      expect(isTopicName(one) && isTopicFilter(one)).toBe(true);
      expect(matchesFilter(one, one)).toBe(true);
      expect(matchesFilter(one, other)).toBe(one === other);
    }),
  );
});

test("matching agrees with a reading level by level", () => {
  const byLevels = (filter: readonly string[], topic: readonly string[]): boolean => {
    const [first, ...rest] = filter;
    if (first === "#") return true;
    if (topic.length === 0) return first === undefined;
    return (first === "+" || first === topic[0]) && byLevels(rest, topic.slice(1));
  };
  fc.assert(
    fc.property(topicFilter, topicName, (filter, topic) => {
      const hidden = topic.startsWith("$") && /^[+#]/.test(filter);
      expect(isTopicFilter(filter)).toBe(true);
      expect(matchesFilter(filter, topic)).toBe(!hidden && byLevels(filter.split("/"), topic.split("/")));
    }),
    { numRuns: 2_000 },
  );
});

test("any text is judged without an exception, and never as a name with a wildcard", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(isTopicName(text) && /[+#\0]/.test(text)).toBe(false);
      expect(typeof isTopicFilter(text)).toBe("boolean");
    }),
  );
});

test.each([
  ["#", "a", true],
  ["#", "+/a", true],
  ["#", "#", true],
  ["a/#", "a", true],
  ["a/#", "a/+/c", true],
  ["a/+", "a/b", true],
  ["+/#", "#", true],
  ["a/+/c", "a/+/c", true],
  ["a/+", "a/#", false],
  ["a/+/#", "a/#", false],
  ["a/b", "a/+", false],
  ["a/#", "+/b", false],
  ["a/#", "ab", false],
  ["#", "$SYS/#", false],
  ["+/a", "$x/a", false],
  ["$SYS/#", "$SYS/+/x", true],
])("%s covers %s: %s", (allowed, wanted, covers) => {
  expect(coversFilter(allowed, wanted)).toBe(covers);
});

test("a filter covers another exactly when it matches every topic that the other one matches", () => {
  // A filter of three levels over this alphabet cannot tell more levels, or other words, apart than these topics have.
  const words = ["a", "b", "", "$x", "z"];
  const topics = words.flatMap((one) => [
    one,
    ...words.flatMap((two) => [
      `${one}/${two}`,
      ...words.flatMap((three) => [`${one}/${two}/${three}`, `${one}/${two}/${three}/z`]),
    ]),
  ]);
  const levels = fc.array(fc.constantFrom("a", "b", "", "$x", "+"), { minLength: 0, maxLength: 3 });
  const filter = fc
    .tuple(levels, fc.boolean())
    .map(([parts, below]) => (below ? [...parts, "#"] : parts).join("/"))
    .filter((text) => text !== "");
  fc.assert(
    fc.property(filter, filter, (allowed, wanted) => {
      const isCovered = topics.every((topic) => !matchesFilter(wanted, topic) || matchesFilter(allowed, topic));
      expect(coversFilter(allowed, wanted)).toBe(isCovered);
    }),
    { numRuns: 2_000 },
  );
});
