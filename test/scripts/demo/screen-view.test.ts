import { expect, test } from "vitest";
import type { DeviceSample, TreeSample } from "../../../scripts/demo/observe.ts";
import { screenLines } from "../../../scripts/demo/screen-view.ts";

const ports = { mqtt: 20_001, http: 20_002 };
const targets = { cloud: ports, fog: ports, device: ports, fogPid: 123_456 };
const news = ["everything runs", "fog-1 is cut: kill -9 123456. The devices go on alone. r restores it"];

function sample(devices: number): TreeSample {
  const node = (name: string) => ({ name, process: { at: "up", sinceMs: 0, pid: 1 } }) as const;
  const list: readonly DeviceSample[] = Array.from({ length: devices }, (_, i) => ({
    ...node(`device-${i + 1}`),
    published: 1,
  }));
  return { atMs: 0, cloud: node("cloud-1"), fog: node("fog-1"), devices: list };
}

function texts(devices: number, columns: number, rows: number): readonly string[] {
  const lines = screenLines(
    { sample: sample(devices), targets, news, folder: "/tmp/fogbank-demo-abcdef" },
    { columns, rows },
  );
  return lines.map((spans) => spans.map(({ text }) => text).join(""));
}

test.each([
  [2, 80, 24],
  [2, 100, 50],
  [20, 80, 24],
  [200, 120, 40],
  [1, 80, 10],
])("%i devices fit a terminal of %i columns and %i rows", (devices, columns, rows) => {
  const lines = texts(devices, columns, rows);
  expect(lines.length).toBeLessThanOrEqual(rows);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(columns);
});

test("80 columns and 24 rows show the tree, the news, every command whole, and the keys", () => {
  const text = texts(2, 80, 24).join("\n");
  for (const part of [
    "device-2",
    "r restores it",
    "status --http",
    "explain device-1",
    "sub --mqtt",
    "-v\n",
    "pub --mqtt",
    "call --mqtt",
    "curl",
    "kill -9 123456\n",
    "c cut the fog",
  ])
    expect(text).toContain(part);
});

test("the commands are explained where there is room, but not at the expense of the devices", () => {
  expect(texts(2, 80, 40).join("\n")).toContain("# publish on device-1");
  const crowded = texts(20, 80, 44).join("\n");
  expect(crowded).not.toContain("# publish on device-1");
  expect(crowded).toContain("device-20");
});
