// The table of what uplink and children say together, row by row, and that single nodes are never taken for a network or the other way.
import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import type { OutageCause } from "#shared/link/uplink-machine.ts";
import { NetworkState, type UplinkWord } from "#shared/presence/network.ts";

const at = (ms: number) => ({ nowMs: 1_000_000 + ms, monotonicMs: ms });
const up: UplinkWord = { state: "up", cause: "lost", reason: undefined };
const root: UplinkWord = { state: "none", cause: "lost", reason: undefined };
const down = (cause: OutageCause = "lost"): UplinkWord => ({ state: "down", cause, reason: "why" });
const windowMs = limits.failureWindowMs;

/** A node whose uplink is up, with that many children that are online. */
function connected(children: number, uplink = up): NetworkState {
  const state = new NetworkState(at(0), down());
  state.uplink(uplink, at(0));
  for (const name of names(children)) state.child(name, "online", at(0));
  return state;
}

function names(count: number, from = 1): readonly string[] {
  return Array.from({ length: count }, (_, index) => `d-${from + index}`);
}

function lose(state: NetworkState, lost: readonly string[], ms: number): void {
  for (const name of lost) state.child(name, "lost", at(ms));
}

test("[J16.5] uplink up, one child lost: that node failed or was cut off, until it is back", () => {
  const state = connected(5);
  expect(state.conclude(at(1))).toMatchObject({ conclusion: "connected", reason: undefined });
  lose(state, ["d-2"], 100);
  expect(state.conclude(at(100))).toEqual({
    conclusion: "node-failed",
    sinceMs: 1_000_100,
    reason: "d-2 failed or was cut off",
    children: { online: 4, lost: 1, left: 0, awaited: 0 },
    lost: ["d-2"],
  });
  state.child("d-2", "online", at(200));
  expect(state.conclude(at(200))).toMatchObject({ conclusion: "connected", sinceMs: 1_000_200, lost: [] });
});

test.each([
  ["below a fog", up],
  ["below a root", root],
])(
  "[J16.5] uplink up, many children lost at once: a segment %s failed; with most of them back it is single nodes",
  (_, uplink) => {
    const state = connected(20, uplink);
    lose(state, names(9), 0);
    expect(state.conclude(at(0)).conclusion).toBe("node-failed");
    lose(state, ["d-10"], windowMs - 1);
    expect(state.conclude(at(windowMs - 1))).toMatchObject({
      conclusion: "segment-failed",
      reason: "a segment of the network below failed: 10 nodes were lost at once",
      lost: names(10),
    });
    expect(state.isCovered("d-3")).toBe(true);
    for (const name of names(5)) state.child(name, "online", at(20_000));
    expect(state.conclude(at(20_000)).conclusion).toBe("segment-failed");
    state.child("d-6", "online", at(20_000));
    expect(state.conclude(at(20_000)).conclusion).toBe("node-failed");
    expect(state.isCovered("d-7")).toBe(false);
  },
);

test("[J16.5] losses that are few, or far apart, or a small share, are single nodes", () => {
  const pair = connected(2);
  lose(pair, names(2), 10);
  expect(pair.conclude(at(10)).conclusion).toBe("node-failed");
  const slow = connected(5);
  for (const [index, name] of names(5).entries()) lose(slow, [name], index * windowMs);
  expect(slow.conclude(at(9 * windowMs)).conclusion).toBe("node-failed");
  const large = connected(21);
  lose(large, names(10), 10);
  expect(large.conclude(at(10)).conclusion).toBe("node-failed");
});

test("[J16.4] [J14] uplink lost, children fine: cut off from above, also where there are no children", () => {
  for (const children of [0, 3]) {
    const state = connected(children);
    state.uplink(down(), at(50));
    expect(state.conclude(at(50))).toMatchObject({
      conclusion: "cut-off",
      reason: "cut off from above: the parent is dead, or the link to it is down (why)",
    });
    state.uplink(up, at(60));
    expect(state.conclude(at(60)).conclusion).toBe("connected");
  }
});

test.each([
  ["before", 0, 14_000],
  ["behind", 14_000, 0],
])("[J16.4] [J14] uplink lost, all children %s it, too: our own network is gone", (_, uplinkMs, childrenMs) => {
  const state = connected(2);
  const changes = [
    { ms: uplinkMs, change: () => state.uplink(down(), at(uplinkMs)) },
    { ms: childrenMs, change: () => lose(state, names(2), childrenMs) },
  ];
  for (const { change } of changes.toSorted((a, b) => a.ms - b.ms)) change();
  expect(state.conclude(at(14_000)).conclusion).toBe("isolated");
  expect(state.isCovered("d-1")).toBe(true);
  // One that is there again: it is the way up that is missing.
  state.child("d-2", "online", at(15_000));
  expect(state.conclude(at(15_000))).toMatchObject({ conclusion: "cut-off", lost: ["d-1"] });
});

test("[J16.5] children that were lost long before the uplink say nothing about it", () => {
  const state = connected(1);
  lose(state, ["d-1"], 0);
  state.uplink(down(), at(windowMs));
  expect(state.conclude(at(windowMs)).conclusion).toBe("cut-off");
});

test("[J16.5] link up, but no progress: the parent is stuck; when it cannot be dialled either, we are cut off", () => {
  const state = connected(1);
  state.uplink(down("stuck"), at(10));
  expect(state.conclude(at(10)).conclusion).toBe("peer-stuck");
  state.uplink(down("lost"), at(20));
  expect(state.conclude(at(20)).conclusion).toBe("cut-off");
});

test("a parent that refuses this node is alive, and no partition", () => {
  const state = connected(1);
  state.uplink(down("refused"), at(10));
  expect(state.conclude(at(10))).toMatchObject({ conclusion: "refused", reason: "why" });
});

test("[J-T6] [X8] a child that left on purpose is no loss, however many do", () => {
  const state = connected(4);
  for (const name of names(4)) state.child(name, "left", at(10));
  expect(state.conclude(at(10))).toMatchObject({ conclusion: "connected", children: { online: 0, lost: 0, left: 4 } });
});

test("[J-S7] a node that was just started says nothing against its parent or its children until they had the time to come", () => {
  const state = new NetworkState(at(0), down());
  for (const name of names(4)) state.restored(name, "lost", true);
  expect(state.conclude(at(windowMs - 1)).conclusion).toBe("starting");
  expect(state.conclude(at(windowMs)).conclusion).toBe("cut-off");
  state.uplink(up, at(windowMs));
  state.child("d-1", "online", at(windowMs));
  state.tick(at(limits.childReturnMs - 1));
  expect(state.conclude(at(limits.childReturnMs - 1))).toMatchObject({
    conclusion: "connected",
    children: { online: 1, lost: 0, awaited: 3 },
  });
  state.tick(at(limits.childReturnMs));
  expect(state.conclude(at(limits.childReturnMs))).toMatchObject({
    conclusion: "segment-failed",
    children: { online: 1, lost: 3, awaited: 0 },
  });
});

test("whatever happens, the counts are those of the children, names stay few, and a root is never cut off", () => {
  const change = fc.record({
    name: fc.constantFrom(...names(30)),
    state: fc.constantFrom("online" as const, "lost" as const, "left" as const),
    uplink: fc.option(fc.constantFrom<OutageCause | "up">("up", "lost", "stuck", "refused")),
    waitMs: fc.nat(20_000),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), fc.boolean(), (changes, isRoot) => {
      const state = new NetworkState(at(0), isRoot ? root : down());
      const model = new Map<string, string>();
      let ms = 0;
      for (const { name, state: now, uplink, waitMs } of changes) {
        ms += waitMs;
        model.set(name, now);
        state.child(name, now, at(ms));
        if (uplink !== null && !isRoot) state.uplink(uplink === "up" ? up : down(uplink), at(ms));
        const { conclusion, children, lost, reason } = state.conclude(at(ms));
        const count = (wanted: string) => [...model.values()].filter((one) => one === wanted).length;
        expect(children).toEqual({ online: count("online"), lost: count("lost"), left: count("left"), awaited: 0 });
        expect(lost.every((one) => model.get(one) === "lost")).toBe(true);
        expect(lost.length).toBe(Math.min(children.lost, limits.presenceNames));
        expect(reason === undefined).toBe(conclusion === "connected");
        if (isRoot) expect(["connected", "node-failed", "segment-failed"]).toContain(conclusion);
        if (conclusion === "isolated") expect(children).toMatchObject({ online: 0 });
        if (conclusion === "segment-failed") expect(children.lost).toBeGreaterThanOrEqual(limits.segmentChildren);
      }
    }),
  );
});
