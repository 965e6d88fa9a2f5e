import { expect, test } from "vitest";
import type { BenchCase, BenchContext, Benchmark } from "../../../scripts/bench/benchmark.ts";
import { medianFigures, runRounds } from "../../../scripts/bench/rounds.ts";

const context: BenchContext = {
  folder: "",
  nodeDeps: {
    guard: { watch: () => undefined, forget: () => undefined, [Symbol.dispose]: () => undefined },
    pickPort: async () => 0,
    nodeArguments: () => [],
  },
  generator: {
    pid: 0,
    load: () => Promise.reject(new Error("not used")),
    trickle: () => Promise.reject(new Error("not used")),
    hold: () => Promise.reject(new Error("not used")),
    [Symbol.asyncDispose]: async () => undefined,
  },
  measureMs: 1,
  isQuick: true,
};

test("every other round runs backward, and the rows keep the order of the cases", async () => {
  const ran: string[] = [];
  const benchCase = (name: string): BenchCase => ({
    name,
    run: async () => {
      ran.push(name);
      return [{ name, figures: { at: ran.length } }];
    },
  });
  const bench = (name: string, ...cases: readonly string[]): Benchmark => ({
    name,
    title: name,
    columns: [],
    cases: cases.map(benchCase),
  });
  const results = await runRounds([bench("x", "a", "b"), bench("y", "c")], 2, context, () => undefined);
  expect(ran).toEqual(["a", "b", "c", "c", "b", "a"]);
  expect(results.map(({ rows }) => rows.map(({ name, figures }) => [name, figures["at"]]))).toEqual([
    [
      ["a", 3.5],
      ["b", 3.5],
    ],
    [["c", 3.5]],
  ]);
});

test("each figure has a median of its own", () => {
  const runs = [{ rate: 10, p99: 5 }, { rate: 30, p99: 1 }, { rate: 20 }];
  expect(medianFigures(runs)).toEqual({ rate: 20, p99: 3 });
});

test("what a run says of its figures stands with the row, once", async () => {
  const run = async () => [{ name: "a", figures: {}, note: "not supported" }];
  const bench: Benchmark = { name: "x", title: "x", columns: [], cases: [{ name: "a", run }] };
  const [result] = await runRounds([bench], 3, context, () => undefined);
  expect(result?.rows).toEqual([{ name: "a", figures: {}, runs: [{}, {}, {}], note: "not supported" }]);
});
