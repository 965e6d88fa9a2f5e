import { expect, test } from "vitest";
import { groups } from "../../../../scripts/bench/broker/groups.ts";

test("every case has a name of its own in its group: results are gathered by it", () => {
  for (const { cases } of groups) {
    const names = cases.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  }
});

test("every group shows columns whose figures are told apart", () => {
  for (const { columns } of groups) {
    const keys = columns.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  }
});
