import { expect, test } from "vitest";
import { judgeRuntime, type RuntimeFacts } from "#agent/doctor/runtime.ts";
import { availableBytesIn, pageBytesIn } from "#agent/doctor/runtime-facts.ts";

const mib = 1024 * 1024;
const good: RuntimeFacts = {
  runtime: "Node 24.21.0",
  nodeMajor: 24,
  platform: "linux",
  arch: "arm64",
  glibc: "2.36",
  memoryBytes: 4096 * mib,
  availableBytes: 3000 * mib,
  cores: 4,
  pageBytes: 4096,
  isNodeRunning: false,
};

const levels = (facts: Partial<RuntimeFacts>) =>
  judgeRuntime({ ...good, ...facts }).map(({ check, level }) => `${check} ${level}`);

test("a fit machine is one line with its figures", () => {
  expect(judgeRuntime(good)).toEqual([
    {
      check: "runtime",
      level: "ok",
      what: "Node 24.21.0, linux arm64, glibc 2.36, 4 cores, 4.0 GiB, pages of 4.0 KiB",
    },
  ]);
  expect(levels({ glibc: undefined, pageBytes: undefined, availableBytes: undefined })).toEqual(["runtime ok"]);
});

test("a runtime or a C library that is too old keeps a node from running", () => {
  expect(levels({ nodeMajor: 20 })).toEqual(["runtime problem"]);
  expect(levels({ glibc: "2.27" })).toEqual(["runtime problem"]);
  expect(levels({ glibc: "3.0" })).toEqual(["runtime ok"]);
  expect(levels({ glibc: "none" })).toEqual(["runtime warning"]);
});

test("what nobody has tried is said: 32 bits, other systems", () => {
  expect(levels({ arch: "arm" })).toEqual(["runtime warning"]);
  expect(levels({ platform: "freebsd", glibc: "none" })).toEqual(["runtime warning"]);
});

test("large pages are advice, with the remedy for the board that has them", () => {
  const [finding] = judgeRuntime({ ...good, pageBytes: 16_384 });
  expect(finding).toMatchObject({ level: "advice", todo: expect.stringContaining("kernel8.img") as string });
});

test("little memory is a warning, less a problem; what a running node has taken is not held against it", () => {
  expect(levels({ memoryBytes: 256 * mib })).toEqual(["memory warning"]);
  expect(levels({ memoryBytes: 128 * mib })).toEqual(["memory problem"]);
  expect(levels({ availableBytes: 100 * mib })).toEqual(["memory warning"]);
  expect(levels({ availableBytes: 100 * mib, isNodeRunning: true })).toEqual(["runtime ok"]);
});

test("the page size is read from the auxiliary vector, the available memory from meminfo", () => {
  const words = new BigUint64Array([33n, 1n, 6n, 16_384n, 0n, 0n]);
  expect(pageBytesIn(new Uint8Array(words.buffer))).toBe(16_384);
  expect(pageBytesIn(new Uint8Array(16))).toBeUndefined();
  expect(availableBytesIn("MemTotal:  100 kB\nMemAvailable:    50 kB\n")).toBe(51_200);
  expect(availableBytesIn(undefined)).toBeUndefined();
});
