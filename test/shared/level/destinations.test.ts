import { expect, test } from "vitest";
import { type Level, parseNodeName } from "#shared/ids.ts";
import { destinationsOf } from "#shared/level/destinations.ts";
import type { PathHop } from "#shared/link/hello.ts";

const hop = (name: string, level: Level, uplink: PathHop["uplink"]): PathHop => ({
  name: parseNodeName(name),
  level,
  uplink,
  sinceMs: 7,
});
const whole = [
  hop("device-1", "device", "up"),
  hop("fog-2", "fog", "up"),
  hop("fog-1", "fog", "up"),
  hop("cloud-1", "cloud", "root"),
];

function names(wanted: readonly string[] | undefined, order: "nearest" | "listed", path = whole): readonly string[] {
  return destinationsOf(wanted, order, path, (ms) => `${ms} ms`).map(({ node, level, reach }) =>
    typeof reach === "string" ? `${node} ${reach}` : `${node ?? level}: ${reach.unreachable}`,
  );
}

test.each([
  [undefined, "nearest", ["device-1 here", "fog-2 above", "fog-1 above", "cloud-1 above"]],
  [["cloud", "fog"], "listed", ["cloud-1 above", "fog-2 above", "fog-1 above"]],
  [["cloud", "fog"], "nearest", ["fog-2 above", "fog-1 above", "cloud-1 above"]],
  [["fog-1", "fog", "fog", "device-1"], "listed", ["fog-1 above", "fog-2 above", "device-1 here"]],
  [
    ["fog-9", "device"],
    "nearest",
    ["device-1 here", 'fog-9: there is no node "fog-9" on the path from device-1 to the root'],
  ],
] as const)("%j, %s", (wanted, order, expected) => {
  expect(names(wanted, order)).toEqual(expected);
});

test("behind a hop without a link nobody can be reached, and the reason names it", () => {
  const cut = [...whole.slice(0, 2), hop("fog-1", "fog", "down"), ...whole.slice(3)];
  expect(names(undefined, "nearest", cut)).toEqual([
    "device-1 here",
    "fog-2 above",
    "fog-1 above",
    "cloud-1: fog-1 has had no link to its parent since 7 ms",
  ]);
});

test("on a path that is not known up to the root, what is not on it is not known to be missing", () => {
  expect(names(["cloud"], "listed", [hop("device-1", "device", "down")])).toEqual([
    "cloud: no level cloud is known on the path from device-1 upward: device-1 has had no link to its parent since 7 ms",
  ]);
});
