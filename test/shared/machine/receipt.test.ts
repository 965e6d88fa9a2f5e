import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import {
  callStatuses,
  decodeReceipt,
  encodeReceipt,
  matchedOf,
  mergeReceipts,
  ownReceipt,
  type Counts,
  type NodeResult,
  type Receipt,
} from "#shared/machine/receipt.ts";
import { limits } from "#shared/limits.ts";

const id = "00112233445566778899aabbccddeeff";
const node = fc.integer({ min: 1, max: 50 }).map((number) => parseNodeName(`device-${number}`));
const result: fc.Arbitrary<NodeResult> = fc
  .record({ node, status: fc.constantFrom(...callStatuses), text: fc.string({ maxLength: 20 }) })
  .map(({ text, ...rest }) => (rest.status === "done" ? { ...rest, value: text } : { ...rest, reason: text }));
const receipt: fc.Arbitrary<Receipt> = fc.record({
  counts: fc
    .record(Object.fromEntries(callStatuses.map((status) => [status, fc.nat({ max: 1000 })])))
    .map((counts) => counts as Counts),
  results: fc.array(result, { maxLength: 8 }),
  omitted: fc.nat(),
  waiting: fc.array(fc.record({ node, sinceMs: fc.nat() }), { maxLength: 4 }),
  complete: fc.boolean(),
});

test("a receipt survives the wire", () => {
  fc.assert(
    fc.property(receipt, (sent) => {
      expect(decodeReceipt(encodeReceipt(id, sent))).toEqual({ frame: { id, receipt: sent } });
    }),
  );
});

test("[T6] merging sums every count, in any order, and is complete when all are", () => {
  fc.assert(
    fc.property(fc.array(receipt, { maxLength: 6 }), (receipts) => {
      const merged = mergeReceipts(receipts);
      expect(matchedOf(merged.counts)).toBe(receipts.reduce((sum, { counts }) => sum + matchedOf(counts), 0));
      expect(merged.complete).toBe(receipts.every(({ complete }) => complete));
      expect(mergeReceipts(receipts.toReversed()).counts).toEqual(merged.counts);
      expect(merged.results).toHaveLength(receipts.flatMap(({ results }) => results).length);
    }),
  );
});

test("results are bounded, counts are not", () => {
  const many = Array.from({ length: limits.callResults + 5 }, (_, index) =>
    ownReceipt({ node: parseNodeName(`n${index}`), status: "done", value: index }),
  );
  const merged = mergeReceipts(many);
  expect([merged.results.length, merged.omitted, merged.counts.done]).toEqual([
    limits.callResults,
    5,
    limits.callResults + 5,
  ]);
});

test("large results are left out before a receipt outgrows a packet", () => {
  const large = Array.from({ length: 80 }, (_, index) =>
    ownReceipt({ node: parseNodeName(`n${index}`), status: "done", value: "x".repeat(16_000) }),
  );
  const merged = mergeReceipts(large);
  expect(merged.counts.done).toBe(80);
  expect(merged.results.length + merged.omitted).toBe(80);
  expect(merged.results.length).toBeGreaterThan(2);
  expect(encodeReceipt(id, merged).length).toBeLessThan(limits.packetBytes / 2);
});

test("random bytes are malformed, never a throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const decoded = decodeReceipt(bytes);
      expect("frame" in decoded || decoded.malformed !== "").toBe(true);
    }),
  );
});
