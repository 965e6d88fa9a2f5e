// A root loses fogbank.db and keeps its documents: what it has is known at once, and nothing is stored twice.
import { expect, test } from "vitest";
import { missingOf } from "#shared/journal/ledger.ts";
import { createMemoryDocumentStore } from "../fakes/memory-document-store.ts";
import type { MemoryTree } from "../fakes/memory-tree.ts";
import { expectExact, expectSettled, numbers, publish, storedNumbers, threeLevels } from "./tree-scene.ts";

const everybody = ["device-1", "fog-1", "cloud-1"];

async function loseJournal(tree: MemoryTree): Promise<void> {
  await tree.stop("cloud-1");
  tree.wipe("cloud-1");
  await tree.start("cloud-1");
}

test("[O2] [O3] R3: a root without its journal accounts for its documents before anybody has spoken, and goes on from there", async () => {
  await using tree = await threeLevels();
  await publish(tree, "device-1", 1, 10);
  await publish(tree, "cloud-1", 101, 103);
  await tree.advance(2000);
  await tree.link("fog-1", "down");
  await publish(tree, "device-1", 11, 12);
  await loseJournal(tree);
  expect(await tree.ledger("cloud-1")).toMatchObject([
    { origin: "cloud-1", high: 3, delivered: 3, held: 0, lost: 0 },
    { origin: "device-1", stream: "data", high: 10, delivered: 10, held: 0, lost: 0 },
  ]);
  await tree.link("fog-1", "up");
  await tree.advance(15_000);
  await publish(tree, "device-1", 13, 14);
  await publish(tree, "cloud-1", 104);
  await tree.advance(3000);
  expect(await storedNumbers(tree)).toEqual([...numbers(1, 14), ...numbers(101, 104)]);
  const rows = await expectSettled(tree);
  expect(rows.map(({ origin, high, delivered }) => [origin, high, delivered])).toEqual([
    ["cloud-1", 3, 3],
    ["cloud-1", 1, 1],
    ["device-1", 14, 14],
  ]);
  await expectExact(tree, everybody);
});

test("[O2] R3: what was on its way when the journal was lost comes again and is known to be there", async () => {
  await using tree = await threeLevels();
  await publish(tree, "device-1", 1, 5);
  await tree.advance(2000);
  // The root stores, and its acknowledgements do not arrive: the fog sends all of it again.
  await tree.link("fog-1", "deaf");
  await publish(tree, "device-1", 6, 10);
  await tree.advance(1000);
  await tree.link("fog-1", "down");
  expect(await storedNumbers(tree)).toEqual(numbers(1, 10));
  expect(await tree.ledger("fog-1")).toMatchObject([{ held: 5 }]);
  await loseJournal(tree);
  await tree.link("fog-1", "up");
  await tree.advance(30_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 10));
  expect(await expectSettled(tree)).toMatchObject([{ high: 10, delivered: 10 }]);
  await expectExact(tree, everybody);
  expect(await tree.ledger("fog-1")).toMatchObject([{ held: 0, delivered: 10 }]);
});

test("final R3: a root without its journal says at once how far it is: children keep and send only what is above", async () => {
  await using tree = await threeLevels({ streamClass: "final" });
  await publish(tree, "device-1", 1, 10);
  await tree.advance(15_000);
  expect(await tree.ledger("device-1")).toMatchObject([{ held: 0, finalMark: 10 }]);
  await tree.link("fog-1", "down");
  await publish(tree, "device-1", 11, 15);
  await tree.advance(2000);
  await loseJournal(tree);
  const before = tree.messagesSeen("cloud-1");
  await tree.link("fog-1", "up");
  await tree.advance(40_000);
  expect(tree.messagesSeen("cloud-1") - before).toBe(5);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 15));
  await expectSettled(tree);
  await expectExact(tree, everybody);
  for (const node of ["device-1", "fog-1"]) {
    expect(await tree.ledger(node)).toMatchObject([{ held: 0, handed: 0, delivered: 15, finalMark: 15 }]);
  }
});

test("final R3: what was lost before is named again, so that the root's mark does not stop there", async () => {
  await using tree = await threeLevels({ streamClass: "final" });
  await tree.link("device-1", "down");
  await publish(tree, "device-1", 1, 10);
  await tree.quarantine("device-1", 4);
  await tree.link("device-1", "up");
  await tree.advance(20_000);
  expect(await tree.ledger("cloud-1")).toMatchObject([{ delivered: 9, lost: 1 }]);
  await loseJournal(tree);
  await tree.advance(40_000);
  await publish(tree, "device-1", 11, 12);
  await tree.advance(20_000);
  expect(await tree.gaps("cloud-1", "device-1")).toEqual([{ first: 4, last: 4, reason: "corrupt" }]);
  await expectSettled(tree);
  await expectExact(tree, everybody);
  for (const node of ["device-1", "fog-1"]) {
    expect(await tree.ledger(node)).toMatchObject([{ held: 0, delivered: 11, lost: 1, finalMark: 12 }]);
  }
});

test("custody: what was lost before the journal was lost is missing until it is presumed lost; nothing else is", async () => {
  await using tree = await threeLevels();
  await tree.link("device-1", "down");
  await publish(tree, "device-1", 1, 10);
  await tree.quarantine("device-1", 4);
  await tree.link("device-1", "up");
  await tree.advance(3000);
  await loseJournal(tree);
  await tree.advance(15_000);
  const [row] = await tree.ledger("cloud-1");
  expect(row).toMatchObject({ high: 10, delivered: 9, lost: 0 });
  expect(row && missingOf(row)).toBe(1);
  await expectExact(tree, everybody);
});

test("[O3] a root without its documents names what was stored there as lost, and stores what comes from then on", async () => {
  await using tree = await threeLevels();
  await publish(tree, "device-1", 1, 10);
  await tree.advance(3000);
  await expectSettled(tree);
  await tree.stop("cloud-1");
  tree.wipeDocuments();
  await tree.start("cloud-1");
  expect(await tree.ledger("cloud-1")).toMatchObject([{ high: 10, delivered: 0, held: 0, lost: 10 }]);
  expect(await tree.gaps("cloud-1", "device-1")).toEqual([{ first: 1, last: 10, reason: "store-lost" }]);
  await tree.advance(15_000);
  await publish(tree, "device-1", 11, 12);
  await tree.advance(3000);
  expect(await storedNumbers(tree)).toEqual([11, 12]);
  expect(await tree.ledger("cloud-1")).toMatchObject([{ high: 12, delivered: 2, held: 0, lost: 10 }]);
});

test("[O3] a root that gets a parent keeps its documents, and tells who has them and what was lost: above nothing waits for them", async () => {
  await using tree = await threeLevels();
  await publish(tree, "device-1", 1, 10);
  await publish(tree, "cloud-1", 101, 103);
  await tree.advance(3000);
  await tree.stop("cloud-1");
  tree.wipeDocuments();
  await tree.start("cloud-1"); // these are lost, which it has told to itself alone
  await tree.advance(15_000);
  await publish(tree, "device-1", 11, 14);
  await tree.advance(3000);
  const kept = tree.documents;
  tree.documents = createMemoryDocumentStore(9);
  await tree.add("top-1", { level: "cloud" });
  await tree.move("cloud-1", "top-1");
  await tree.advance(20_000);
  await publish(tree, "device-1", 15, 16);
  await tree.advance(5000);
  expect(await storedNumbers(tree)).toEqual([15, 16]);
  expect(await tree.gaps("top-1", "device-1")).toEqual([
    { first: 1, last: 10, reason: "store-lost" },
    { first: 11, last: 14, reason: "kept-below" },
  ]);
  expect(await tree.gaps("top-1", "cloud-1")).toEqual([{ first: 1, last: 3, reason: "store-lost" }]);
  await expectSettled(tree, "top-1");
  await expectExact(tree, [...everybody, "top-1"]);
  expect((await kept.findData({ limit: 10 })).map(({ seq }) => seq)).toEqual([11, 12, 13, 14]);
  expect(await tree.ledger("cloud-1")).toMatchObject([{}, { origin: "device-1", high: 16, delivered: 6, lost: 10 }]);
  const told = tree.log.lines.filter(({ phrase }) => phrase === "the nodes above are told what is stored here");
  expect(told).toHaveLength(1);
  await tree.stop("cloud-1");
  await tree.start("cloud-1");
  await tree.advance(15_000);
  expect(tree.log.lines.filter(({ phrase }) => phrase === "the nodes above are told what is stored here")).toHaveLength(
    1,
  );
});
