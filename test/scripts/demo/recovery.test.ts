import { expect, test } from "vitest";
import type { DeviceSample, NodeSample, TreeSample } from "../../../scripts/demo/observe.ts";
import { stepRecovery, type Recovery } from "../../../scripts/demo/recovery.ts";

const up = { at: "up", sinceMs: 0, pid: 1 } as const;
const down = { at: "down", sinceMs: 0, how: "killed by SIGKILL" } as const;

function sample(fog: NodeSample["process"], ...waiting: readonly number[]): TreeSample {
  const devices: readonly DeviceSample[] = waiting.map((count, i) => {
    return { name: `device-${i + 1}`, process: up, published: 9, waiting: count, atFog: 0, atCloud: 0 };
  });
  return { atMs: 5, cloud: { name: "cloud-1", process: up }, fog: { name: "fog-1", process: fog }, devices };
}

function after(...samples: readonly TreeSample[]): Recovery {
  return samples.reduce(stepRecovery, { at: "calm" });
}

test("without a disturbance nothing is to be told", () => {
  expect(after(sample(up, 3, 0), sample(up, 0, 0))).toEqual({ at: "calm" });
});

test("it is over when each device was clear once, be it not at the same time", () => {
  const back = [sample(down, 5, 5), sample(up, 0, 0)] as const;
  expect(after(...back)).toEqual({ at: "draining", sinceMs: 5, left: ["device-1", "device-2"] });
  expect(after(...back, sample(up, 0, 4))).toMatchObject({ left: ["device-2"] });
  expect(after(...back, sample(up, 0, 4), sample(up, 8, 0))).toEqual({ at: "calm" });
});

test("a node that goes down meanwhile begins it anew", () => {
  expect(after(sample(down, 5), sample(up, 5), sample(down, 0))).toEqual({ at: "disturbed" });
});

test("a fog that does not answer leaves nothing clear", () => {
  const { devices, ...rest } = sample(up, 0);
  const silent = { ...rest, devices: devices.map(({ atFog: _, ...device }) => device) };
  expect(after(sample(down, 5), sample(up, 5), silent)).toMatchObject({ left: ["device-1"] });
});
