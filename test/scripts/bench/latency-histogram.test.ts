import fc from "fast-check";
import { expect, test } from "vitest";
import { LatencyHistogram } from "../../../scripts/bench/latency-histogram.ts";
import { percentile } from "../../../scripts/bench/percentiles.ts";

test("percentiles are those of the values, within one step", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { minLength: 1 }), (micros) => {
      const histogram = new LatencyHistogram();
      for (const value of micros) histogram.add(value / 1000);
      const sorted = micros.toSorted((a, b) => a - b);
      const { p50, p90, p99 } = histogram.latency();
      for (const [found, share] of [
        [p50, 0.5],
        [p90, 0.9],
        [p99, 0.99],
      ] as const) {
        const exact = percentile(sorted, share);
        expect(Math.abs(1000 * found - exact)).toBeLessThanOrEqual(exact / 64 + 1e-6);
      }
      expect(histogram.count).toBe(micros.length);
    }),
  );
});

test("nothing has no percentiles, and a value beyond all steps counts as the largest", () => {
  expect(new LatencyHistogram().latency().p50).toBeNaN();
  const histogram = new LatencyHistogram();
  histogram.add(1e12);
  histogram.add(-1);
  expect(histogram.latency().p50).toBe(0);
  expect(histogram.latency().p99).toBeGreaterThan(2_000_000);
});
