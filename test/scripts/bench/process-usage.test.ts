import { expect, test } from "vitest";
import {
  cpuMs,
  memoryMib,
  parseCpuMs,
  parseMemoryMib,
  parseBusyMs,
  parsePeakMib,
  startCpuMeter,
} from "../../../scripts/bench/process-usage.ts";

test("processor time is user and system time, even of a process with a strange name", () => {
  const stat = "42 (a ) b (c) S 1 42 42 0 -1 4194560 900 0 0 0 123 45 7 8 20 0 11 0 1000 1 2 3";
  expect(parseCpuMs(stat)).toBe(1680);
});

test("resident, proportional and anonymous memory are in MiB", () => {
  const rollup = "Rss:               98304 kB\nPss:               92160 kB\nAnonymous:         30720 kB\n";
  expect(parseMemoryMib(rollup)).toEqual({ resident: 96, proportional: 90, anonymous: 30 });
  expect(parseMemoryMib("").resident).toBeNaN();
});

test("this process can be measured", () => {
  const meter = startCpuMeter([process.pid]);
  expect(cpuMs(process.pid)).toBeGreaterThan(0);
  expect(memoryMib(process.pid).resident).toBeGreaterThan(10);
  expect(meter()).toHaveLength(1);
});

test("the peak of the resident memory is found in the status", () => {
  expect(parsePeakMib("Name:\tnode\nVmPeak:\t 9999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t  1024 kB\n")).toBe(2);
  expect(parsePeakMib("Name:\tnode\n")).toBeNaN();
});

test("the machine is busy with everything but waiting", () => {
  const stat = "cpu  100 20 30 9000 400 5 6 7 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
  expect(parseBusyMs(stat)).toBe(1680);
});
