// When one neighbour is asked again.
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { LinkState } from "#shared/machine/link-state.ts";
import { fewResults } from "#shared/machine/merge-receipts.ts";
import { emptyReceipt } from "#shared/machine/receipt.ts";
import { neighbourOf } from "../../fakes/machine-scene.ts";

test("one that is asked for the sake of those who have come is asked soon again, also the tenth time", () => {
  const link = new LinkState(neighbourOf("fog-1"), 0);
  let ms = 0;
  for (let look = 0; look < 10; look++) {
    if (look > 0) link.outdate(look);
    ms += 100_000;
    link.asked(1, ms, ms);
    const frame = { number: look, receipt: emptyReceipt, phase: 1 as const, look };
    if (look < 9) link.heard(frame, { nowMs: ms + 1, monotonicMs: ms + 1 }, fewResults);
  }
  expect(link.dueAgainMs(1) - ms).toBe(limits.lookAgainMsMax);
});
