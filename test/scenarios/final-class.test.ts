// Streams of class final: nobody on the way deletes a message before the root has it in its document store.
import { expect, test } from "vitest";
import { expectExact, expectSettled, numbers, publish, storedNumbers, threeLevels } from "./tree-scene.ts";

const final = { streamClass: "final" } as const;
const everybody = ["device-1", "fog-1", "cloud-1"];

test("final: what the parent has acknowledged stays until the root's mark has come down, then it counts as delivered", async () => {
  await using tree = await threeLevels(final);
  await tree.link("fog-1", "down");
  await publish(tree, "device-1", 1, 10);
  await tree.advance(3000);
  expect(await tree.ledger("device-1")).toMatchObject([{ held: 10, handed: 10, delivered: 0 }]);
  expect(await tree.ledger("fog-1")).toMatchObject([{ held: 10, handed: 0 }]);
  await tree.link("fog-1", "up");
  await tree.advance(2000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 10));
  await tree.advance(15_000);
  for (const node of ["device-1", "fog-1"]) {
    expect(await tree.ledger(node)).toMatchObject([{ held: 0, handed: 0, delivered: 10, finalMark: 10 }]);
  }
  await expectExact(tree, everybody);
});

test("final R3: a fog that lost its disk with everything on it gets it again", async () => {
  await using tree = await threeLevels(final);
  await tree.link("fog-1", "down");
  await publish(tree, "device-1", 1, 20);
  await tree.advance(3000);
  expect(await tree.ledger("device-1")).toMatchObject([{ handed: 20 }]);
  await tree.stop("fog-1");
  tree.wipe("fog-1");
  await tree.link("fog-1", "up");
  await tree.start("fog-1");
  await tree.advance(30_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 20));
  await expectSettled(tree);
  await expectExact(tree, everybody);
  expect(await tree.ledger("device-1")).toMatchObject([{ held: 0, delivered: 20 }]);
});

test("final R3: a fog between, two levels up, that lost its disk gets it again too, from the fog below it", async () => {
  await using tree = await threeLevels();
  await tree.add("fog-2", { level: "fog", parent: "fog-1" });
  await tree.add("device-2", { level: "device", parent: "fog-2", ...final });
  await tree.advance(1000);
  await tree.link("fog-1", "down");
  await publish(tree, "device-2", 1, 10);
  await tree.advance(5000);
  expect((await tree.ledger("fog-1")).find(({ origin }) => origin === "device-2")).toMatchObject({ held: 10 });
  await tree.stop("fog-1");
  tree.wipe("fog-1");
  await tree.link("fog-1", "up");
  await tree.start("fog-1");
  await tree.advance(40_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 10));
  await expectExact(tree, ["device-2", "fog-2", "fog-1", "cloud-1"]);
  for (const node of ["device-2", "fog-2", "fog-1"]) {
    const rows = await tree.ledger(node);
    expect(rows.find(({ origin }) => origin === "device-2")).toMatchObject({ held: 0, delivered: 10 });
  }
});

test("[O1] final R3: a fog that is an older copy, which nothing shows but what a fog below it has handed on for others, gets it again", async () => {
  await using tree = await threeLevels();
  await tree.add("fog-2", { level: "fog", parent: "fog-1" });
  await tree.add("device-2", { level: "device", parent: "fog-2", ...final });
  await tree.advance(1000);
  await tree.link("fog-1", "down");
  await publish(tree, "device-2", 1, 3);
  await tree.advance(5000);
  await tree.stop("fog-1");
  tree.copyData("fog-1", "node");
  await tree.start("fog-1");
  await publish(tree, "device-2", 4, 10);
  await tree.advance(10_000);
  expect((await tree.ledger("fog-2")).find(({ origin }) => origin === "device-2")).toMatchObject({ handed: 10 });
  await tree.stop("fog-1");
  tree.copyData("fog-1", "copy");
  await tree.start("fog-1");
  await tree.advance(10_000);
  expect((await tree.ledger("fog-1")).find(({ origin }) => origin === "device-2")).toMatchObject({ held: 10 });
  await tree.link("fog-1", "up");
  await tree.advance(40_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 10));
  await expectExact(tree, ["device-2", "fog-2", "fog-1", "cloud-1"]);
});

test("final: a device that moves on hands its messages to the new parent as well, and the old one may die with its disk", async () => {
  await using tree = await threeLevels(final);
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  await tree.link("fog-1", "down");
  await publish(tree, "device-1", 1, 10);
  await tree.advance(3000);
  await tree.move("device-1", "fog-2");
  await tree.stop("fog-1");
  await tree.advance(30_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 10));
  await expectSettled(tree);
  await expectExact(tree, ["device-1", "fog-2", "cloud-1"]);
  expect(await tree.ledger("device-1")).toMatchObject([{ held: 0, delivered: 10 }]);
});

test("final: a restart at any hop between commit and mark neither loses nor keeps anything for ever", async () => {
  await using tree = await threeLevels(final);
  for (let round = 0; round < 6; round++) {
    await publish(tree, "device-1", round * 5 + 1, round * 5 + 5);
    await tree.advance(round * 700);
    const node = everybody[round % 3] ?? "";
    await tree.stop(node);
    await tree.start(node);
    await tree.advance(300);
  }
  await tree.advance(40_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 30));
  for (const node of ["device-1", "fog-1"]) {
    expect(await tree.ledger(node)).toMatchObject([{ held: 0, delivered: 30 }]);
  }
  await expectExact(tree, everybody);
});

test("final: custody of the same node's other streams is untouched: they go at the first acknowledgement", async () => {
  await using tree = await threeLevels();
  await tree.link("fog-1", "down");
  await publish(tree, "device-1", 1, 10);
  await tree.advance(3000);
  expect(await tree.ledger("device-1")).toMatchObject([{ held: 0, handed: 0, delivered: 10 }]);
});
