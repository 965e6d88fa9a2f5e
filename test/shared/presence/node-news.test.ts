import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import type { ChildState } from "#shared/link/child-presence.ts";
import type { Conclusion, NetworkReport } from "#shared/presence/network.ts";
import { NodeNews, type NodeEvent } from "#shared/presence/node-news.ts";

const at = (ms: number) => ({ nowMs: ms, monotonicMs: ms });
const never = (): boolean => false;

function scene() {
  const news = new NodeNews("fog-1", at(0), (time) => new Date(time).toISOString());
  const raised: NodeEvent[] = [];
  let ms = 0;
  return {
    news,
    raised,
    child: (name: string, state: ChildState, reason?: string) =>
      news.child({ name, state, sinceMs: ms, reason, level: "device" }, at(ms)),
    network: (conclusion: Conclusion, lost = 0) => news.network(reportOf(conclusion, lost, ms), at(ms)),
    /** Lets time pass, half a second at a time. Answers the names of what was raised in it. */
    pass: (forMs: number, isCovered: (name: string) => boolean = never): readonly string[] => {
      const from = raised.length;
      for (const endMs = ms + forMs; ms < endMs;) {
        ms += 500;
        raised.push(...news.tick(at(ms), isCovered));
      }
      return raised.slice(from).map(({ name }) => name);
    },
  };
}

function reportOf(conclusion: Conclusion, lost: number, sinceMs: number): NetworkReport {
  const names = Array.from({ length: Math.min(lost, limits.presenceNames) }, (_, index) => `d-${index}`);
  return { conclusion, sinceMs, reason: "why", children: { online: 0, lost, left: 0, awaited: 0 }, lost: names };
}

test("[J16.5] a child that comes, goes on purpose, or is lost is told once, when that has stood for a while", () => {
  const { child, pass, raised } = scene();
  child("d-1", "online");
  expect(pass(500)).toEqual([]);
  expect(pass(5000)).toEqual(["node-joined"]);
  child("d-1", "left", "stopped on purpose");
  expect(pass(5000)).toEqual(["node-left"]);
  child("d-1", "online");
  pass(5000);
  child("d-1", "lost", "fell silent");
  expect(pass(3000)).toEqual([]);
  expect(pass(1000)).toEqual(["node-lost"]);
  expect(raised.at(-1)?.args).toEqual({
    node: "d-1",
    level: "device",
    parent: "fog-1",
    since: new Date(15_500).toISOString(),
    reason: "fell silent",
  });
});

test("[J-S7] a takeover, a short break and the return of a child after a restart raise nothing", () => {
  const { news, child, pass } = scene();
  news.restored("d-1", "online");
  child("d-1", "online");
  expect(pass(5000)).toEqual([]);
  child("d-1", "lost");
  pass(2000);
  child("d-1", "online");
  expect(pass(20_000)).toEqual([]);
});

test("[J16.5] thousands of children lost at once are one event with their number and the first names", () => {
  const { child, network, pass, raised } = scene();
  for (let index = 0; index < 5000; index++) child(`d-${index}`, "online");
  pass(60_000);
  raised.length = 0;
  const isCovered = (): boolean => true;
  for (const [step, lost] of [100, 3000, 5000].entries()) {
    for (let index = step === 0 ? 0 : 100; index < lost; index++) child(`d-${index}`, "lost");
    network("segment-failed", lost);
    pass(500, isCovered);
  }
  pass(20_000, isCovered);
  expect(raised).toHaveLength(1);
  expect(raised[0]).toMatchObject({
    name: "partitioned",
    args: { node: "fog-1", conclusion: "segment-failed", count: 5000, reason: "why" },
  });
  expect(raised[0]?.args["nodes"]).toHaveLength(limits.presenceNames);
});

test("[X15] of thousands that join at once ten are named, the rest is a number: nobody is forgotten", () => {
  const { child, pass, raised, news } = scene();
  for (let index = 0; index < 3000; index++) child(`d-${index}`, "online");
  expect(pass(1000).length).toBe(limits.nodeEventsBurst);
  for (let index = 3000; index < 3400; index++) child(`d-${index}`, "online");
  pass(10_000);
  expect(news.waiting).toBe(0);
  expect(raised.length).toBeLessThanOrEqual(limits.nodeEventsBurst + limits.nodeEventsPerSecond * 11);
  const told = raised.map(({ args }) => Number(args["count"] ?? 1));
  expect(told.reduce((sum, count) => sum + count, 0)).toBe(3400);
});

test("[J16.4] a partition is told when it stands, anew when it turns out to be another one, and when it is healed", () => {
  const { network, pass, raised } = scene();
  network("cut-off");
  expect(pass(5000)).toEqual(["partitioned"]);
  network("isolated", 3);
  expect(pass(5000)).toEqual(["partitioned"]);
  network("connected");
  expect(pass(5000)).toEqual(["healed"]);
  expect(raised.map(({ args }) => args["conclusion"])).toEqual(["cut-off", "isolated", "connected"]);
  expect(raised[2]?.args).toMatchObject({ was: { conclusion: "isolated", since: new Date(5000).toISOString() } });
});

test("a link that breaks for a moment, a single failed node and a parent that refuses raise no partition", () => {
  const { network, pass } = scene();
  network("cut-off");
  pass(500);
  network("connected");
  pass(2000);
  network("node-failed", 1);
  pass(2000);
  network("refused");
  expect(pass(20_000)).toEqual([]);
});

test("[J15] a journal that is full, and has room again, is told once each, however it flutters", () => {
  const { news, pass, raised } = scene();
  news.journal({ state: "accepting", sinceMs: 0, reason: undefined }, at(0));
  expect(pass(2000)).toEqual([]);
  news.journal({ state: "refusing", sinceMs: 2000, reason: "no room" }, at(2000));
  expect(pass(2000)).toEqual(["journal-full"]);
  expect(raised[0]?.args).toEqual({
    node: "fog-1",
    state: "refusing",
    since: new Date(2000).toISOString(),
    reason: "no room",
  });
  for (const state of ["accepting", "evicting", "accepting", "refusing"] as const)
    news.journal({ state, sinceMs: 4000, reason: undefined }, at(4000));
  expect(pass(5000)).toEqual([]);
  news.journal({ state: "accepting", sinceMs: 9000, reason: undefined }, at(9000));
  expect(pass(5000)).toEqual(["journal-recovered"]);
});
