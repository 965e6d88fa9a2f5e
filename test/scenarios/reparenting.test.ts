// A node that changes its parent at any moment: between sending and acknowledgement, upward to an ancestor, with all it carries.
import { expect, test } from "vitest";
import { MemoryTree } from "../fakes/memory-tree.ts";
import { expectExact, expectSettled, numbers, publish, storedNumbers, threeLevels } from "./tree-scene.ts";

const everybody = ["device-1", "fog-1", "fog-2", "cloud-1"];

async function twoFogs(streamClass: "custody" | "final"): Promise<MemoryTree> {
  const tree = await threeLevels({ streamClass });
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  await tree.advance(500);
  return tree;
}

async function expectAllOnce(tree: MemoryTree, count: number): Promise<void> {
  expect(await storedNumbers(tree)).toEqual(numbers(1, count));
  await expectSettled(tree);
  await expectExact(tree, everybody);
}

test.each([
  ["custody", 0],
  ["custody", 20],
  ["custody", 200],
  ["final", 0],
  ["final", 20],
  ["final", 200],
] as const)(
  "%s: the link breaks %i ms after sending, before the acknowledgement, and the next parent is another",
  async (streamClass, ms) => {
    await using tree = await twoFogs(streamClass);
    for (let round = 0; round < 6; round++) {
      const from = round * 5 + 1;
      // The batches go up, their answers do not come down.
      await tree.link("device-1", "deaf");
      await publish(tree, "device-1", from, from + 4);
      await tree.advance(ms);
      await tree.link("device-1", "down");
      await tree.move("device-1", round % 2 === 0 ? "fog-2" : "fog-1");
      await tree.link("device-1", "up");
      await tree.advance(round * 150);
    }
    await tree.advance(40_000);
    await expectAllOnce(tree, 30);
  },
);

test.each(["custody", "final"] as const)(
  "%s: up to an ancestor while the old parent still holds a backlog, and back",
  async (streamClass) => {
    await using tree = await twoFogs(streamClass);
    await tree.link("fog-1", "down");
    await publish(tree, "device-1", 1, 20);
    await tree.advance(2000);
    expect((await tree.ledger("fog-1")).map(({ held }) => held)).toEqual([20]);
    await tree.move("device-1", "cloud-1");
    await publish(tree, "device-1", 21, 30);
    await tree.advance(3000);
    await tree.link("fog-1", "up");
    await tree.advance(3000);
    await tree.move("device-1", "fog-1");
    await publish(tree, "device-1", 31, 35);
    await tree.advance(40_000);
    await expectAllOnce(tree, 35);
  },
);

test.each(["custody", "final"] as const)(
  "%s: a gap that was handed to one parent and not to the other is counted once",
  async (streamClass) => {
    await using tree = await twoFogs(streamClass);
    await tree.link("fog-1", "down");
    await publish(tree, "device-1", 1, 6);
    await tree.link("device-1", "down");
    await publish(tree, "device-1", 7, 9);
    await tree.quarantine("device-1", 8);
    await tree.link("device-1", "up");
    await publish(tree, "device-1", 10);
    await tree.advance(2000);
    await tree.move("device-1", "fog-2");
    await publish(tree, "device-1", 11, 12);
    await tree.advance(2000);
    await tree.link("fog-1", "up");
    await tree.advance(40_000);
    expect(await storedNumbers(tree)).toEqual(numbers(1, 12).filter((value) => value !== 8));
    expect(await tree.gaps("cloud-1", "device-1")).toEqual([{ first: 8, last: 8, reason: "corrupt" }]);
    await expectSettled(tree);
    await expectExact(tree, everybody);
  },
);

test("a fog that moves with its subtree may hand on at once what it holds of every node that ever was below it", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.add("hub-1", { level: "fog", parent: "fog-1" });
  await tree.add("device-1", { level: "device", parent: "hub-1" });
  await tree.advance(1000);
  await tree.link("fog-1", "down");
  await publish(tree, "device-1", 1, 10);
  await tree.advance(3000);
  // The device leaves for good, and the hub; what they gave lies on fog-1, which is started anew and does not know the device by sight.
  await tree.stop("device-1");
  await tree.stop("hub-1");
  await tree.stop("fog-1");
  await tree.begin("fog-1", "fog-2", "up");
  await tree.advance(5000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 10));
  await expectSettled(tree);
  expect(tree.log.lines.filter(({ phrase }) => phrase === "segment not taken")).toEqual([]);
});

test("a node that comes below one that takes it for an ancestor still gets in as soon as the tree's new shape is known", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-3", { level: "fog", parent: "cloud-1" });
  await tree.add("fog-1", { level: "fog", parent: "fog-3" });
  await tree.add("fog-2", { level: "fog", parent: "fog-1" });
  await tree.advance(4000);
  await tree.stop("fog-3");
  await tree.begin("fog-3", "fog-2", "up");
  await tree.advance(1000);
  await tree.stop("fog-1");
  await tree.begin("fog-1", "cloud-1", "up");
  await publish(tree, "fog-3", 1, 3);
  await tree.advance(60_000);
  expect(await storedNumbers(tree)).toEqual([1, 2, 3]);
});
