import { expect, test } from "vitest";
import { functionOf, partOf, selfTimes } from "../../../scripts/bench/cpu-profile.ts";

const frames = [
  { functionName: "(idle)", url: "", lineNumber: -1 },
  { functionName: "match", url: "file:///home/me/fogbank/shared/mqtt/topic-tree.ts", lineNumber: 46 },
  { functionName: "", url: "file:///home/me/fogbank/node_modules/aedes/lib/utils.js", lineNumber: 8 },
  { functionName: "processImmediate", url: "node:internal/timers", lineNumber: 1 },
  { functionName: "writev", url: "", lineNumber: -1 },
];

test("a sample counts for the time until the next one, and the start can be left out", () => {
  const profile = {
    nodes: frames.map((callFrame, i) => ({ id: i + 1, callFrame })),
    samples: [2, 1, 2, 5, 1],
    timeDeltas: [0, 4000, 1000, 2000, 3000],
  };
  const nameOf = ({ functionName }: { readonly functionName: string }): string => functionName;
  expect(selfTimes(profile, nameOf, 0)).toEqual([
    { name: "match", selfMs: 6 },
    { name: "writev", selfMs: 3 },
    { name: "(idle)", selfMs: 1 },
  ]);
  expect(selfTimes(profile, nameOf, 5)[0]).toEqual({ name: "writev", selfMs: 3 });
});

test("functions and parts are named without the path of the checkout", () => {
  expect(frames.map(functionOf)).toEqual([
    "(idle)",
    "match shared/mqtt/topic-tree.ts:47",
    "(anonymous) aedes/lib/utils.js:9",
    "processImmediate node:internal/timers:2",
    "writev",
  ]);
  expect(frames.map(partOf)).toEqual(["(idle)", "shared/mqtt", "aedes/lib", "Node's own JavaScript", "native code"]);
});
