import { expect, test } from "vitest";
import { drawTree } from "../../../scripts/demo/draw.ts";
import type { DeviceSample, TreeSample } from "../../../scripts/demo/observe.ts";
import { renderLine } from "../../../scripts/demo/text-style.ts";

const atMs = 1_000_000;
const up = { at: "up", sinceMs: 0, pid: 42 } as const;
const online = { state: "online", sinceMs: 0, ageMs: 100 } as const;

function device(n: number, change: Partial<DeviceSample> = {}): DeviceSample {
  const uplink = { state: "up", sinceMs: atMs - 72_000 } as const;
  return {
    name: `device-${n}`,
    process: up,
    uplink,
    waiting: 0,
    seenByCloud: online,
    published: 1000,
    stored: 1000,
    ...change,
  };
}

function tree(devices: readonly DeviceSample[], change: Partial<TreeSample> = {}): TreeSample {
  const cloud = { name: "cloud-1", process: up, uplink: { state: "none", sinceMs: 0 }, waiting: 0 } as const;
  const fog = {
    name: "fog-1",
    process: up,
    uplink: { state: "up", sinceMs: atMs - 5_000 },
    waiting: 0,
    seenByCloud: online,
  } as const;
  return { atMs, cloud, fog, devices, ...change };
}

function draw(sample: TreeSample, linesMax = 40, unicode = true): readonly string[] {
  return drawTree(sample, linesMax).map((spans) => renderLine(spans, { unicode, colour: false }).trimEnd());
}

test("the living tree with its numbers", () => {
  expect(draw(tree([device(1), device(2)]))).toEqual([
    "NODE             PROCESS     UPLINK      CLOUD SEES   PUBLISHED WAITING IN CLOUD",
    "cloud-1          up          root                                     0    2,000",
    "└─ fog-1         up          up 5s       online                       0",
    "   ├─ device-1   up          up 1m12s    online           1,000       0    1,000",
    "   └─ device-2   up          up 1m12s    online           1,000       0    1,000",
    "all together                                              2,000       0    2,000",
  ]);
});

test("a dead fog, devices that go on, and a cloud that hears nothing of them", () => {
  const uplink = { state: "down", sinceMs: atMs - 12_000 } as const;
  const seenByCloud = { state: "online", sinceMs: 0, ageMs: 14_000 } as const;
  const fog = {
    name: "fog-1",
    process: { at: "down", sinceMs: atMs - 12_000, how: "killed by SIGKILL" },
    seenByCloud: { ...seenByCloud, state: "lost", sinceMs: atMs - 12_000 },
  } as const;
  const lines = draw(tree([device(1, { uplink, seenByCloud, waiting: 96, published: 1096 })], { fog }));
  expect(lines.slice(2)).toEqual([
    "└─ fog-1         DOWN 12s    -           lost 12s                     -",
    "   └─ device-1   up          down 12s    quiet 14s        1,096      96    1,000",
    "all together                                              1,096      96    1,000",
  ]);
});

test("devices that do not fit are summed up", () => {
  const devices = Array.from({ length: 200 }, (_, i) => device(i + 1));
  const lines = draw(tree(devices), 10);
  expect(lines).toHaveLength(10);
  expect(lines[8]).toBe("   └─ 195 more   195 up      195 up      195 online     195,000       0  195,000");
  expect(Math.max(...draw(tree(devices), 300).map(({ length }) => length))).toBeLessThanOrEqual(80);
});

test("plain ASCII where nothing else can be shown", () => {
  expect(draw(tree([device(1), device(2)]), 40, false).join("")).toMatch(/^[\x20-\x7e]*$/);
});
