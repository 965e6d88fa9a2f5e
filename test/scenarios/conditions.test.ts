// Conditions about places, data and names of their own, on whole nodes in memory.
import { expect, test } from "vitest";
import { MemoryTree } from "../fakes/memory-tree.ts";
import { heard, publish } from "./tree-scene.ts";

interface Reply {
  readonly final: boolean;
  readonly results: readonly { readonly node: string; readonly status: string; readonly value?: unknown }[];
}

async function threeDevices(): Promise<MemoryTree> {
  const tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1", about: { zone: "hall-1" } });
  const cond = { hot: "data('x').avg > 30.0" };
  for (const [name, about] of [
    ["north", { lat: 53.5, lon: 10, class: "pump", cond }],
    ["south", { lat: 48.1, lon: 11.6, class: "fan", cond: { hot: "data('x').last == 5" } }],
    ["bare", { dataWindowMs: 1_000 }],
  ] as const) {
    await tree.add(name, { level: "device", parent: "fog-1", about });
  }
  await tree.advance(2_000);
  return tree;
}

/** Calls `ping` at the cloud, or the function of that name, and answers the results of the final reply by node. */
async function call(tree: MemoryTree, condition: string, name = "ping", args?: unknown) {
  const client = await tree.client("cloud-1", `caller-${condition.length}`);
  const replies = await heard(client, "/machine/replies/#");
  const payload = new TextEncoder().encode(JSON.stringify({ if: condition, args }));
  await client.publish({ topic: `/machine/functions/${name}`, payload, qos: 1, retain: false });
  await tree.advance(3_000);
  await client.disconnect();
  const last = replies.map((text) => JSON.parse(text) as Reply).find(({ final }) => final);
  return new Map((last?.results ?? []).map(({ node, value }) => [node, value]));
}

async function nodesWhere(tree: MemoryTree, condition: string): Promise<readonly string[]> {
  return [...(await call(tree, condition)).keys()].toSorted();
}

test("[J8] a call reaches the nodes of a place and a class", async () => {
  await using tree = await threeDevices();
  expect(await nodesWhere(tree, "lat > 50.0 && lon < 11.0")).toEqual(["north"]);
  expect(await nodesWhere(tree, "class in ['pump', 'fan']")).toEqual(["north", "south"]);
  expect(await nodesWhere(tree, "!(class == 'pump')")).toEqual(["south"]);
});

test("[J8] a call reaches the nodes whose own data is so, by whatever name they give to that", async () => {
  await using tree = await threeDevices();
  for (const [node, value] of [
    ["north", 31],
    ["south", 5],
    ["bare", 40],
  ] as const) {
    await publish(tree, node, value);
  }
  await tree.advance(1_500);
  expect(await nodesWhere(tree, "data('x').avg > 30.0")).toEqual(["north"]);
  expect(await nodesWhere(tree, "data('x').last > 30")).toEqual(["bare", "north"]);
  expect(await nodesWhere(tree, "cond.hot")).toEqual(["north", "south"]);
  // What has been seen in messages from below is not a node's own data.
  expect(await nodesWhere(tree, "has(data('x').last) && level != 'device'")).toEqual([]);
  await tree.stop("north");
  await tree.start("north");
  await tree.advance(2_000);
  expect(await nodesWhere(tree, "cond.hot")).toEqual(["south"]);
});

test("[J8] every node explains what a condition comes to there", async () => {
  await using tree = await threeDevices();
  const explained = await call(tree, "", "explain-condition", "zone == 'hall-1' || cond.hot || lat < 50.0");
  expect(Object.fromEntries(explained)).toEqual({
    "cloud-1": { result: "false", why: expect.stringContaining('"zone" is not known here') as string },
    "fog-1": { result: "true", why: "zone == 'hall-1' is true: zone is \"hall-1\"" },
    north: { result: "false", why: expect.stringContaining("has no answer") as string },
    south: { result: "true", why: "lat < 50.0 is true: lat is 48.1" },
    bare: { result: "false", why: expect.stringContaining("has no answer") as string },
  });
  expect((await call(tree, "name == 'fog-1'", "explain-condition", "zone ==")).size).toBe(1);
});
