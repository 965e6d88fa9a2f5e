import { expect, test } from "vitest";
import { gap, held, openRoot } from "./root-scene.ts";

test("the totals have every row, and the time of what has waited longest; losses are summed by reason", () => {
  const { reads, writes, ingest } = openRoot();
  expect(reads.totals({})).toEqual({ rows: [], oldestPendingMs: undefined });
  ingest(gap(1, 5, [1, 1], "evicted"), gap(6, 6, [1, 1], "evicted"), gap(7, 7, [1, 1], "corrupt"));
  expect(reads.totals({}).oldestPendingMs).toBeUndefined();
  ingest(held(8, [500, 510]), held(10, [490]));
  expect(reads.totals({})).toMatchObject({ rows: [{ stream: "data", held: 3, lost: 7 }, {}], oldestPendingMs: 500 });
  writes.forget({ acked: [{ origin: "device-1", epoch: 9, streamId: 1, ranges: [[1, 9]] }] });
  expect(reads.totals({}).oldestPendingMs).toBe(490);
  expect(reads.losses({})).toEqual([
    { origin: "device-1", stream: "data", reason: "evicted", messages: 6 },
    { origin: "device-1", stream: "data", reason: "corrupt", messages: 1 },
  ]);
});
