// What a neighbour has told stays told.
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import { withTold } from "#shared/machine/keep-told.ts";
import { fewResults } from "#shared/machine/merge-receipts.ts";
import { emptyReceipt, type CallStatus, type Receipt } from "#shared/machine/receipt.ts";

function receiptOf(statuses: Readonly<Record<string, CallStatus>>, given: Partial<Receipt> = {}): Receipt {
  const counts = { ...emptyReceipt.counts };
  const results = Object.entries(statuses).map(([name, status]) => ({ node: parseNodeName(name), status }));
  for (const { status } of results) counts[status]++;
  return { ...emptyReceipt, counts, results, ...given };
}

function shown({ results }: Receipt): readonly string[] {
  return results.map(({ node, status }) => `${node} ${status}`).toSorted();
}

const told = receiptOf({ "fog-1": "done", "device-1": "done", "device-2": "failed" });

test("[T6] outcomes that a neighbour does not know of any more stand beside those it says now", () => {
  const now = withTold(receiptOf({ "fog-1": "done", "device-3": "done" }), told, fewResults);
  expect(shown(now)).toEqual(["device-1 done", "device-2 failed", "device-3 done", "fog-1 done"]);
  expect(now.counts).toMatchObject({ done: 3, failed: 1 });
});

test("[T6] whoever has answered is not waited for again, and what it said first counts", () => {
  const device = parseNodeName("device-1");
  const waiting = [{ node: device, sinceMs: 1, at: parseNodeName("fog-1") }];
  const now = withTold(
    receiptOf({ "fog-1": "started", "device-2": "done" }, { waiting, complete: false, settled: false }),
    told,
    fewResults,
  );
  expect(shown(now)).toEqual(["device-1 done", "device-2 failed", "fog-1 done"]);
  expect(now).toMatchObject({ counts: { started: 0, done: 2, failed: 1 }, waiting: [], complete: false });
});

test("[T6] what is not over, and what the neighbour has seen go, is left to what it says now", () => {
  const gone = { node: parseNodeName("device-1"), heardMs: 3, receipt: receiptOf({ "device-1": "done" }) };
  const before = receiptOf({ "device-1": "done", "device-2": "queued" });
  const now = withTold(receiptOf({ "fog-1": "done" }, { detached: [gone] }), before, fewResults);
  expect(shown(now)).toEqual(["fog-1 done"]);
  expect(now.detached).toEqual([gone]);
});

test("[T6] without all names the fuller receipt counts", () => {
  const large = receiptOf({ "device-1": "done" }, { omitted: 5, counts: { ...emptyReceipt.counts, done: 6 } });
  const small = receiptOf({ "device-2": "done" }, { complete: false });
  expect(withTold(small, large, fewResults)).toMatchObject({ counts: { done: 6 }, complete: false });
  expect(withTold(large, small, fewResults)).toEqual(large);
});
