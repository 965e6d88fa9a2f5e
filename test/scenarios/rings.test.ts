// Nodes whose configuration makes each the parent of the other: whole nodes in memory.
import { expect, test } from "vitest";
import { MemoryTree } from "../fakes/memory-tree.ts";
import { beginCall, program, publish, statuses } from "./machine-scene.ts";
import { heard } from "./tree-scene.ts";

interface Uplink {
  readonly state: string;
  readonly reason?: string;
  readonly path: readonly { readonly node: string }[];
}

/** Each is the child of the one before, and the first of the last. All links come up in the same moment. */
async function ring(names: readonly string[]): Promise<MemoryTree> {
  const tree = new MemoryTree();
  for (const name of names) {
    await tree.add(name, { level: "fog" });
    await tree.stop(name);
  }
  for (const [index, name] of names.entries()) await tree.begin(name, names.at(index - 1) ?? "", "down");
  for (const name of names) await tree.link(name, "up");
  await tree.advance(30_000);
  return tree;
}

/** What `/level/uplink` says on each node. */
async function uplinks(tree: MemoryTree, names: readonly string[]): Promise<readonly Uplink[]> {
  const texts = await Promise.all(
    names.map(async (name) => heard(await tree.client(name, "watcher"), "/level/uplink")),
  );
  await tree.settle();
  return texts.map((lines) => JSON.parse(lines.at(-1) ?? "") as Uplink);
}

test.each([[["fog-1", "fog-2"]], [["fog-1", "fog-2", "fog-3"]]])(
  "one link of a ring is refused, the node below it says why, and the others stand: %j",
  async (names) => {
    await using tree = await ring(names);
    const states = await uplinks(tree, names);
    const down = states.filter(({ state }) => state === "down");
    expect(down).toEqual([
      expect.objectContaining({ reason: expect.stringMatching(/refused by the parent: .*links must not form a ring/) }),
    ]);
    for (const { state, path } of states) {
      if (state === "down") continue;
      const above = path.map(({ node }) => node);
      expect(new Set(above).size).toBe(above.length);
      expect(above.length).toBeLessThan(names.length);
    }
    const refusals = tree.log.lines.filter(({ phrase }) => phrase === "child refused");
    expect(JSON.stringify(refusals.at(-1)?.fields)).toMatch(/must not form a ring/);
  },
);

test("a ring makes no storm: it is tried seldom, and a call and an event go to each node once [J7] [J15]", async () => {
  const names = ["fog-1", "fog-2"];
  await using tree = await ring(names);
  const frames = tree.carried.length;
  const dials = tree.dialled.length;
  await tree.advance(10 * 60_000);
  // Beats, and an attempt about every half minute.
  expect(tree.carried.length - frames).toBeLessThan(10 * 60);
  expect(tree.dialled.length - dials).toBeLessThan(10 * 4);
  const ears = await Promise.all(names.map((name) => program(tree, name, "/machine/events/external/shift")));
  const call = await beginCall(tree, "fog-1", "ping", { scope: "machine", ttl: 5 });
  await publish(call.client, "/machine/events/external/shift", 7);
  await tree.advance(10_000);
  expect(statuses(call.final())).toEqual({ "fog-1": "done", "fog-2": "done" });
  for (const { heard: events } of ears) expect(events).toHaveLength(1);
  expect(tree.carried.filter((topic) => topic.endsWith("/c")).length).toBeLessThan(6);
});

test("the ring ends when one of them gets its right parent", async () => {
  const names = ["fog-1", "fog-2"];
  await using tree = await ring(names);
  await tree.add("cloud-1", { level: "cloud" });
  await tree.move("fog-1", "cloud-1");
  await tree.advance(120_000);
  const states = await uplinks(tree, names);
  expect(states).toMatchObject([
    { state: "up", path: [{ node: "cloud-1" }] },
    { state: "up", path: [{ node: "fog-1" }, { node: "cloud-1" }] },
  ]);
});
