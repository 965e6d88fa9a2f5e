import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import type { PathHop } from "#shared/link/hello.ts";
import { reachOf, reachText } from "#shared/presence/reach.ts";

const hop = (name: string, uplink: PathHop["uplink"], sinceMs: number): PathHop => ({
  name: parseNodeName(name),
  level: "fog",
  uplink,
  sinceMs,
});
const since = (ms: number): string => `t${ms}`;

test("[J16.4] the first link that is down tells what is out of reach and since when, also far above", () => {
  const path = [hop("fog-1", "up", 1), hop("fog-2", "down", 7), hop("fog-3", "down", 3), hop("cloud-1", "root", 0)];
  const reach = reachOf(hop("device-1", "up", 2), path);
  expect(reach.broken).toEqual({ at: "fog-2", sinceMs: 7 });
  expect(reach.hops.map(({ isReachable }) => isReachable)).toEqual([true, true, false, false]);
  expect(reachText(reach, since)).toBe("cloud-1 unreachable since t7, fog-3 unreachable since t7, fog-2 ok, fog-1 ok");
});

test("[J16.4] with the own uplink down nothing above can be reached; with all links up everything", () => {
  const path = [hop("fog-1", "up", 1), hop("cloud-1", "root", 0)];
  const cut = reachOf(hop("device-1", "down", 9), path);
  expect(cut.broken).toEqual({ at: "device-1", sinceMs: 9 });
  expect(cut.hops.every(({ unreachableSinceMs }) => unreachableSinceMs === 9)).toBe(true);
  const fine = reachOf(hop("device-1", "up", 9), path);
  expect(fine.broken).toBeUndefined();
  expect(reachText(fine, since)).toBe("cloud-1 ok, fog-1 ok");
  expect(reachText(reachOf(hop("cloud-1", "root", 0), []), since)).toBe("");
});
