import { expect, test } from "vitest";
import type { BenchResult } from "../../../../scripts/bench/rounds.ts";
import { judgeCalls } from "../../../../scripts/bench/calls/targets.ts";

type Runs = readonly Readonly<Record<string, number>>[];

function result(name: string, rows: Readonly<Record<string, Runs>>): BenchResult {
  return {
    benchmark: { name, title: name, columns: [], cases: [] },
    rows: Object.entries(rows).map(([row, runs]) => ({ name: row, runs, figures: runs[0] ?? {} })),
  };
}

test("figures are compared with their bounds, and rounds with the same round by hand", () => {
  const judged = judgeCalls([
    result("command", {
      "Fogbank, a function of the device": [
        { p50: 2, p99: 60 },
        { p50: 4, p99: 60 },
      ],
      "Mosquitto, two brokers": [{ p50: 1 }, { p50: 8 }],
    }),
    result("wide", {
      "10,000 devices, all": [{ completeMs: 2_800, cloudFrames: 80, frames: 20_060 }],
      "10,000 devices, one zone": [{ frames: 440 }],
    }),
    result("queued", { "1,000 calls": [{ done: 1_000, ran: 1_001, unanswered: 0 }] }),
  ]);
  expect(judged.map(({ figure, verdict }) => [figure, verdict])).toEqual([
    [2, "reached"],
    [60, "missed"],
    [1.25, "reached"],
    [2_800, "reached"],
    [0.25, "reached"],
    [440 / 20_060, "reached"],
    [0, "reached"],
    [1.001, "missed"],
  ]);
});

test("what did not run is not judged", () => {
  expect(judgeCalls([])).toEqual([]);
});
