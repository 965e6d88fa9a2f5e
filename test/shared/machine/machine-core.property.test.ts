// Whatever is duplicated, reordered, lost with its link, killed or moved: the invariants of machine messages, on a small tree.
import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { parseNodeName } from "#shared/ids.ts";
import { phases, type Envelope } from "#shared/machine/envelope.ts";
import { matchedOf, type NodeResult, type Receipt } from "#shared/machine/receipt.ts";
import { envelopeOf, messageId } from "../../fakes/machine-scene.ts";
import { ModelTree } from "../../fakes/model-tree.ts";

const parents = {
  "cloud-1": undefined,
  "fog-1": "cloud-1",
  "fog-2": "cloud-1",
  "device-1": "fog-1",
  "device-2": "fog-1",
  "device-3": "fog-2",
};
const names = Object.keys(parents);
const devices = names.filter((name) => name.startsWith("device"));
const holds = (condition: string, node: string): boolean => node.startsWith(condition);

type Step =
  | { readonly type: "happen"; readonly index: number; readonly repeated: boolean }
  | { readonly type: "lose"; readonly index: number }
  | { readonly type: "pass"; readonly ms: number }
  | { readonly type: "settle" | "finish" | "cancel" }
  | { readonly type: "cut" | "connect" | "kill" | "start"; readonly node: string }
  | { readonly type: "move"; readonly node: string; readonly parent: string };

const node = fc.constantFrom(...names);
const happen = fc.record({ type: fc.constant("happen" as const), index: fc.nat({ max: 20 }), repeated: fc.boolean() });
const lose = fc.record({ type: fc.constant("lose" as const), index: fc.nat({ max: 20 }) });
const pass = fc.record({ type: fc.constant("pass" as const), ms: fc.nat({ max: 3000 }) });
const quick = fc.record({ type: fc.constantFrom("settle" as const, "finish" as const) });
const link = fc.record({ type: fc.constantFrom("cut" as const, "connect" as const), node });
const death = fc.record({ type: fc.constantFrom("kill" as const, "start" as const), node });
const move = fc.record({
  type: fc.constant("move" as const),
  node: fc.constantFrom(...devices),
  parent: fc.constantFrom("fog-1", "fog-2", "cloud-1"),
});
const step: fc.Arbitrary<Step> = fc.oneof({ arbitrary: happen, weight: 4 }, lose, pass, quick, link, death, move);

function take(tree: ModelTree, origin: string, one: Step): void {
  switch (one.type) {
    case "happen":
      tree.happen(one.index, one.repeated);
      return;
    case "lose":
      tree.lose(one.index);
      return;
    case "pass":
      tree.pass(one.ms);
      return;
    case "settle":
      tree.settle();
      return;
    case "finish":
      tree.finishRuns();
      return;
    case "cancel":
      tree.cancel(origin, messageId);
      return;
    case "move":
      tree.move(one.node, one.parent);
      return;
    case "cut":
    case "connect":
    case "kill":
    case "start":
      // Where the caller is, there it stays: its own end is another test.
      if (one.node !== origin || one.type === "connect" || one.type === "cut") tree[one.type](one.node);
      return;
  }
}

/** Everything works again, for long enough. */
function heal(tree: ModelTree, ms: number): void {
  tree.isSlow = false;
  for (const name of names) tree.start(name);
  for (const name of names) tree.connect(name);
  goOn(tree, ms);
}

function goOn(tree: ModelTree, ms: number): void {
  for (let passed = 0; passed < ms; passed += 250) {
    tree.settle();
    tree.finishRuns();
    tree.settle();
    tree.pass(250);
  }
  tree.settle();
}

/** Everything works again, for longer than a neighbour that has been heard is left alone, and a while after the last word. */
function healAndHear(tree: ModelTree): void {
  heal(tree, 250);
  const isHeard = (): boolean => tree.replies.some(({ isFinal }) => isFinal);
  for (let passed = 0; passed < 5 * limits.silentMs && !isHeard(); passed += 250) goOn(tree, 250);
  goOn(tree, 10_000);
}

function begin(origin: string, given: Partial<Envelope>, ttlMs = 200_000): ModelTree {
  const tree = new ModelTree(parents, holds);
  tree.settle();
  tree.isSlow = true;
  const timeMs = tree.nowMs;
  tree.publish(origin, envelopeOf({ timeMs, deadlineMs: timeMs + ttlMs, origin: parseNodeName(origin), ...given }));
  return tree;
}

function expectSound(tree: ModelTree, condition: string, receipt: Receipt): void {
  const heard = receipt.results.map(({ node: name }) => name);
  expect(new Set(heard).size).toBe(heard.length);
  expect(matchedOf(receipt.counts)).toBe(heard.length);
  for (const { node: name, status } of receipt.results) {
    expect(holds(condition, name)).toBe(true);
    if (status === "done") expect(tree.runs.get(`${name} ${messageId}`)).toBeGreaterThan(0);
  }
}

function byName(results: readonly NodeResult[]): readonly NodeResult[] {
  return results.toSorted((a, b) => (a.node < b.node ? -1 : 1));
}

const happenings = fc.array(step, { maxLength: 40, size: "max" });
const condition = fc.constantFrom("", "device", "fog-1", "d");
const mode = fc.constantFrom("async" as const, "sync" as const);

test("[T3] [T4] [T5] [T6] a call that the tree has time for is answered by everybody who matches, once", () => {
  fc.assert(
    fc.property(happenings, condition, mode, fc.boolean(), (given, text, how, wantsAll) => {
      // Longer than anything that happens here.
      const tree = begin("cloud-1", { condition: text, mode: how, wantsAll }, 600_000);
      for (const one of given) take(tree, "cloud-1", one);
      for (const { receipt } of tree.replies) expectSound(tree, text, receipt);
      healAndHear(tree);
      const finals = tree.replies.filter(({ isFinal }) => isFinal);
      expect(finals).toHaveLength(1);
      const last = finals[0]?.receipt;
      if (last === undefined) throw new Error("unreachable");
      expectSound(tree, text, last);
      expect(last.results.map(({ node: name }) => name).toSorted()).toEqual(
        names.filter((name) => holds(text, name)).toSorted(),
      );
      expect(last).toMatchObject({ complete: true, waiting: [] });
      // One by one each of them has been told, once, with what the last reply says.
      expect(byName(tree.results)).toEqual(wantsAll ? byName(last.results) : []);
      for (const [run, times] of tree.runs) {
        expect(holds(text, run.split(" ")[0] ?? "")).toBe(true);
        if (how === "async") expect(times).toBe(1);
      }
    }),
    { numRuns: 400 },
  );
});

/** Nobody is started or connected any more, and the deadline passes. */
function runOut(tree: ModelTree, deadlineMs: number): void {
  while (tree.nowMs < deadlineMs - 500) goOn(tree, 250);
  while (tree.nowMs < deadlineMs + 3_000) {
    tree.settle();
    tree.pass(20);
  }
  tree.settle();
}

function expectTold(tree: ModelTree, text: string, how: Envelope["mode"]): void {
  const finals = tree.replies.filter(({ isFinal }) => isFinal);
  expect(finals).toHaveLength(1);
  const last = finals[0]?.receipt;
  if (last === undefined) throw new Error("unreachable");
  expectSound(tree, text, last);
  expect(byName(tree.results)).toEqual(byName(last.results));
  if (how === "async") for (const times of tree.runs.values()) expect(times).toBe(1);
}

test("[T3] [T5] [T6] what was told one by one stands in the last word, also of those that are off at the deadline", () => {
  fc.assert(
    fc.property(happenings, condition, mode, (given, text, how) => {
      const tree = begin("cloud-1", { condition: text, mode: how, wantsAll: true }, 60_000);
      const deadlineMs = tree.nowMs + 60_000;
      for (const one of given) take(tree, "cloud-1", one);
      runOut(tree, deadlineMs);
      expectTold(tree, text, how);
    }),
    { numRuns: 400 },
  );
});

const histories: readonly (readonly [string, readonly Step[]])[] = [
  [
    "one that was lost at two places",
    [
      { type: "move", node: "device-1", parent: "fog-1" },
      { type: "settle" },
      { type: "pass", ms: 200 },
      { type: "settle" },
      { type: "pass", ms: 200 },
      { type: "happen", index: 0, repeated: false },
      { type: "cut", node: "fog-1" },
      { type: "finish" },
      { type: "move", node: "device-1", parent: "cloud-1" },
      { type: "settle" },
      { type: "cut", node: "device-1" },
    ],
  ],
  [
    "one whose old place is taken for connected",
    [
      { type: "happen", index: 10, repeated: false },
      { type: "pass", ms: 2000 },
      { type: "settle" },
      { type: "pass", ms: 200 },
      { type: "move", node: "device-3", parent: "cloud-1" },
      { type: "finish" },
      { type: "settle" },
      { type: "move", node: "device-3", parent: "fog-2" },
      { type: "kill", node: "fog-2" },
    ],
  ],
];

test.each(histories)("[T6] so it is for %s", (_what, given) => {
  const tree = begin("cloud-1", { condition: "", wantsAll: true }, 60_000);
  const deadlineMs = tree.nowMs + 60_000;
  for (const one of given) take(tree, "cloud-1", one);
  runOut(tree, deadlineMs);
  expectTold(tree, "", "async");
});

test("[T3] [T5] [T6] with scope machine, from a device: nobody twice, one final reply by the deadline and a hop", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), condition, mode, (steps, text, how) => {
      const tree = begin("device-1", { condition: text, mode: how, scope: "machine" });
      const deadlineMs = tree.nowMs + 200_000;
      for (const one of steps) take(tree, "device-1", one);
      heal(tree, deadlineMs - tree.nowMs - 1000);
      for (let passed = 0; passed < 1000 + limits.callHopMs + 100; passed += 50) {
        tree.pass(50);
        tree.settle();
      }
      const finals = tree.replies.filter(({ isFinal }) => isFinal);
      expect(finals).toHaveLength(1);
      for (const { receipt } of tree.replies) expectSound(tree, text, receipt);
      if (how === "async") for (const times of tree.runs.values()) expect(times).toBe(1);
    }),
    { numRuns: 400 },
  );
});

test("[T3] [T5] a cancelled call ends with one final reply, whatever happens to it, and early where nobody moves", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 15, size: "max" }),
      fc.array(step, { maxLength: 15, size: "max" }),
      (before, after) => {
        const tree = begin("cloud-1", { wantsAll: true });
        for (const one of [...before, { type: "cancel" } as const, ...after]) take(tree, "cloud-1", one);
        // Whoever has moved may be waited for where it was. The others are asked again after a minute at the latest.
        const hasMoved = [...before, ...after].some(({ type }) => type === "move");
        heal(tree, hasMoved ? 202_000 : 70_000);
        const finals = tree.replies.filter(({ isFinal }) => isFinal);
        expect(finals).toHaveLength(1);
        for (const { receipt } of tree.replies) expectSound(tree, "", receipt);
        expect(byName(tree.results)).toEqual(byName(finals[0]?.receipt.results ?? []));
      },
    ),
    { numRuns: 400 },
  );
});

test("a barrier: all that match begin at one time, or none does", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25, size: "max" }), fc.integer({ min: 1, max: 5 }), (steps, minNodes) => {
      const tree = begin("cloud-1", { condition: "device", mode: "sync", minNodes, phase: phases.ready });
      for (const one of steps) take(tree, "cloud-1", one);
      heal(tree, 150_000);
      const [last] = tree.replies.filter(({ isFinal }) => isFinal);
      const done = last?.receipt.counts.done ?? 0;
      if (minNodes > devices.length) expect([done, tree.runs.size]).toEqual([0, 0]);
      else expect(done).toBe(devices.length);
    }),
    { numRuns: 400 },
  );
});

test("[J15] a durable event reaches every node where it holds, and once where nobody was killed", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 30, size: "max" }),
      fc.constantFrom("device-1", "cloud-1"),
      (steps, origin) => {
        const tree = begin(origin, { kind: "external", scope: "machine", durable: true, condition: "d" });
        tree.settle(); // acknowledged
        for (const one of steps) take(tree, origin, one);
        heal(tree, 150_000);
        const killed = new Set(steps.flatMap((one) => (one.type === "kill" ? [one.node] : [])));
        for (const name of devices) {
          const times = tree.told.get(`${name} ${messageId}`) ?? 0;
          expect(times).toBeGreaterThan(0);
          if (!killed.has(name)) expect(times).toBe(1);
        }
        expect(tree.told.size).toBe(devices.length);
      },
    ),
    { numRuns: 400 },
  );
});

test("[T6] of three thousand nodes each result is told by itself, and the last word names a thousand", () => {
  const many = Array.from({ length: 3_000 }, (_, index) => [`device-${index}`, `fog-${(index % 2) + 1}`]);
  const tree = new ModelTree(
    { "cloud-1": undefined, "fog-1": "cloud-1", "fog-2": "cloud-1", ...Object.fromEntries(many) },
    holds,
  );
  tree.settle();
  const timeMs = tree.nowMs;
  tree.publish("cloud-1", envelopeOf({ timeMs, deadlineMs: timeMs + 60_000, condition: "device", wantsAll: true }));
  tree.settle();
  tree.pass(250);
  tree.settle();
  expect(tree.replies.at(-1)).toMatchObject({ isFinal: true, receipt: { counts: { done: 3_000 }, omitted: 2_000 } });
  expect(tree.replies.at(-1)?.receipt.results).toHaveLength(limits.callResults);
  expect(tree.results).toHaveLength(many.length);
  expect(new Set(tree.results.map(({ node: name }) => name as string))).toEqual(new Set(many.map(([name]) => name)));
});
