import { expect, test } from "vitest";
import { TopicAliases } from "#shared/mqtt/topic-aliases.ts";

test("the first topics get an alias each, for good; the others none", () => {
  const aliases = new TopicAliases(2);
  expect(aliases.aliasOf("a")).toEqual({ alias: 1, isNew: true });
  aliases.keep("a");
  expect(aliases.aliasOf("b")).toEqual({ alias: 2, isNew: true });
  aliases.keep("b");
  expect(aliases.aliasOf("c")).toBe(undefined);
  expect([aliases.aliasOf("a"), aliases.aliasOf("b")]).toEqual([
    { alias: 1, isNew: false },
    { alias: 2, isNew: false },
  ]);
});

test("a topic that the client did not get has no alias yet, and the next one may take it", () => {
  const aliases = new TopicAliases(1);
  expect(aliases.aliasOf("too large")).toEqual({ alias: 1, isNew: true });
  expect(aliases.aliasOf("other")).toEqual({ alias: 1, isNew: true });
  aliases.keep("other");
  expect([aliases.aliasOf("too large"), aliases.aliasOf("other")]).toEqual([undefined, { alias: 1, isNew: false }]);
});
