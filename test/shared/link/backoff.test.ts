import fc from "fast-check";
import { expect, test } from "vitest";
import { nextWaitMs } from "#shared/link/backoff.ts";
import { limits } from "#shared/limits.ts";

test("waits stay between the least and the cap of their phase, whatever chance says", () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 120_000 }),
      fc.nat({ max: 300_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (previousMs, outageMs, jitter) => {
        const waitMs = nextWaitMs(previousMs, outageMs, jitter);
        expect(waitMs).toBeGreaterThanOrEqual(limits.backoffMsMin);
        expect(waitMs).toBeLessThanOrEqual(
          outageMs < limits.backoffEarlyMs ? limits.backoffMsMaxEarly : limits.backoffMsMaxLate,
        );
      },
    ),
  );
});

test("in a long outage the wait grows to its cap, in the first minute it stays short", () => {
  let early = 0;
  let late = 0;
  for (let round = 0; round < 12; round++) {
    early = nextWaitMs(early, 0, 0.9);
    late = nextWaitMs(late, limits.backoffEarlyMs, 0.9);
  }
  expect([early, late]).toEqual([limits.backoffMsMaxEarly, limits.backoffMsMaxLate]);
});
