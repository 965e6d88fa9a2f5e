import { expect, test } from "vitest";
import { alignNames, compare } from "../../../../scripts/bench/broker/comparison.ts";

const benchmark = { name: "x", title: "x", columns: [], cases: [] };

function resultOf(runsByName: Readonly<Record<string, readonly Readonly<Record<string, number>>[]>>) {
  const rows = Object.entries(runsByName).map(([name, runs]) => ({ name, runs, figures: runs[0] ?? {} }));
  return [{ benchmark, rows }];
}

test("a ratio is the median over the rounds, each with Mosquitto of the same round", () => {
  const [result] = compare(
    resultOf({
      "load · fogbank": [{ rate: 20 }, { rate: 90 }, {}],
      "load · mosquitto": [{ rate: 10 }, { rate: 30 }, { rate: 50 }],
      "other · fogbank": [{ rate: 1 }],
    }),
  );
  expect(result?.rows.map(({ figures }) => figures["ratio"])).toEqual([2.5, 1, Number.NaN]);
});

test("a figure at which the generator had no rest is marked", () => {
  const [result] = compare(
    resultOf({ "a · aedes": [{ rate: 1, generatorCpu: 91 }], "b · aedes": [{ generatorCpu: 90 }] }),
  );
  expect(result?.rows.map(({ note }) => note)).toEqual([expect.stringContaining("generator above 90 %"), undefined]);
});

test("loads and brokers stand under each other", () => {
  const [result] = alignNames(resultOf({ "a · aedes": [], "longer · fogbank": [] }));
  expect(result?.rows.map(({ name }) => name)).toEqual(["a       aedes", "longer  fogbank"]);
});
