import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { parseNodeName } from "#shared/ids.ts";
import { phases } from "#shared/machine/envelope.ts";
import { OpenMessage } from "#shared/machine/open-message.ts";
import { decodeReceipt, encodeReceipt } from "#shared/machine/receipt-wire.ts";
import { callStatuses, matchedOf, ownReceipt, type NodeResult, type Receipt } from "#shared/machine/receipt.ts";
import { envelopeOf, messageId, neighbourOf, worldOf } from "../../fakes/machine-scene.ts";

const self = parseNodeName("fog-1");
const a = parseNodeName("device-a");
const b = parseNodeName("device-b");
const lost = parseNodeName("device-c");
const children = [neighbourOf("device-a"), neighbourOf("device-b"), neighbourOf("device-c", { state: "lost" })];

const caller = { kind: "local", replies: new Map(), user: "", results: undefined } as const;
const at = (ms: number) => ({ nowMs: ms, monotonicMs: ms });

/** Sent to a and b at time 100, kept for c. */
function open(own?: NodeResult): OpenMessage {
  const world = worldOf(100, children);
  const message = new OpenMessage(envelopeOf(), caller, own, world);
  for (const child of children) message.observe(world, child);
  expect(message.takeDue(world)).toEqual([a, b]);
  message.kept = "yes";
  return message;
}

const done = (node: NodeResult["node"]): Receipt => ownReceipt({ node, status: "done", value: 1 });

const said = (receipt: Receipt) => ({ receipt, phase: phases.begin, number: 1, look: 0 });

test("a call is complete when its own outcome and every child are final; one that is away keeps it open", () => {
  const call = open({ node: self, status: "queued" });
  expect(call.receipt(self)).toMatchObject({
    complete: false,
    settled: false,
    counts: { queued: 1 },
    waiting: [
      { node: a, sinceMs: 100, at: self },
      { node: b, sinceMs: 100, at: self },
      { node: lost, sinceMs: 5, at: self },
    ],
  });
  call.setReceipt(a, said(done(a)), at(1));
  call.setReceipt(b, said(done(b)), at(1));
  call.setOwn({ node: self, status: "done", value: 7 });
  expect(call.isComplete(self)).toBe(false);
  expect(call.receipt(self)).toMatchObject({
    complete: false,
    settled: true,
    counts: { done: 3 },
    waiting: [{ node: lost }],
  });
  const world = worldOf(500, [neighbourOf("device-c", { session: 2 })]);
  call.observe(world, neighbourOf("device-c", { session: 2 }));
  expect(call.takeDue(world)).toEqual([lost]);
  call.setReceipt(lost, said(done(lost)), at(1));
  expect(call.isComplete(self)).toBe(true);
  expect(call.receipt(self)).toMatchObject({ complete: true, counts: { done: 4 }, waiting: [] });
});

test("[T4] one that was away without a word is not asked when what it says on its return rules it out, and not waited for", () => {
  const call = open();
  call.setReceipt(a, said(done(a)), at(1));
  call.setReceipt(b, said(done(b)), at(1));
  expect(call.isComplete(self)).toBe(false);
  const back = neighbourOf("device-c", { session: 2 });
  const world = worldOf(500, [back], { mayHoldBelow: (_condition, child) => child !== lost });
  call.observe(world, back);
  expect(call.takeDue(world)).toEqual([]);
  expect(call.isComplete(self)).toBe(true);
  expect(call.receipt(self)).toMatchObject({ complete: true, counts: { done: 2 }, waiting: [] });
});

test("one that was asked stays asked, whatever it says of itself later", () => {
  const call = open();
  const world = worldOf(500, children, { mayHoldBelow: () => false });
  call.observe(world, neighbourOf("device-a", { session: 2 }));
  expect(call.takeDue(world)).toEqual([a]);
});

test("nobody is named as waiting here before the message is on disk", () => {
  const call = open();
  call.kept = "asked";
  expect(call.receipt(self).waiting.map(({ node }) => node)).toEqual([a, b]);
  call.setReceipt(a, said(done(a)), at(1));
  call.setReceipt(b, said(done(b)), at(1));
  expect(call.receipt(self)).toMatchObject({ complete: false, settled: false, waiting: [] });
});

test("what is silent is asked again after 2 s, 4 s, 8 s, and at once in a new session", () => {
  const call = open();
  const due = (ms: number) => call.takeDue(worldOf(ms, children));
  expect(due(2000)).toEqual([]);
  expect(due(2100)).toEqual([a, b]);
  call.setReceipt(a, said(ownReceipt({ node: a, status: "started" })), at(2200));
  expect(due(6099)).toEqual([]);
  expect(due(6100)).toEqual([b]);
  call.observe(worldOf(6200, children), neighbourOf("device-a", { session: 2 }));
  expect(due(6200)).toEqual([a]);
  expect(due(8199)).toEqual([]);
  expect(due(8200)).toEqual([a]);
  call.setReceipt(a, { ...said(ownReceipt({ node: a, status: "started" })), number: 2 }, at(8300));
  expect(due(14_100)).toEqual([b]);
});

test("what was heard and has not finished is asked again after a minute without a word, and then ever more seldom", () => {
  const call = open();
  const started = ownReceipt({ node: a, status: "started" });
  call.setReceipt(a, said(started), at(200));
  call.setReceipt(b, said(done(b)), at(200));
  const due = (ms: number) => call.takeDue(worldOf(ms, children));
  expect(due(60_199)).toEqual([]);
  expect(due(60_200)).toEqual([a]);
  expect(due(64_199)).toEqual([]);
  expect(due(64_200)).toEqual([a]);
  call.setReceipt(a, { ...said(started), number: 2 }, at(64_300));
  expect(due(304_299)).toEqual([]);
  expect(due(304_300)).toEqual([a]);
});

test("an outcome that is final stays, and a receipt after a complete one changes nothing", () => {
  const call = open({ node: self, status: "started" });
  expect(call.setOwn({ node: self, status: "failed", reason: "x" })).toBe(true);
  expect(call.setOwn({ node: self, status: "done", value: 1 })).toBe(false);
  expect(call.setReceipt(a, said(done(a)), at(1))).toBe(true);
  expect(call.setReceipt(a, said({ ...done(a), complete: false }), at(1))).toBe(false);
  expect(call.setReceipt(lost, said(done(lost)), at(1))).toBe(false);
  expect(call.receipt(self).counts).toMatchObject({ failed: 1, done: 1 });
  expect(open().setOwn({ node: self, status: "done", value: 1 })).toBe(false);
});

test("[T6] a child that moves away in mid-call is detached, and counts where it was adopted", () => {
  const call = open();
  call.setReceipt(a, said(done(a)), at(200));
  call.observe(worldOf(300, []), neighbourOf("device-a", { state: "lost", sinceMs: 300 }));
  expect(call.receipt(self)).toMatchObject({ counts: { done: 0 }, detached: [{ node: a, heardMs: 200 }] });
  const moved: Receipt = { ...done(a), adopted: [{ node: a, atMs: 250 }] };
  call.setReceipt(b, said({ ...moved, counts: { ...moved.counts, done: 2 }, omitted: 1 }), at(400));
  expect(call.receipt(self)).toMatchObject({ counts: { done: 2 }, detached: [] });
});

test("[T6] a child that begins anew with its answer counts for what it had said, until it is through", () => {
  const fog = parseNodeName("fog-2");
  const many = (count: number, complete: boolean): Receipt => {
    const results = Array.from({ length: count }, (_, index) => ({
      node: parseNodeName(`h-${index}`),
      status: "done" as const,
    }));
    const waiting = complete ? [] : [{ node: parseNodeName("h-4"), sinceMs: 1, at: fog }];
    const counts = { ...done(fog).counts, done: count };
    return { ...done(fog), counts, results, waiting, complete, settled: complete };
  };
  const world = worldOf(100, [neighbourOf("fog-2")]);
  const call = new OpenMessage(envelopeOf(), caller, undefined, world);
  call.observe(world, neighbourOf("fog-2"));
  call.takeDue(world);
  call.setReceipt(fog, { ...said(many(5, true)), number: 1 }, at(200));
  expect(call.isComplete(self)).toBe(true);
  // Somebody has come below it, and it has forgotten the call meanwhile.
  call.observe(worldOf(20_000, []), neighbourOf("fog-2", { below: 1 }));
  expect(call.takeDue(worldOf(20_000, []))).toEqual([fog]);
  call.setReceipt(fog, { ...said(many(2, false)), look: 1, number: 2 }, at(20_100));
  expect(call.isComplete(self)).toBe(false);
  expect(call.receipt(self)).toMatchObject({ counts: { done: 5 }, waiting: [], complete: false });
  call.setReceipt(fog, { ...said(many(6, true)), look: 1, number: 3 }, at(20_200));
  expect(call.receipt(self)).toMatchObject({ counts: { done: 6 }, complete: true });
});

test("a child that has moved and answered elsewhere is not waited for", () => {
  const call = open();
  call.setReceipt(b, said({ ...done(b), complete: true }), at(1));
  call.setReceipt(a, said({ ...done(lost), complete: true }), at(1));
  expect(call.receipt(self).waiting).toEqual([]);
});

test("more children than a receipt may name: the receipt stays within its bounds on the wire", () => {
  const many = Array.from({ length: limits.callResults + 50 }, (_, index) => neighbourOf(`n${index}`));
  const world = worldOf(1, many);
  const message = new OpenMessage(envelopeOf(), caller, undefined, world);
  for (const child of many) message.observe(world, child);
  const frame = { id: messageId, phase: phases.begin, number: 7, look: 0, receipt: message.receipt(self) };
  expect(decodeReceipt(encodeReceipt(frame))).toMatchObject({ frame: { receipt: { complete: false } } });
});

test("[T6] whatever is reported in whatever order, the counts sum to the results", () => {
  const report = fc.tuple(fc.constantFrom(a, b), fc.constantFrom(...callStatuses));
  fc.assert(
    fc.property(fc.array(report, { maxLength: 12 }), (reports) => {
      const call = open({ node: self, status: "started" });
      for (const [child, status] of reports) call.setReceipt(child, said(ownReceipt({ node: child, status })), at(1));
      const { counts, results } = call.receipt(self);
      expect(matchedOf(counts)).toBe(results.length);
      expect(new Set(results.map(({ node }) => node)).size).toBe(results.length);
    }),
  );
});
