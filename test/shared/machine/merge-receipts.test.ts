import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import { mergeReceipts, withDetached } from "#shared/machine/merge-receipts.ts";
import { decodeReceipt, encodeReceipt } from "#shared/machine/receipt-wire.ts";
import {
  callStatuses,
  emptyReceipt,
  matchedOf,
  ownReceipt,
  type Counts,
  type NodeResult,
  type Receipt,
} from "#shared/machine/receipt.ts";
import { limits } from "#shared/limits.ts";

const id = "00112233445566778899aabbccddeeff";
const phase = 1;
const node = fc.integer({ min: 1, max: 50 }).map((number) => parseNodeName(`device-${number}`));
const result: fc.Arbitrary<NodeResult> = fc
  .record({ node, status: fc.constantFrom(...callStatuses), text: fc.string({ maxLength: 20 }) })
  .map(({ text, ...rest }) => (rest.status === "done" ? { ...rest, value: text } : { ...rest, reason: text }));
const simple = fc.record({
  counts: fc
    .record(Object.fromEntries(callStatuses.map((status) => [status, fc.nat({ max: 1000 })])))
    .map((counts) => counts as Counts),
  results: fc.array(result, { maxLength: 8 }),
  omitted: fc.nat(),
  waiting: fc.array(fc.record({ node, sinceMs: fc.nat(), at: node }), { maxLength: 4 }),
  unnamed: fc.constantFrom(0, 0, 7),
  adopted: fc.array(fc.record({ node, atMs: fc.nat() }), { maxLength: 2 }),
  detached: fc.constant([]),
  complete: fc.boolean(),
  settled: fc.boolean(),
});
const receipt: fc.Arbitrary<Receipt> = fc
  .tuple(simple, fc.array(fc.record({ node, heardMs: fc.nat(), receipt: simple }), { maxLength: 2 }))
  .map(([rest, detached]) => ({ ...rest, detached }));
/** Receipts of different nodes, nobody of whom has moved. */
const apart = fc.array(simple, { maxLength: 6 }).map((list) =>
  list.map((one, part) => {
    const results = [...new Map(one.results.map((entry) => [entry.node, entry])).values()];
    const renamed = results.map((entry) => ({ ...entry, node: parseNodeName(`${entry.node}-${part}`) }));
    return { ...one, results: renamed, waiting: [], unnamed: 0, adopted: [], settled: true };
  }),
);

function counted(status: NodeResult["status"], ...names: readonly string[]): Receipt {
  const results = names.map((name) => ({ node: parseNodeName(name), status }));
  return { ...emptyReceipt, results, counts: { ...emptyReceipt.counts, [status]: results.length } };
}

test("[T6] an outcome stands where the newer place of a node has nothing to say of it, and gives way where it has", () => {
  const moved = parseNodeName("device-1");
  const adopted = [{ node: moved, atMs: 5 }];
  const older = counted("done", "device-1", "device-2");
  const silent = mergeReceipts([older, { ...counted("done", "device-3"), adopted }]);
  expect(silent.counts.done).toBe(3);
  const telling = mergeReceipts([older, { ...counted("failed", "device-1"), adopted }]);
  expect(telling.results.map(({ node: name, status }) => `${name} ${status}`)).toEqual([
    "device-2 done",
    "device-1 failed",
  ]);
  const queued = mergeReceipts([counted("queued", "device-1"), { ...counted("done", "device-3"), adopted }]);
  expect(queued.counts).toMatchObject({ queued: 0, done: 1 });
});

test("a receipt survives the wire", () => {
  fc.assert(
    fc.property(receipt, (sent) => {
      expect(decodeReceipt(encodeReceipt({ id, phase, number: 7, look: 2, receipt: sent }))).toEqual({
        frame: { id, phase, number: 7, look: 2, receipt: sent },
      });
    }),
  );
});

test("[T6] merging sums every count, in any order, and is complete when all are", () => {
  fc.assert(
    fc.property(apart, (receipts) => {
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
  expect(encodeReceipt({ id, phase, number: 7, look: 2, receipt: merged }).length).toBeLessThan(limits.packetBytes / 2);
});

test("random bytes are malformed, never a throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const decoded = decodeReceipt(bytes);
      expect("frame" in decoded || decoded.malformed !== "").toBe(true);
    }),
  );
});

test("[T6] a node that two parents report is counted once: where it was adopted last", () => {
  const device = parseNodeName("device-1");
  const old = counted("started", "device-1", "device-2");
  const current: Receipt = { ...counted("done", "device-1"), adopted: [{ node: device, atMs: 5 }] };
  const newest: Receipt = { ...counted("failed", "device-1"), adopted: [{ node: device, atMs: 6 }] };
  for (const order of [
    [old, current, newest],
    [newest, current, old],
  ]) {
    const merged = mergeReceipts(order);
    expect(matchedOf(merged.counts)).toBe(2);
    expect(merged.counts).toMatchObject({ failed: 1, started: 1 });
    expect(merged.adopted).toEqual([{ node: device, atMs: 6 }]);
  }
});

test("[T6] one that was started anew elsewhere says nothing of it: its final outcome counts", () => {
  const merged = mergeReceipts([counted("started", "device-1"), counted("done", "device-1"), counted("done", "fog-1")]);
  expect(merged.counts).toMatchObject({ started: 0, done: 2 });
  expect(merged.results.map(({ node: name }) => name)).toEqual(["device-1", "fog-1"]);
});

test("[T6] what a parent lost counts until somebody has adopted it, and in the end where it was heard", () => {
  const fog = parseNodeName("fog-2");
  const last = { node: fog, heardMs: 3, receipt: counted("done", "fog-2", "device-3") };
  const lost = mergeReceipts([counted("done", "cloud-1")], [last]);
  expect(lost).toMatchObject({ counts: { done: 1 }, detached: [{ node: fog }] });
  expect(withDetached(lost)).toMatchObject({ counts: { done: 3 }, detached: [] });
  const adopted: Receipt = { ...counted("done", "fog-2", "device-3", "device-4"), adopted: [{ node: fog, atMs: 9 }] };
  const found = mergeReceipts([lost, adopted]);
  expect(found).toMatchObject({ counts: { done: 4 }, detached: [], complete: true });
  // Its child has gone on to a third one in the meantime.
  const third: Receipt = { ...counted("done", "device-3"), adopted: [{ node: parseNodeName("device-3"), atMs: 4 }] };
  expect(withDetached(mergeReceipts([lost, third])).counts.done).toBe(3);
});

test("a call is complete once those that were waited for have been heard elsewhere", () => {
  const device = parseNodeName("device-1");
  const waiting = [{ node: device, sinceMs: 1, at: parseNodeName("fog-1") }];
  const away: Receipt = { ...counted("done", "fog-1"), waiting, complete: false, settled: true };
  expect(mergeReceipts([away, counted("done", "fog-2")])).toMatchObject({ complete: false, settled: true, waiting });
  const here: Receipt = { ...counted("done", "fog-2"), adopted: [{ node: device, atMs: 2 }] };
  expect(mergeReceipts([away, here])).toMatchObject({ complete: true, waiting: [] });
});

test("those that are waited for beyond what a receipt can name keep a call open, and are counted", () => {
  const many = Array.from({ length: limits.callResults + 5 }, (_, index) => parseNodeName(`n${index}`));
  const waiting = many.map((name) => ({ node: name, sinceMs: 1, at: parseNodeName("fog-1") }));
  const away = mergeReceipts([{ ...counted("done", "fog-1"), complete: false, settled: true }], [], waiting);
  expect(away).toMatchObject({ unnamed: 5, complete: false });
  expect(away.waiting).toHaveLength(limits.callResults);
  // All that have a name have been heard elsewhere.
  const named = many.slice(0, limits.callResults);
  const here: Receipt = {
    ...counted("done", ...named),
    adopted: named.map((name) => ({ node: name, atMs: 2 })),
  };
  expect(mergeReceipts([away, here])).toMatchObject({ waiting: [], unnamed: 5, complete: false });
});

test("too many that have moved are counted as if they had not", () => {
  const detached = Array.from({ length: limits.callDetached + 5 }, (_, index) => ({
    node: parseNodeName(`n${index}`),
    heardMs: 1,
    receipt: counted("done", `n${index}`),
  }));
  const merged = mergeReceipts([], detached);
  expect(merged.detached.length + merged.counts.done).toBe(detached.length);
  expect(merged.detached.length).toBeLessThanOrEqual(limits.callDetached);
});
