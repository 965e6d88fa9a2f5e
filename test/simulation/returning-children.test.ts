// Ten thousand children come back when their parent has been away.
import { expect, test, vi } from "vitest";
import { limits } from "#shared/limits.ts";
import { seeded } from "../../scripts/torture/seeded.ts";
import { ReturningChildren, type ReturnSetting } from "./returning-children.ts";

const setting: ReturnSetting = {
  children: 10_000,
  greetingsPerSecond: 1_000,
  hasAdmission: true,
  connectionsMax: limits.connections,
};

vi.setConfig({ testTimeout: 120_000 });

function busiestSecond({ greetedBySecond }: ReturningChildren): number {
  return Math.max(...greetedBySecond.values());
}

/** Longest wait of a child, counted from `sinceMs`; infinite when one is not back. */
function slowestMs({ children }: ReturningChildren, sinceMs: number): number {
  return Math.max(
    ...children.map(({ state, backAtMs }) =>
      state.at === "running" && backAtMs !== undefined ? backAtMs - sinceMs : Number.POSITIVE_INFINITY,
    ),
  );
}

test("all of 10 000 children are back within 60 s of their parent's start, none is starved, and the work of a second is bounded", () => {
  const tree = new ReturningChildren(setting, seeded(1));
  tree.queue.runUntil(20_000);
  tree.startParent();
  tree.queue.runUntil(80_000);
  expect(tree.backCount).toBe(setting.children);
  expect(slowestMs(tree, 20_000)).toBeLessThan(60_000);
  expect(Math.max(...tree.children.map(({ refusals }) => refusals))).toBeLessThanOrEqual(4);
  expect(busiestSecond(tree)).toBeLessThanOrEqual(limits.hellosPerSecond + 2 * limits.hellosBurst);
  expect(tree.children.filter(({ hasBulk }) => !hasBulk)).toEqual([]);
});

test("the same when the parent dies again while they come back, twice", () => {
  const tree = new ReturningChildren(setting, seeded(2));
  tree.startParent();
  tree.queue.runUntil(60_000);
  expect(tree.backCount).toBe(setting.children);
  for (const upMs of [7_000, 3_000, 60_000]) {
    tree.stopParent();
    tree.queue.runUntil(tree.queue.nowMs + 2_000);
    expect(tree.backCount).toBe(0);
    tree.startParent();
    tree.queue.runUntil(tree.queue.nowMs + upMs);
  }
  expect(tree.backCount).toBe(setting.children);
  expect(busiestSecond(tree)).toBeLessThanOrEqual(limits.hellosPerSecond + 2 * limits.hellosBurst);
});

test("a parent that greets slowly works for hardly anybody who has given up; without admission it does little else", () => {
  const slow = { ...setting, children: 5_000, greetingsPerSecond: 100 };
  const [orderly, stormy] = [true, false].map((hasAdmission) => {
    const tree = new ReturningChildren({ ...slow, hasAdmission }, seeded(3));
    tree.queue.runUntil(5_000);
    tree.startParent();
    tree.queue.runUntil(125_000);
    return tree;
  });
  expect(orderly?.backCount).toBe(slow.children);
  expect(orderly?.wasted).toBeLessThan(slow.children / 20);
  expect(stormy?.wasted).toBeGreaterThan(slow.children / 2);
});
