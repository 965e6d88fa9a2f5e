import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { withUse, type Use } from "#shared/statistics/uses.ts";

test("[U5] [U-T14] the list holds the latest uses in order of time, in whatever order they are told", () => {
  const times = fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: limits.statisticsUses * 2 });
  fc.assert(
    fc.property(times, (told) => {
      const all = told.map((timestamp, at): Use => ({ timestamp, command: `c${at}` }));
      let uses: readonly Use[] = [];
      for (const use of all) uses = withUse(uses, use);
      const latest = all.toSorted((a, b) => a.timestamp - b.timestamp).slice(-limits.statisticsUses);
      expect(uses.map(({ timestamp }) => timestamp)).toEqual(latest.map(({ timestamp }) => timestamp));
    }),
  );
});

test("[U5] of one second, the use that was told first goes first", () => {
  let uses: readonly Use[] = [];
  for (let at = 0; at <= limits.statisticsUses; at++) uses = withUse(uses, { timestamp: 7, command: `c${at}` });
  expect(uses[0]).toEqual({ timestamp: 7, command: "c1" });
  expect(uses.at(-1)).toEqual({ timestamp: 7, command: `c${limits.statisticsUses}` });
  expect(withUse(uses, { timestamp: 6, command: "old" })).toEqual(uses);
});
