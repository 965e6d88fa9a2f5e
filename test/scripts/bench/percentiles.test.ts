import fc from "fast-check";
import { expect, test } from "vitest";
import { median, percentile, Samples } from "../../../scripts/bench/percentiles.ts";

test("a percentile is the smallest value that the share does not exceed", () => {
  const values = Array.from({ length: 200 }, (_, i) => i + 1);
  expect(percentile(values, 0.5)).toBe(100);
  expect(percentile(values, 0.99)).toBe(198);
  expect(percentile(values, 1)).toBe(200);
  expect(percentile(values, 0)).toBe(1);
  expect(percentile([1, 2, 3], 0.5)).toBe(2);
  expect(percentile([7], 0.99)).toBe(7);
  expect(percentile([], 0.5)).toBeNaN();
});

test("a median is in the middle, whatever the order", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([5])).toBe(5);
  expect(median([])).toBeNaN();
});

test("samples answer what sorting all of them would", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 3000 }), (values) => {
      const samples = new Samples();
      for (const value of values) samples.add(value);
      const sorted = values.toSorted((a, b) => a - b);
      expect(samples.count).toBe(values.length);
      expect(samples.latency()).toEqual({
        p50: percentile(sorted, 0.5),
        p90: percentile(sorted, 0.9),
        p99: percentile(sorted, 0.99),
      });
    }),
    { numRuns: 50 },
  );
});
