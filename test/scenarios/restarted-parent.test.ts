// What a parent that was started anew believes of children that are away: as much as before, and no more.
import { expect, test } from "vitest";
import { beginCall, sixNodes } from "./machine-scene.ts";

test("[T4] [T5] a call that waits at a killed fog is waited for by the device that it names, and not by its neighbours", async () => {
  await using tree = await sixNodes();
  for (const device of ["device-1", "device-2"]) await tree.kill(device);
  const call = await beginCall(tree, "cloud-1", "ping", { if: "name == 'device-1'", ttl: 600 });
  await tree.advance(1_000);
  const waiting = (): readonly unknown[] => call.last()?.waiting.map(({ node, at }) => [node, at]) ?? [];
  expect(waiting()).toEqual([["device-1", "fog-1"]]);
  await tree.kill("fog-1");
  await tree.start("fog-1");
  await tree.advance(40_000);
  expect(waiting()).toEqual([["device-1", "fog-1"]]);
  tree.carried.length = 0;
  for (const device of ["device-1", "device-2"]) await tree.start(device);
  await tree.advance(40_000);
  expect(call.final().counts).toMatchObject({ matched: 1, done: 1 });
  expect(tree.carried.filter((topic) => topic.startsWith("$fog/dn/device-") && topic.endsWith("/c"))).toEqual([
    "$fog/dn/device-1/c",
  ]);
});

test("[T4] a fog that had devices below it is waited for by a parent that was started anew, whatever they are", async () => {
  await using tree = await sixNodes();
  await tree.kill("cloud-1");
  await tree.kill("fog-1");
  await tree.start("cloud-1");
  await tree.advance(1_000);
  const call = await beginCall(tree, "cloud-1", "ping", { if: "name == 'device-1'", ttl: 600 });
  await tree.advance(1_000);
  expect(call.last()?.waiting.map(({ node }) => node)).toContain("fog-1");
  await tree.start("fog-1");
  await tree.advance(60_000);
  expect(call.final().counts).toMatchObject({ matched: 1, done: 1 });
});
