import { expect, test } from "vitest";
import { binaryTargets } from "../../../../scripts/bench/binary/targets.ts";
import { costs } from "../../../../scripts/bench/binary/costs.ts";

const benchmark = costs([], { starts: 1, idleMs: 0, messages: 0 });

test("the bounds of the binary are held against its size and the row of the device", () => {
  const figures = { cpuMedian: 140, idleRss: 95.1, idleAnonymous: 20, loadedRss: 100 };
  const rows = [
    { name: "Fogbank device", figures, runs: [figures] },
    { name: "Mosquitto", figures: { idleRss: 1 }, runs: [] },
  ];
  const targets = binaryTargets({ executableMb: 116, archiveMb: 27 }, [{ benchmark, rows }]);
  expect(targets.map(({ verdict }) => verdict)).toEqual([
    "missed",
    "reached",
    "reached",
    "missed",
    "reached",
    "reached",
  ]);
});

test("what was left out is not measured", () => {
  const targets = binaryTargets({ executableMb: 110, archiveMb: Number.NaN }, []);
  expect(targets.map(({ verdict }) => verdict)).toEqual([
    "reached",
    ...Array.from({ length: 5 }, () => "not measured"),
  ]);
});
