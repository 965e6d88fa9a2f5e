import { expect, test } from "vitest";
import { cpuMs, memoryMib, parseCpuMs, parseMemoryMib, startCpuMeter } from "../../../scripts/bench/process-usage.ts";

test("processor time is user and system time, even of a process with a strange name", () => {
  const stat = "42 (a ) b (c) S 1 42 42 0 -1 4194560 900 0 0 0 123 45 7 8 20 0 11 0 1000 1 2 3";
  expect(parseCpuMs(stat)).toBe(1680);
});

test("resident and anonymous memory are in MiB", () => {
  const rollup = "Rss:               98304 kB\nPss:               90000 kB\nAnonymous:         30720 kB\n";
  expect(parseMemoryMib(rollup)).toEqual({ resident: 96, anonymous: 30 });
  expect(parseMemoryMib("").resident).toBeNaN();
});

test("this process can be measured", () => {
  const meter = startCpuMeter([process.pid]);
  expect(cpuMs(process.pid)).toBeGreaterThan(0);
  expect(memoryMib(process.pid).resident).toBeGreaterThan(10);
  expect(meter()).toHaveLength(1);
});
