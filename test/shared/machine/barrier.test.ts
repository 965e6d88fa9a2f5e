import { expect, test } from "vitest";
import { barrierDecision } from "#shared/machine/barrier.ts";
import { noCounts } from "#shared/machine/receipt.ts";
import { limits } from "#shared/limits.ts";

const nowMs = 1_000_000;
const halfMs = 5_000;

function decide(minNodes: number, ready: number, monotonicMs: number, startAtMs?: number) {
  const receipt = { counts: { ...noCounts, queued: ready, refused: 9, cancelled: 9 } };
  return barrierDecision({ minNodes, startAtMs }, receipt, { nowMs, monotonicMs }, halfMs);
}

test("as soon as enough are ready there is a common start, far enough ahead for everybody to hear of it", () => {
  const startAtMs = nowMs + limits.barrierStartMs;
  expect(limits.barrierStartMs).toBeGreaterThan(0);
  expect([decide(3, 3, 0), decide(3, 4, 0), decide(1, 1, halfMs)]).toEqual([
    { startAtMs },
    { startAtMs },
    { startAtMs },
  ]);
});

test("a start that the caller named is kept, unless it comes too early for everybody to hear of it", () => {
  expect(decide(1, 1, 0, nowMs + 60_000)).toEqual({ startAtMs: nowMs + 60_000 });
  expect(decide(1, 1, 0, nowMs - 60_000)).toEqual({ startAtMs: nowMs + limits.barrierStartMs });
  expect(decide(1, 1, 0, nowMs + limits.barrierStartMs - 1)).toEqual({ startAtMs: nowMs + limits.barrierStartMs });
});

test("too few are waited for until half of the call's life is over, and then it is called off with the reason", () => {
  expect(decide(3, 2, halfMs - 1)).toBeUndefined();
  expect(decide(3, 2, halfMs)).toEqual({ cancelled: "2 nodes were ready, and the call wants 3" });
  expect(decide(3, 0, halfMs + 60_000)).toEqual({ cancelled: "0 nodes were ready, and the call wants 3" });
  // Half of its life is over, and enough are ready at that look.
  expect(decide(3, 3, halfMs + 60_000)).toEqual({ startAtMs: nowMs + limits.barrierStartMs });
});
