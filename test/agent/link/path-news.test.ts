import { expect, test } from "vitest";
import { PathNews } from "#agent/link/path-news.ts";
import type { ChildPresence } from "#shared/link/child-presence.ts";

const children = (["a", "b", "c"] as const).map(
  (name) => ({ name, state: name === "c" ? "lost" : "online" }) as unknown as ChildPresence,
);

test("[J16.4] those who are online and greeted hear of another path at once, and of further changes a while later", () => {
  const news = new PathNews(500);
  news.tell("a", 1);
  news.tell("c", 1);
  expect(news.due(children, 2, 1_000)).toEqual(["a"]); // `b` has not been greeted, `c` is away
  expect(news.knows("a", 2)).toBe(true);
  expect(news.due(children, 2, 9_000)).toEqual([]);
  expect(news.due(children, 3, 9_100)).toEqual(["a"]);
  expect(news.due(children, 4, 9_599)).toEqual([]);
  expect(news.due(children, 4, 9_600)).toEqual(["a"]);
});

test("whom a heartbeat has told meanwhile is not told again", () => {
  const news = new PathNews(500);
  news.tell("a", 1);
  news.tell("b", 1);
  news.tell("b", 2);
  expect(news.due(children, 2, 1_000)).toEqual(["a"]);
});
