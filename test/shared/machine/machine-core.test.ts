// Single decisions of the core of machine messages.
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { parseNodeName } from "#shared/ids.ts";
import type { Effect, Recorded } from "#shared/machine/effect.ts";
import { MachineCore } from "#shared/machine/machine-core.ts";
import { emptyReceipt, matchedOf } from "#shared/machine/receipt.ts";
import { envelopeOf, messageId, neighbourOf, worldOf } from "../../fakes/machine-scene.ts";
import { ModelTree } from "../../fakes/model-tree.ts";

const self = parseNodeName("fog-1");
const parent = neighbourOf("cloud-1", { key: "^" });
const child = neighbourOf("device-1");
const world = worldOf(100, [parent, child]);
const holds = { holds: true };
const event = envelopeOf({ kind: "external", scope: "machine", durable: true });

function typesOf(effects: readonly Effect[] | string): readonly string[] {
  return typeof effects === "string" ? [effects] : effects.map(({ type }) => type);
}

test("[J15] a durable event is confirmed to nobody before it is on disk, whoever brings it", () => {
  const core = new MachineCore(self, 1_000_000);
  expect(typesOf(core.hear(world, parent, event, holds))).toEqual(["keep"]);
  expect(typesOf(core.hear(world, parent, event, holds))).toEqual([]);
  expect(typesOf(core.hear(world, child, event, holds))).toEqual([]);
  const kept = core.kept(world, messageId, true);
  expect(kept).toContainEqual(expect.objectContaining({ type: "report", to: "^" }));
  expect(core.hear(world, child, event, holds)).toContainEqual(
    expect.objectContaining({ type: "report", to: child.key, frame: expect.objectContaining({ id: messageId }) }),
  );
});

test("[J15] an event that there is no room for is not confirmed, so that it comes again", () => {
  const core = new MachineCore(self, 1_000_000_000);
  const idOf = (index: number): string => index.toString(16).padStart(32, "0");
  for (let index = 0; index < limits.openCalls; index++) {
    core.hear(world, parent, { ...event, id: idOf(index) }, holds);
    core.kept(world, idOf(index), true);
  }
  const effects = core.hear(world, parent, { ...event, id: "f".repeat(32) }, holds);
  expect(effects).toEqual([
    { type: "refused", from: parent.name, reason: `this node follows ${limits.openCalls} events already` },
  ]);
});

test("[J12] what a neighbour may not send is refused with the reason, and said", () => {
  const core = new MachineCore(self, 1_000_000);
  const effects = core.hear(world, child, envelopeOf(), holds);
  expect(effects[0]).toEqual({ type: "refused", from: child.name, reason: "it is not for nodes above the caller" });
  const far = envelopeOf({ id: "f".repeat(32), hops: limits.callHops + 1 });
  expect(core.hear(world, parent, far, holds)[0]).toMatchObject({ type: "refused", from: parent.name });
});

test("[T3] [T6] nobody is told how a call ended that may not run twice before that is on disk", () => {
  const core = new MachineCore(self, 1_000_000);
  const alone = worldOf(100, [parent]);
  core.hear(alone, parent, envelopeOf(), holds);
  core.recorded(alone, messageId, { type: "new" });
  const done = core.ran(alone, messageId, { node: self, status: "done", value: 1 });
  expect(typesOf(done)).toEqual(["outcome"]);
  expect(done[0]).toMatchObject({ result: { status: "done" }, isAwaited: true });
  // Called off too late: it has ended.
  const cancelled = core.hear(alone, parent, envelopeOf({ kind: "cancel" }), holds);
  expect(cancelled).toMatchObject([{ frame: { receipt: { counts: { started: 1 }, complete: false } } }]);
  const told = core.settled(alone, messageId);
  expect(told).toMatchObject([{ type: "report", frame: { receipt: { counts: { done: 1 }, complete: true } } }]);
  expect(core.settled(alone, messageId)).toEqual([]);
});

test("[T3] how a call ended that may run twice is told at once", () => {
  const core = new MachineCore(self, 1_000_000);
  const alone = worldOf(100, [parent]);
  core.hear(alone, parent, envelopeOf({ mode: "sync" }), holds);
  core.recorded(alone, messageId, { type: "new" });
  const done = core.ran(alone, messageId, { node: self, status: "done", value: 1 });
  expect(typesOf(done)).toEqual(["outcome", "report"]);
});

test("[T6] who hears only that a call is called off says what its record knows of it", () => {
  const alone = worldOf(100, [parent]);
  const recall = (answer: Recorded): readonly Effect[] => {
    const core = new MachineCore(self, 1_000_000);
    expect(core.hear(alone, parent, envelopeOf({ kind: "cancel" }), holds)).toEqual([
      { type: "recall", id: messageId },
    ]);
    return core.recorded(alone, messageId, answer);
  };
  const result = { node: self, status: "done", value: 1 } as const;
  const receiptOf = (effects: readonly Effect[]): unknown => effects.find(({ type }) => type === "report");
  expect(receiptOf(recall({ type: "known", result, name: "blink" }))).toMatchObject({
    frame: { receipt: { results: [result], complete: true } },
  });
  expect(receiptOf(recall({ type: "new" }))).toMatchObject({ frame: { receipt: { results: [], complete: true } } });
});

test("only the user who made a call calls it off", () => {
  const core = new MachineCore(self, 1_000_000);
  const caller = { kind: "local", replies: new Map(), user: "anna", results: undefined } as const;
  core.publish(world, envelopeOf(), caller, true);
  expect(core.cancel(world, messageId, "", "no more")).toBe("foreign");
  expect(core.cancel(world, messageId, "bert", "no more")).toBe("foreign");
  expect(core.cancel(world, "f".repeat(32), "anna", "no more")).toBe("unknown");
  expect(typesOf(core.cancel(world, messageId, "anna", "no more"))).toContain("ask");
});

test("[T6] who has answered counts in the last word, also where a node in between has forgotten the call and asks in vain", () => {
  const parents = { "cloud-1": undefined, "fog-1": "cloud-1", "fog-2": "cloud-1" };
  const devices = { "device-1": "fog-1", "device-2": "fog-1", "device-3": "fog-2" };
  const tree = new ModelTree({ ...parents, ...devices }, (condition, node) => node.startsWith(condition));
  tree.settle();
  const timeMs = tree.nowMs;
  tree.publish("cloud-1", envelopeOf({ timeMs, deadlineMs: timeMs + 60_000, condition: "device" }));
  tree.cut("device-3");
  tree.settle();
  const pass = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += 100) {
      tree.pass(100);
      tree.settle();
    }
  };
  // fog-1 is through with it and forgets it, while fog-2 waits for its device.
  pass(15_000);
  expect(tree.replies.at(-1)).toMatchObject({ isFinal: false, receipt: { counts: { done: 2 } } });
  tree.cut("device-2");
  tree.cut("device-1");
  tree.settle();
  tree.connect("device-1");
  tree.settle();
  pass(50_000);
  const { isFinal, receipt } = tree.replies.at(-1) ?? {};
  expect(isFinal).toBe(true);
  expect(receipt?.results.map(({ node }) => node as string).toSorted()).toEqual(["device-1", "device-2"]);
  expect(receipt?.waiting.map(({ node }) => node)).toEqual(["device-3"]);
  expect([...tree.runs.values()]).toEqual([1, 1]);
});

test("[J12] what comes again and what comes too late is counted", () => {
  const core = new MachineCore(self, 1_000_000);
  core.hear(world, parent, envelopeOf(), holds);
  core.hear(world, parent, envelopeOf(), holds);
  expect(core.stats()).toMatchObject({ repeated: 1, expired: 0 });
  const late = worldOf(20_000, [parent]);
  core.hear(late, parent, { ...event, id: "e".repeat(32) }, holds);
  const call = envelopeOf({ id: "f".repeat(32) });
  core.hear(late, parent, call, holds);
  core.recorded(late, call.id, { type: "new" });
  expect(core.stats()).toMatchObject({ repeated: 1, expired: 2 });
});

test("a call whose publish was refused, because it could not be made durable, does not go on in the tree", () => {
  const core = new MachineCore(parseNodeName("cloud-1"), 1_000_000);
  const begun = worldOf(20, [neighbourOf("device-1")]);
  const caller = { kind: "local", replies: new Map([["/answers", undefined]]), user: "", results: undefined } as const;
  expect(typesOf(core.publish(begun, envelopeOf(), caller, false))).toEqual(["keep", "ask"]);
  const after = core.kept(begun, messageId, false);
  const cancelled = expect.objectContaining({ kind: "cancel" }) as unknown;
  expect(after).toContainEqual(expect.objectContaining({ type: "ask", envelope: cancelled }));
});

test("a node that could not keep a call does not promise to wait for whoever is away, and tries again", () => {
  const core = new MachineCore(self, 1_000_000);
  const away = (ms: number) => worldOf(ms, [parent, neighbourOf("device-1", { state: "lost" })]);
  const begun = core.hear(away(20), parent, envelopeOf(), { holds: false });
  expect(typesOf(begun)).toContain("keep");
  const waitingOf = (effects: readonly Effect[]) =>
    effects.flatMap((effect) => (effect.type === "report" ? effect.frame.receipt.waiting : []));
  const refused = [...core.kept(away(20), messageId, false), ...core.tick(away(300))];
  expect(waitingOf(refused)).toEqual([]);
  expect(typesOf(refused)).not.toContain("keep");
  const again = core.hear(away(20 + limits.keepAgainMs), parent, envelopeOf(), { holds: false });
  expect(typesOf(again)).toContain("keep");
  const kept = [...core.kept(away(5_100), messageId, true), ...core.tick(away(5_400))];
  expect(waitingOf(kept).map(({ node }) => node)).toContain("device-1");
});

test("cancels of unknown ids leave room for calls", () => {
  const core = new MachineCore(self, 1_000_000);
  const idOf = (index: number): string => index.toString(16).padStart(32, "0");
  const asked: string[] = [];
  for (let index = 0; index < 3 * limits.openCalls; index++)
    asked.push(...typesOf(core.hear(world, parent, envelopeOf({ id: idOf(index), kind: "cancel" }), holds)));
  expect(asked.filter((type) => type === "recall")).toHaveLength(limits.bareCancels);
  expect(asked).not.toContain("report");
  expect(typesOf(core.hear(world, parent, envelopeOf(), holds))).not.toContain("refused");
  // What is not known is not said: whoever called it off asks again.
  expect(core.recorded(world, idOf(1), { type: "refused", reason: "the store is closed" })).toEqual([]);
  expect(typesOf(core.hear(world, parent, envelopeOf({ id: idOf(1), kind: "cancel" }), holds))).toContain("recall");
});

test("a call that nobody here offers writes nothing", () => {
  const core = new MachineCore(self, 1_000_000);
  const unable = worldOf(100, [parent], { offers: () => false });
  expect(typesOf(core.hear(unable, parent, envelopeOf(), holds))).toEqual(["recall"]);
  expect(typesOf(core.recorded(unable, messageId, { type: "new" }))).toEqual(["report"]);
});

test("what is held and on disk goes on after the start, also when its time comes while the node stops", () => {
  const core = new MachineCore(self, 1_000_000);
  const caller = { kind: "local", replies: new Map([["/a", undefined]]), user: "", results: undefined } as const;
  const worldAt = (ms: number) => worldOf(ms, []);
  core.publish(worldAt(100), envelopeOf({ startAtMs: 1_000 }), caller, true);
  core.kept(worldAt(101), messageId, true);
  core.stop(worldAt(900));
  const begun = core.tick(worldAt(1_000));
  const after = begun.some(({ type }) => type === "remember" || type === "recall")
    ? [
        ...begun,
        ...core.recorded(worldAt(1_001), messageId, { type: "new" }),
        ...core.settled(worldAt(1_002), messageId),
      ]
    : begun;
  expect(after.filter(({ type }) => type === "drop" || type === "outcome")).toEqual([]);
});

test("[T6] a cancel reaches those below a node that has forgotten the call", () => {
  const tree = new ModelTree({ "cloud-1": undefined, "fog-1": "cloud-1", "device-1": "fog-1" }, (c, node) =>
    node.startsWith(c),
  );
  tree.settle();
  tree.isSlow = true;
  const pass = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += 250) {
      tree.pass(250);
      tree.settle();
    }
  };
  const timeMs = tree.nowMs;
  tree.publish("cloud-1", envelopeOf({ timeMs, deadlineMs: timeMs + 60_000, condition: "device" }));
  tree.settle();
  pass(1_500);
  expect(tree.replies.at(-1)).toMatchObject({ receipt: { counts: { started: 1 } } });
  tree.kill("fog-1");
  tree.settle();
  tree.cancel("cloud-1", messageId);
  tree.settle();
  tree.start("fog-1");
  tree.settle();
  tree.connect("device-1");
  pass(70_000);
  const last = tree.replies.at(-1);
  expect(last?.isFinal).toBe(true);
  expect(matchedOf(last?.receipt.counts ?? emptyReceipt.counts) + (last?.receipt.waiting.length ?? 0)).toBe(1);
});
