import { expect, test } from "vitest";
import { callSentence, isWhole, reachedAll, type DemoCall } from "../../../scripts/demo/demo-call.ts";
import type { NodeSample, TreeSample } from "../../../scripts/demo/observe.ts";
import { formatTime } from "../../../scripts/demo/text-style.ts";

const noCounts = { matched: 0, queued: 0, started: 0, done: 0, failed: 0, refused: 0, expired: 0, cancelled: 0 };

function answer(counts: Partial<typeof noCounts>, waiting: DemoCall["report"]["waiting"] = []): DemoCall {
  return { report: { final: true, counts: { ...noCounts, ...counts }, results: [], waiting }, tookMs: 8.4 };
}

const since = "2026-07-10T12:03:11.000Z";

test.each([
  [answer({ matched: 2, done: 2 }), "call: 2 matched, 2 done in 8 ms"],
  [answer({}, [{ node: "fog-1", since }]), `call: 0 matched; not heard: fog-1 since ${formatTime(Date.parse(since))}`],
  [answer({ matched: 3, done: 1, failed: 2 }), "call: 3 matched, 1 done in 8 ms, 2 not done"],
])("an answer in a line: %#", (given, line) => {
  expect(callSentence(given)).toBe(line);
});

test("of many unheard nodes a few are named", () => {
  const waiting = Array.from({ length: 5 }, (_, i) => ({ node: `device-${i + 1}`, since }));
  expect(callSentence(answer({}, waiting))).toMatch(
    /not heard: device-1 since [\d:]+, .*device-3 since [\d:]+ and 2 more$/,
  );
});

test("every device was reached only if each is done and nobody is missing", () => {
  expect(reachedAll(answer({ matched: 2, done: 2 }), 2)).toBe(true);
  expect(reachedAll(answer({ matched: 2, done: 2 }), 3)).toBe(false);
  expect(reachedAll(answer({ matched: 2, done: 1, failed: 1 }), 2)).toBe(false);
  expect(reachedAll(answer({ matched: 2, done: 2 }, [{ node: "device-3", since }]), 2)).toBe(false);
});

test("the tree is whole when every node below the cloud is linked and seen", () => {
  const node = (name: string, changed: Partial<NodeSample> = {}): NodeSample => ({
    name,
    process: { at: "up", sinceMs: 0, pid: 1 },
    uplink: { state: "up", sinceMs: 0 },
    seenByCloud: { state: "online", sinceMs: 0, ageMs: 0 },
    ...changed,
  });
  const tree = (changed: Partial<NodeSample>): TreeSample => ({
    atMs: 0,
    cloud: node("cloud-1"),
    fog: node("fog-1"),
    devices: [{ ...node("device-1", changed), published: 1 }],
  });
  expect(isWhole(tree({}))).toBe(true);
  expect(isWhole(tree({ uplink: { state: "down", sinceMs: 0 } }))).toBe(false);
  expect(isWhole(tree({ seenByCloud: { state: "lost", sinceMs: 0, ageMs: 0 } }))).toBe(false);
});
