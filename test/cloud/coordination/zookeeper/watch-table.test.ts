// Which watches an event fires: those that fire once, at the node; lasting ones at the node; recursive ones at all below.
import { expect, test } from "vitest";
import {
  fired,
  lastingEntries,
  noWatches,
  watchedPaths,
  withoutOneShots,
  withoutWatch,
  withWatch,
  type WatchKind,
  type WatchTable,
} from "#cloud/coordination/zookeeper/watch-table.ts";
import type { NodeEventType } from "#cloud/coordination/zookeeper/protocol.ts";

const kinds: readonly WatchKind[] = ["data", "exist", "child", "persistent", "recursive"];

/** One watch of each kind on `path`; its number is its place in `kinds`. */
function allKinds(path: string): WatchTable {
  return kinds.reduce((table, kind, at) => withWatch(table, kind, path, at), noWatches);
}

function told(type: NodeEventType, path: string): readonly WatchKind[] {
  return fired(allKinds("/a"), type, path)[1].map((watch) => kinds[watch] ?? "data");
}

test("each event fires the kinds that it is about", () => {
  expect(told("created", "/a")).toEqual(["data", "exist", "persistent", "recursive"]);
  expect(told("deleted", "/a")).toEqual(["data", "exist", "child", "persistent", "recursive"]);
  expect(told("data", "/a")).toEqual(["data", "exist", "persistent", "recursive"]);
  expect(told("children", "/a")).toEqual(["child", "persistent"]);
});

test("below the node only a recursive watch is told, and beside it none", () => {
  expect(told("data", "/a/b/c")).toEqual(["recursive"]);
  expect(told("children", "/a/b")).toEqual([]);
  expect(told("data", "/ab")).toEqual([]);
  const root = withWatch(noWatches, "recursive", "/", 1);
  expect(["/", "/x", "/x/y"].map((path) => fired(root, "data", path)[1])).toEqual([[1], [1], [1]]);
});

test("what fires once is gone then, and the rest stands", () => {
  const [left] = fired(allKinds("/a"), "deleted", "/a");
  expect(watchedPaths(left)).toEqual({ data: [], exist: [], child: [], persistent: ["/a"], recursive: ["/a"] });
  expect(left.count).toBe(2);
  expect(fired(left, "deleted", "/a")[0]).toBe(left);
});

test("several wait at one path, and one of them can leave", () => {
  const both = withWatch(withWatch(noWatches, "data", "/a", 1), "data", "/a", 2);
  expect(withWatch(both, "data", "/a", 2)).toBe(both);
  expect(fired(both, "data", "/a")[1]).toEqual([1, 2]);
  const one = withoutWatch(both, 1);
  expect([one.count, fired(one, "data", "/a")[1]]).toEqual([1, [2]]);
  expect(withoutWatch(withoutWatch(one, 2), 7)).toEqual(noWatches);
  expect(both.count).toBe(2);
});

test("the end of a session takes those that fire once", () => {
  const [left, spent] = withoutOneShots(allKinds("/a"));
  expect(spent.map(({ kind }) => kind)).toEqual(["data", "exist", "child"]);
  expect(lastingEntries(left).map(({ kind }) => kind)).toEqual(["persistent", "recursive"]);
  expect(left.count).toBe(2);
});
