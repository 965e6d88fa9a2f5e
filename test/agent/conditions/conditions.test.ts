import { expect, test } from "vitest";
import { createConditions } from "#agent/conditions/conditions.ts";
import { parseNamed } from "#shared/condition/named.ts";
import { parseNodeName, type Level } from "#shared/ids.ts";
import { bornChild, departedChild, heardChild, toldChild, type ChildPresence } from "#shared/link/child-presence.ts";
import type { Descendant, NodePlace } from "#shared/link/descendant.ts";
import type { Hello } from "#shared/link/hello.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

function placed(level: Level, zone?: string): NodePlace {
  return { level, zone, tags: [], site: { lat: undefined, lon: undefined, class: undefined } };
}

function device(name: string, parent: string, zone?: string): Descendant {
  return {
    ...placed("device", zone),
    name: parseNodeName(name),
    parent: parseNodeName(parent),
    online: true,
    sinceMs: 0,
  };
}

function helloOf(name: string, place: NodePlace, descendants: readonly Descendant[]): Hello {
  const about = { version: 1, name: parseNodeName(name), epoch: 1, bootId: "b", streams: [], nowMs: 0 };
  return { ...about, conn: 1, uuid: name, place, descendants, lows: [] };
}

/** A cloud whose tree the test writes. */
function scene() {
  const clock = new FakeClock(1_000);
  const children = new Map<string, ChildPresence>();
  const path: object[] = [{}];
  const moment = () => ({ nowMs: clock.now(), monotonicMs: clock.monotonic() });
  const tree = {
    child: (name: string) => children.get(name),
    children: () => [...children.values()],
    path: () => path,
  };
  const data = { read: (path_: string) => (path_ === "x" ? { last: 3, count: 1, avg: 3, min: 3, max: 3 } : undefined) };
  const named = parseNamed({ warm: "data('x').avg > 2.0" });
  const self = { name: "cloud-1", place: placed("cloud", "hq"), named };
  return {
    clock,
    path,
    children,
    conditions: createConditions({ tree, clock, data }, self),
    hello: (name: string, place: NodePlace, ...below: readonly Descendant[]): void => {
      children.set(name, bornChild(children.get(name), helloOf(name, place, below), moment()));
    },
    beat: (name: string, ...below: readonly Descendant[]): void => {
      const child = children.get(name);
      if (child !== undefined) children.set(name, heardChild(child, moment(), below));
    },
  };
}

test("[J8] a condition is evaluated against the node's own values, and a text that is none is refused with its place", () => {
  const { conditions, path } = scene();
  expect(conditions.check("level == 'cloud' && zone == 'hq' && depth == 0 && cond.warm")).toEqual({ holds: true });
  expect(conditions.check("data('x').last == 3 && data('y').last == 3")).toEqual({ holds: false });
  expect(conditions.check("lat > 0.0 || class == 'x'")).toEqual({ holds: false });
  expect(conditions.check("level ==")).toEqual({ error: "line 1, column 9: unexpected end of the text" });
  path.push({});
  expect(conditions.check("depth == 1")).toEqual({ holds: true });
});

test("[J-S1] [T4] a message goes only to fogs that have such devices", () => {
  const { conditions, hello } = scene();
  for (let zone = 0; zone < 50; zone++) {
    const devices = Array.from({ length: 20 }, (_, n) => device(`d-${zone}-${n}`, `fog-${zone}`, `zone-${zone}`));
    hello(`fog-${zone}`, placed("fog"), ...devices);
  }
  const ways = (text: string): readonly number[] =>
    Array.from({ length: 50 }, (_, n) => n).filter((n) => conditions.mayHoldBelow(text, `fog-${n}`));
  expect(ways("zone == 'zone-7'")).toEqual([7]);
  expect(ways("zone == 'zone-7'")).toEqual([7]);
  expect(ways("name == 'd-9-19'")).toEqual([9]);
  expect(ways("name == 'fog-3' || zone == 'zone-4' && level == 'device'")).toEqual([3, 4]);
  expect(ways("level == 'cloud'")).toEqual([]);
  expect(ways("zone == 'zone-7' && data('x').avg > 1.0")).toEqual([7]);
  expect(ways("cond.warm")).toHaveLength(50);
  expect(ways("")).toHaveLength(50);
});

test("[J-T4] a new node is known at once; one that is no longer named, a while later", async () => {
  const { conditions, hello, beat, clock } = scene();
  const mayHold = (name: string): boolean => conditions.mayHoldBelow(`name == '${name}'`, "fog-1");
  hello("fog-1", placed("fog"), device("a", "fog-1"));
  expect([mayHold("a"), mayHold("b")]).toEqual([true, false]);
  beat("fog-1", device("b", "fog-1"));
  expect([mayHold("a"), mayHold("b")]).toEqual([true, true]);
  await clock.advance(limits.earlierReportsMs - 1);
  expect([mayHold("a"), mayHold("b")]).toEqual([true, true]);
  await clock.advance(1);
  expect([mayHold("a"), mayHold("b")]).toEqual([false, true]);
});

test("[J8] what is below a child that is away is still asked for: its call waits there", () => {
  const { conditions, hello, children } = scene();
  hello("fog-1", placed("fog"), { ...device("a", "fog-1"), online: false });
  const child = children.get("fog-1");
  if (child !== undefined) {
    children.set("fog-1", departedChild(child, { name: "fog-1", conn: 1, onPurpose: false }, 5));
  }
  expect(conditions.mayHoldBelow("name == 'a'", "fog-1")).toBe(true);
  expect(conditions.mayHoldBelow("name == 'b'", "fog-1")).toBe(false);
});

test("[J-T4] in doubt it may hold: of a child not heard since the start, of one that cannot name all, of a stranger", () => {
  const { conditions, hello, children } = scene();
  const text = "name == 'nobody'";
  hello("fog-1", placed("fog"));
  expect(conditions.mayHoldBelow(text, "fog-1")).toBe(false);
  const { epoch: _, ...restored } = children.get("fog-1") ?? { epoch: 0 };
  children.set("fog-1", restored as ChildPresence);
  expect(conditions.mayHoldBelow(text, "fog-1")).toBe(true);
  expect(conditions.mayHoldBelow(text, "stranger")).toBe(true);
  hello(
    "fog-2",
    placed("fog"),
    ...Array.from({ length: limits.descendants }, (_unused, n) => device(`d-${n}`, "fog-2")),
  );
  expect(conditions.mayHoldBelow(text, "fog-2")).toBe(true);
});

test("[J-T4] as long as a child tells its list it may hold, whatever the list of its session before said", () => {
  const { conditions, hello, children } = scene();
  const text = "zone == 'roof'";
  hello("fog-1", placed("fog"), device("a", "fog-1", "hall"));
  expect(conditions.mayHoldBelow(text, "fog-1")).toBe(false);
  const at = { nowMs: 2, monotonicMs: 2 };
  const again = { ...helloOf("fog-1", placed("fog"), [device("a", "fog-1", "hall")]), missing: "list" } as const;
  const telling = bornChild(children.get("fog-1"), again, at);
  children.set("fog-1", telling);
  expect(conditions.mayHoldBelow(text, "fog-1")).toBe(true);
  const news = { portion: 1, told: [[1, device("b", "fog-1", "hall")]], gone: [], missing: undefined } as const;
  const later = toldChild(telling, at, { ...news, missing: "changes" });
  children.set("fog-1", later);
  expect(conditions.mayHoldBelow(text, "fog-1")).toBe(true);
  children.set("fog-1", toldChild(later, at, news));
  expect(conditions.mayHoldBelow(text, "fog-1")).toBe(false);
  children.set("fog-1", bornChild(undefined, { ...again, descendants: [] }, at));
  expect(conditions.mayHoldBelow(text, "fog-1")).toBe(true);
});

test("[J8] depths follow the path above, and are in doubt while it changes", async () => {
  const { conditions, hello, path, clock } = scene();
  hello("fog-1", placed("fog"), device("gateway", "fog-1"), device("sensor", "gateway"), device("odd", "elsewhere"));
  const mayHold = (depth: number): boolean =>
    conditions.mayHoldBelow(`depth == ${depth} && name != 'odd' && level != 'cloud'`, "fog-1");
  expect([1, 2, 3, 4].map(mayHold)).toEqual([true, true, true, true]);
  await clock.advance(limits.earlierReportsMs);
  const known = conditions.mayHoldBelow("depth == 9 && name == 'sensor'", "fog-1");
  expect(known).toBe(false);
  expect(conditions.mayHoldBelow("depth == 9 && name == 'odd'", "fog-1")).toBe(true);
  path.push({});
  expect(conditions.mayHoldBelow("depth == 9 && name == 'sensor'", "fog-1")).toBe(true);
  await clock.advance(limits.earlierReportsMs);
  expect(conditions.mayHoldBelow("depth == 4 && name == 'sensor'", "fog-1")).toBe(true);
  expect(conditions.mayHoldBelow("depth == 3 && name == 'sensor'", "fog-1")).toBe(false);
});

test("[J-S8] hostile conditions take a share of a second, and then everything may hold until the next", async () => {
  const { conditions, hello, clock } = scene();
  const children = Array.from({ length: 300 }, (_, n) => `fog-${n}`);
  for (const name of children) {
    hello(name, { ...placed("fog"), tags: Array.from({ length: 40 }, (_, n) => `t${n}`) }, device(`${name}-d`, name));
  }
  const hostile = "tags.exists(a, tags.exists(b, tags.exists(c, a == b + c)))";
  const asked = children.map((name) => conditions.mayHoldBelow(hostile, name));
  expect(asked.every(Boolean)).toBe(true);
  expect(conditions.mayHoldBelow("name == 'nobody'", "fog-0")).toBe(true);
  const { pruned, unfinished } = conditions.stats();
  expect([pruned, unfinished]).toEqual([0, 301]);
  await clock.advance(1_000);
  expect(conditions.mayHoldBelow("name == 'nobody'", "fog-0")).toBe(false);
  expect(conditions.stats()).toEqual({ pruned: 1, unfinished: 301 });
});

test("[J8] an explanation has the node itself, and everything below as far as it can be told", () => {
  const { conditions, hello } = scene();
  hello("fog-1", placed("fog", "hall-1"), device("pump-1", "fog-1", "hall-1"), device("pump-2", "fog-1", "hall-2"));
  expect(conditions.explain("zone == 'hall-1' && cond.warm")).toEqual({
    condition: "zone == 'hall-1' && cond.warm",
    nodes: [
      { node: "cloud-1", result: "false", why: "zone == 'hall-1' is false: zone is \"hq\"" },
      { node: "fog-1", parent: "cloud-1", result: "unknown", why: "cond.warm depends on what only the node knows" },
      { node: "pump-1", parent: "fog-1", result: "unknown", why: "cond.warm depends on what only the node knows" },
      { node: "pump-2", parent: "fog-1", result: "false", why: "zone == 'hall-1' is false: zone is \"hall-2\"" },
    ],
  });
  expect(conditions.explain("(")).toEqual({ error: "line 1, column 2: unexpected end of the text" });
  expect(conditions.explainHere("cond.warm")).toEqual({ result: "true", why: "cond.warm is true" });
  expect(conditions.explainHere(")")).toHaveProperty("error");
});

test("[J-S8] an explanation for very many nodes ends, and is never true for want of steps", () => {
  const { conditions, hello } = scene();
  const devices = Array.from({ length: 9_000 }, (_, n) => ({
    ...device(`d-${n}`, "fog-1"),
    tags: ["a", "b", "c", "d", "e"],
  }));
  hello("fog-1", placed("fog"), ...devices);
  const text = "!tags.exists(a, tags.exists(b, tags.exists(c, a == 'no')))";
  const report = conditions.explain(text);
  if ("error" in report) throw new Error(report.error);
  expect(report.nodes).toHaveLength(9_002);
  expect(report.nodes.at(-1)).toMatchObject({
    result: "unknown",
    why: expect.stringContaining("too many steps") as string,
  });
});
