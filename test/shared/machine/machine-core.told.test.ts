// What was told of single nodes stays told, and what is said of it can be read.
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { parseNodeName } from "#shared/ids.ts";
import type { Effect } from "#shared/machine/effect.ts";
import { withTold } from "#shared/machine/keep-told.ts";
import { LinkState } from "#shared/machine/link-state.ts";
import { MachineCore } from "#shared/machine/machine-core.ts";
import { fewResults, mergeReceipts, withDetached } from "#shared/machine/merge-receipts.ts";
import { decodeReceipt, encodeReceipt, type ReceiptFrame } from "#shared/machine/receipt-wire.ts";
import { nothingGone } from "#shared/machine/receipt-changes.ts";
import { emptyReceipt, matchedOf, type CallStatus, type Receipt } from "#shared/machine/receipt.ts";
import { envelopeOf, messageId, neighbourOf, worldOf } from "../../fakes/machine-scene.ts";
import { ModelTree } from "../../fakes/model-tree.ts";

const self = parseNodeName("fog-1");
const parent = neighbourOf("cloud-1", { key: "^" });
const child = neighbourOf("device-1");

function receiptOf(statuses: Readonly<Record<string, CallStatus>>, given: Partial<Receipt> = {}): Receipt {
  const counts = { ...emptyReceipt.counts };
  const results = Object.entries(statuses).map(([name, status]) => ({ node: parseNodeName(name), status }));
  for (const { status } of results) counts[status]++;
  return { ...emptyReceipt, counts, results, ...given };
}
const open = { complete: false, settled: false };
const frame = (number: number, receipt: Receipt, given: Partial<ReceiptFrame> = {}) => ({
  number,
  receipt,
  phase: 1 as const,
  look: 0,
  ...given,
});
const at = (ms: number) => ({ nowMs: ms, monotonicMs: ms });

const passing = (tree: ModelTree, ms: number): void => {
  for (let passed = 0; passed < ms; passed += 250) {
    tree.pass(250);
    tree.settle();
  }
};

test("[T6] a large receipt stays counted however often its neighbour begins anew", () => {
  const link = new LinkState(neighbourOf("fog-1"), 0);
  link.asked(1, 0, 0);
  const large = receiptOf({ "device-1": "done" }, { omitted: 1499, counts: { ...emptyReceipt.counts, done: 1500 } });
  link.heard(frame(0, large), at(1), fewResults);
  link.outdate(1); // somebody has come below it, and it has forgotten
  link.asked(1, 5_000, 5_000);
  link.heard(frame(1, receiptOf({ "device-2": "done" }, open), { look: 1 }), at(5_001), fewResults);
  expect(link.receipt?.counts.done).toBe(1500);
  link.asked(1, 70_000, 70_000); // a minute of silence, or one more has come
  link.heard(frame(2, receiptOf({ "device-2": "done" }, open), { look: 1 }), at(70_001), fewResults);
  expect(link.receipt?.counts.done).toBe(1500);
});

test("[T6] so it is with twenty nodes whose results are large", () => {
  const core = new MachineCore(parseNodeName("cloud-1"), 1_000_000);
  const world = (ms: number, below = 0) => worldOf(ms, [neighbourOf("fog-1", { below })]);
  const caller = { kind: "local", replies: new Map([["/a", undefined]]), user: "", results: undefined } as const;
  const deadlineMs = 600_000;
  core.publish(world(100), envelopeOf({ deadlineMs }), caller, false);
  core.kept(world(101), messageId, true);
  const fog = neighbourOf("fog-1");
  const results = Array.from({ length: 20 }, (_, i) => ({
    node: parseNodeName(`device-${i}`),
    status: "done" as const,
    value: "x".repeat(16_000),
  }));
  const counts = { ...emptyReceipt.counts, done: 20 };
  // What a node says of twenty devices of 16 000 bytes each: five are in 256 KiB (three bytes a character).
  const large = { ...emptyReceipt, counts, results: results.slice(0, 5), omitted: 15 };
  const more = { ...open, waiting: [{ node: parseNodeName("device-99"), sinceMs: 1, at: parseNodeName("fog-1") }] };
  core.tick(world(200));
  core.heard(world(201), fog, { id: messageId, ...frame(0, { ...large, ...more }) });
  const countOf = (ms: number): number => {
    const effects = core.tick(world(ms));
    const last = effects.filter(({ type }) => type === "reply").at(-1);
    return last?.type === "reply" ? matchedOf(last.report.receipt.counts) : -1;
  };
  expect(countOf(1_000)).toBe(20);
  // fog-1 was started anew and has forgotten; some of its devices are off.
  const again = neighbourOf("fog-1", { session: 2 });
  core.neighbourChanged(world(1_100), again);
  core.heard(world(1_200), again, { id: messageId, ...frame(0, receiptOf({ "device-3": "done" }, more)) });
  expect(countOf(2_000)).toBe(20);
});

test("[T6] what a neighbour had told stays told when its first word after a restart did not count", () => {
  const link = new LinkState(neighbourOf("fog-1"), 0);
  link.asked(1, 0, 0);
  link.heard(frame(7, receiptOf({ "fog-1": "done", "device-2": "done" })), at(1), fewResults);
  // It was killed before the row of the call had gone: it goes on with it by itself.
  link.view = neighbourOf("fog-1", { session: 2 });
  expect(link.heard(frame(0, receiptOf({ "fog-1": "queued" }, open)), at(2), fewResults)).toBe(undefined);
  link.heard(frame(1, receiptOf({ "fog-1": "done" }), { since: { number: 0, gone: nothingGone } }), at(3), fewResults);
  expect(link.receipt?.results.map(({ node }) => node as string).toSorted()).toEqual(["device-2", "fog-1"]);
});

test("[T6] what was told one by one stands in the last word when a site lost its power right behind its answer", () => {
  const parents = { "cloud-1": undefined, "fog-1": "cloud-1", "fog-2": "cloud-1" };
  const devices = { "device-2": "fog-1", "device-3": "fog-2" };
  const tree = new ModelTree({ ...parents, ...devices }, (c, node) => node.startsWith(c));
  tree.settle();
  tree.cut("device-3"); // so that the caller waits
  tree.settle();
  const timeMs = tree.nowMs;
  tree.publish(
    "cloud-1",
    envelopeOf({ timeMs, deadlineMs: timeMs + 60_000, startAtMs: timeMs + 1_000, wantsAll: true }),
  );
  tree.settle();
  passing(tree, 750);
  expect(tree.isKept("fog-1", messageId)).toBe(true);
  tree.pass(250);
  for (
    let step = 0;
    step < 1000 && tree.results.filter(({ node }) => ["device-2", "fog-1"].includes(node)).length < 2;
    step++
  )
    tree.happen(0);
  for (const name of ["fog-1", "device-2"]) tree.kill(name);
  tree.settle();
  tree.start("fog-1"); // its row is still there; the device stays off
  tree.settle();
  passing(tree, 58_000);
  for (let passed = 0; passed < 4_000; passed += 20) {
    tree.pass(20);
    tree.settle();
  }
  const last = tree.replies.at(-1);
  expect(last?.isFinal).toBe(true);
  const told = tree.results.map(({ node }) => node as string).toSorted();
  expect(last?.receipt.results.map(({ node }) => node as string).toSorted()).toEqual(told);
});

test("what is said upward after a neighbour began anew can be read there", () => {
  const names = (from: number) => Array.from({ length: limits.callDetached }, (_, i) => `device-${from + i}`);
  const of = (list: readonly string[], all: readonly string[]) =>
    receiptOf(Object.fromEntries(all.map((name) => [name, "done" as const])), {
      adopted: list.map((name) => ({ node: parseNodeName(name), atMs: 1 })),
    });
  const [a, b] = [names(0), names(1000)];
  const core = new MachineCore(parseNodeName("fog-0"), 1_000_000);
  const fog = neighbourOf("fog-1");
  const world = worldOf(100, [parent, fog]);
  core.hear(world, parent, envelopeOf({ wantsAll: true }), { holds: false });
  const say = (number: number, receipt: Receipt): readonly Effect[] => {
    const pieces = [receipt.results.slice(0, 1000), receipt.results.slice(1000)];
    const [first, second] = pieces.map((results) => ({ ...receipt, results }));
    if (first === undefined || second === undefined) throw new Error("two pieces");
    const part = { ...first, ...open, adopted: [], counts: emptyReceipt.counts };
    core.heard(world, fog, { id: messageId, ...frame(number, part, { isPart: true }) });
    return core.heard(world, fog, {
      id: messageId,
      ...frame(number + 1, second, { since: { number, gone: nothingGone } }),
    });
  };
  say(0, { ...of(a, [...a, ...b]), complete: false });
  const effects = say(2, of(b, [...a, ...b]));
  const last = effects.filter((effect) => effect.type === "report").at(-1);
  if (last?.type !== "report") throw new Error("nothing was said");
  expect(decodeReceipt(encodeReceipt(last.frame))).not.toHaveProperty("malformed");
});

test("[T6] an outcome that was told is not taken back by what the neighbour lost while it asked anew", () => {
  const lost = { node: parseNodeName("device-1"), heardMs: 9, receipt: receiptOf({ "device-1": "queued" }, open) };
  const said = receiptOf({ "fog-1": "done" }, { ...open, detached: [lost] });
  const now = withTold(said, receiptOf({ "fog-1": "done", "device-1": "done" }), fewResults);
  const last = withDetached(mergeReceipts([now], [], [], fewResults));
  expect(last.counts).toMatchObject({ done: 2, queued: 0 });
});

test("[T6] outcomes below one that was lost stay told, also when others below it had not ended", () => {
  const lost = {
    node: parseNodeName("fog-2"),
    heardMs: 9,
    receipt: receiptOf({ "device-1": "done", "device-2": "started" }, open),
  };
  const told = receiptOf({ "fog-1": "done" }, { ...open, detached: [lost] });
  const now = withTold(receiptOf({ "fog-1": "done" }), told, fewResults);
  expect(withDetached(now).results.map(({ node }) => node as string)).toContain("device-1");
});

test("when all who are waited for have been told of nothing is waited for", () => {
  const waiting = [{ node: parseNodeName("device-1"), sinceMs: 1, at: self }];
  const said = receiptOf({ "fog-1": "done" }, { waiting, complete: false, settled: true });
  const now = withTold(said, receiptOf({ "fog-1": "done", "device-1": "done" }), fewResults);
  expect(now).toMatchObject({ waiting: [], complete: true });
});

test("a neighbour whose counts are wrong does not make what is said of others unreadable", () => {
  const core = new MachineCore(parseNodeName("fog-1"), 1_000_000);
  const world = worldOf(100, [parent, child]);
  core.hear(world, parent, envelopeOf(), { holds: false });
  core.heard(world, child, { id: messageId, ...frame(0, receiptOf({ "device-1": "done" }, open)) });
  const lie = { ...receiptOf({ "device-1": "started" }), counts: emptyReceipt.counts };
  const effects = core.heard(world, child, { id: messageId, ...frame(1, lie) });
  const last = effects.find(({ type }) => type === "report");
  if (last?.type !== "report") throw new Error("nothing was said");
  expect(last.frame.receipt.counts.started).toBeGreaterThanOrEqual(0);
  expect(decodeReceipt(encodeReceipt(last.frame))).not.toHaveProperty("malformed");
});

test("[T6] the outcome counts where the newer place has only begun again", () => {
  const older = receiptOf({ "device-1": "done" });
  const newer = receiptOf(
    { "device-1": "started" },
    { ...open, adopted: [{ node: parseNodeName("device-1"), atMs: 9 }] },
  );
  expect(mergeReceipts([older, newer]).counts).toMatchObject({ done: 1, started: 0 });
});

test("[T6] the outcome counts where the newer place was lost before it had one", () => {
  const one = (status: CallStatus, heardMs: number, given: Partial<Receipt> = {}) =>
    ({ node: parseNodeName("device-1"), heardMs, receipt: receiptOf({ "device-1": status }, given) }) as const;
  const older = { ...emptyReceipt, detached: [one("done", 5)] };
  const newer = {
    ...emptyReceipt,
    complete: false,
    waiting: [{ node: parseNodeName("device-1"), sinceMs: 9, at: parseNodeName("fog-2") }],
    detached: [one("queued", 9, open)],
  };
  expect(withDetached(mergeReceipts([older, newer])).counts).toMatchObject({ done: 1, queued: 0 });
});

test("[T6] nobody below one that was lost counts twice, where that named not all", () => {
  const names = Array.from({ length: 1500 }, (_, i) => `device-${i}`);
  const done = (list: readonly string[]) => receiptOf(Object.fromEntries(list.map((name) => [name, "done" as const])));
  const counts = { ...emptyReceipt.counts, done: 1500 };
  const lost = {
    node: parseNodeName("fog-2"),
    heardMs: 9,
    receipt: { ...done(names.slice(500)), counts, omitted: 500 },
  };
  const now = withTold({ ...emptyReceipt, detached: [lost] }, done(names.slice(0, 900)), fewResults);
  expect(matchedOf(withDetached(now).counts)).toBe(1500);
});
