import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import { OpenCall } from "#shared/machine/call.ts";
import {
  callStatuses,
  encodeReceipt,
  decodeReceipt,
  matchedOf,
  ownReceipt,
  type NodeResult,
  type Receipt,
} from "#shared/machine/receipt.ts";
import { limits } from "#shared/limits.ts";

const self = parseNodeName("fog-1");
const a = parseNodeName("device-a");
const b = parseNodeName("device-b");
const lost = parseNodeName("device-c");

function open(own?: NodeResult): OpenCall {
  return new OpenCall(own, [a, b], [{ node: lost, sinceMs: 5 }], 100);
}

const done = (node: NodeResult["node"]): Receipt => ownReceipt({ node, status: "done", value: 1 });

test("a call is complete when its own outcome and every child it was sent to are final", () => {
  const call = open({ node: self, status: "queued" });
  expect(call.receipt()).toMatchObject({
    complete: false,
    counts: { queued: 1 },
    waiting: [{ node: lost }, { node: a, sinceMs: 100 }, { node: b }],
  });
  call.setReceipt(a, done(a));
  call.setReceipt(b, done(b));
  expect(call.isComplete).toBe(false);
  call.setOwn({ node: self, status: "done", value: 7 });
  expect(call.receipt()).toMatchObject({ complete: true, counts: { done: 3 }, waiting: [{ node: lost }] });
});

test("an outcome that is final stays, and a receipt after a complete one changes nothing", () => {
  const call = open({ node: self, status: "started" });
  expect(call.setOwn({ node: self, status: "failed", reason: "x" })).toBe(true);
  expect(call.setOwn({ node: self, status: "done", value: 1 })).toBe(false);
  expect(call.setReceipt(a, done(a))).toBe(true);
  expect(call.setReceipt(a, { ...done(a), complete: false })).toBe(false);
  expect(call.setReceipt(lost, done(lost))).toBe(false);
  expect(call.receipt().counts).toMatchObject({ failed: 1, done: 1 });
  expect(open().setOwn({ node: self, status: "done", value: 1 })).toBe(false);
});

test("a child that has moved and answered elsewhere is not waited for", () => {
  const call = open();
  call.setReceipt(a, { ...done(lost), complete: true });
  expect(call.receipt().waiting.map(({ node }) => node)).toEqual([b]);
});

test("more children than a receipt may name: the receipt stays within its bounds on the wire", () => {
  const children = Array.from({ length: limits.callResults + 50 }, (_, index) => parseNodeName(`n${index}`));
  const receipt = new OpenCall(
    undefined,
    children,
    children.map((node) => ({ node, sinceMs: 1 })),
    1,
  ).receipt();
  const id = "0".repeat(32);
  expect(decodeReceipt(encodeReceipt(id, receipt))).toMatchObject({ frame: { receipt: { complete: false } } });
});

test("[T6] whatever is reported in whatever order, the counts sum to the results", () => {
  const report = fc.tuple(fc.constantFrom(a, b), fc.constantFrom(...callStatuses));
  fc.assert(
    fc.property(fc.array(report, { maxLength: 12 }), (reports) => {
      const call = open({ node: self, status: "started" });
      for (const [child, status] of reports) call.setReceipt(child, ownReceipt({ node: child, status }));
      const { counts, results } = call.receipt();
      expect(matchedOf(counts)).toBe(results.length);
      expect(new Set(results.map(({ node }) => node)).size).toBe(results.length);
    }),
  );
});
