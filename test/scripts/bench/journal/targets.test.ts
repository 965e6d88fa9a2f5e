import { expect, test } from "vitest";
import type { Figures } from "../../../../scripts/bench/benchmark.ts";
import { judge } from "../../../../scripts/bench/journal/targets.ts";
import type { BenchResult } from "../../../../scripts/bench/rounds.ts";

function resultOf(name: string, runsByRow: Readonly<Record<string, readonly Figures[]>>): BenchResult {
  const rows = Object.entries(runsByRow).map(([row, runs]) => ({ name: row, runs, figures: runs[0] ?? {} }));
  return { benchmark: { name, title: name, columns: [], cases: [] }, rows };
}

const clean = { lost: 0, duplicates: 0, overtaken: 0 };

function verdictsOf(results: readonly BenchResult[]): Readonly<Record<string, string>> {
  return Object.fromEntries(judge(results).map(({ name, verdict }) => [name, verdict]));
}

test("catching up is compared with NATS of the same round", () => {
  const results = [
    resultOf("forward", {
      "parent dead · NATS": [{ rate: 100 }, { rate: 300 }, {}],
      "parent dead · Fogbank, one hop": [
        { ...clean, rate: 120 },
        { ...clean, rate: 270 },
        { ...clean, rate: 9 },
      ],
      "parent dead · Fogbank, two hops, top dead": [
        { ...clean, rate: 40 },
        { ...clean, rate: 120 },
      ],
    }),
  ];
  const targets = judge(results);
  expect(targets.find(({ name }) => name.includes("one hop, first→last"))).toMatchObject({
    figure: 1.05,
    verdict: "reached",
  });
  expect(targets.find(({ name }) => name.includes("top dead"))).toMatchObject({ figure: 0.4, verdict: "missed" });
});

test("one message lost in one run of one row is a target missed", () => {
  const verdicts = verdictsOf([
    resultOf("forward", {
      "parent dead · Fogbank, one hop": [clean, clean],
      "parent dead, child killed -9 half-way · Fogbank, one hop": [clean, { ...clean, lost: 1 }],
    }),
  ]);
  expect(verdicts["lost, in any run"]).toBe("missed");
  expect(verdicts["there twice, in any run"]).toBe("reached");
});

test("what other systems lose is not ours", () => {
  const verdicts = verdictsOf([
    resultOf("forward", {
      "parent dead · Mosquitto, as shipped": [{ ...clean, lost: 99_000 }],
      "parent dead · Fogbank, one hop": [clean],
    }),
  ]);
  expect(verdicts["lost, in any run"]).toBe("reached");
});

test("a run that failed is not a run without losses", () => {
  const verdicts = verdictsOf([resultOf("forward", { "parent dead · Fogbank, one hop": [clean, {}] })]);
  expect(verdicts["lost, in any run"]).toBe("not measured");
});

test("only benchmarks that ran have targets, and a case that is not supported has not reached its one", () => {
  expect(verdictsOf([resultOf("live", { "device → cloud": [{}] })])).toEqual({
    "P0 during a drain, readable, p99 ms": "not measured",
  });
});
