import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import { closedCall, openCall, receiptOf, withOwn, withReceipt, type CallState } from "#shared/machine/call.ts";
import { callStatuses, matchedOf, ownReceipt, type NodeResult, type Receipt } from "#shared/machine/receipt.ts";

const [self, a, b, lost] = ["fog-1", "device-a", "device-b", "device-c"].map(parseNodeName) as [
  never,
  never,
  never,
  never,
];

function open(own?: NodeResult): CallState {
  return openCall({ id: "0".repeat(32), deadlineMs: 1000, own, unreached: [{ node: lost, sinceMs: 5 }] }, [a, b], 100);
}

const done = (node: NodeResult["node"]): Receipt => ownReceipt({ node, status: "done", value: 1 });

test("a call is complete when its own outcome and every child it was sent to are final", () => {
  let call = open({ node: self, status: "queued" });
  expect(receiptOf(call)).toMatchObject({
    complete: false,
    counts: { queued: 1 },
    waiting: [{ node: lost }, { node: a, sinceMs: 100 }, { node: b }],
  });
  call = withReceipt(withReceipt(call, a, done(a)), b, done(b));
  expect(receiptOf(call).complete).toBe(false);
  call = withOwn(call, { node: self, status: "done", value: 7 });
  expect(receiptOf(call)).toMatchObject({ complete: true, counts: { done: 3 }, waiting: [{ node: lost }] });
});

test("an outcome that is final stays, and a receipt after a complete one changes nothing", () => {
  let call = withOwn(open({ node: self, status: "started" }), { node: self, status: "failed", reason: "x" });
  expect(withOwn(call, { node: self, status: "done", value: 1 })).toBe(call);
  call = withReceipt(call, a, done(a));
  expect(withReceipt(call, a, { ...done(a), complete: false })).toBe(call);
  expect(withReceipt(call, lost, done(lost))).toBe(call);
  expect(withOwn(open(), { node: self, status: "done", value: 1 }).own).toBeUndefined();
});

test("[T5] closed, it is complete and says who was not heard", () => {
  const receipt = closedCall(withReceipt(open(), a, done(a)));
  expect(receipt).toMatchObject({ complete: true, counts: { done: 1 } });
  expect(receipt.waiting.map(({ node }) => node)).toEqual([lost, b]);
});

test("[T6] whatever is reported in whatever order, the counts sum to the results", () => {
  const report = fc.tuple(fc.constantFrom(a, b), fc.constantFrom(...callStatuses));
  fc.assert(
    fc.property(fc.array(report, { maxLength: 12 }), (reports) => {
      let call = open({ node: self, status: "started" });
      for (const [child, status] of reports) call = withReceipt(call, child, ownReceipt({ node: child, status }));
      const { counts, results } = receiptOf(call);
      expect(matchedOf(counts)).toBe(results.length);
      expect(new Set(results.map(({ node }) => node)).size).toBe(results.length);
    }),
  );
});
