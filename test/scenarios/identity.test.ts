// Databases that are not the only ones of their kind: restored, copied, cloned, moved to a machine that was started anew.
import { expect, test } from "vitest";
import type { MemoryTree } from "../fakes/memory-tree.ts";
import { missingOf } from "#shared/journal/ledger.ts";
import { expectExact, expectSettled, heard, numbers, publish, storedNumbers, threeLevels } from "./tree-scene.ts";

const everybody = ["device-1", "fog-1", "cloud-1"];

test("[O10] R0 after a start of the machine, messages are numbered under a new epoch, and those before arrive under the old one", async () => {
  await using tree = await threeLevels();
  await publish(tree, "device-1", 1, 5);
  await tree.advance(1000);
  await tree.link("device-1", "down");
  await publish(tree, "device-1", 6, 8);
  await tree.stop("device-1");
  tree.reboot("device-1");
  await tree.link("device-1", "up");
  await tree.start("device-1");
  await publish(tree, "device-1", 9, 10);
  await tree.advance(5000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 10));
  const rows = await expectSettled(tree);
  expect(rows.map(({ high, delivered, lost }) => ({ high, delivered, lost }))).toEqual([
    { high: 8, delivered: 8, lost: 0 },
    { high: 2, delivered: 2, lost: 0 },
  ]);
  await expectExact(tree, everybody);
  const notes = tree.log.lines.filter(({ phrase }) => phrase.startsWith("the machine was started anew"));
  expect(notes.map(({ level }) => level)).toEqual(["info"]);
});

test("R0 a restart of the process alone goes on in its epoch", async () => {
  await using tree = await threeLevels();
  await publish(tree, "device-1", 1, 3);
  await tree.stop("device-1");
  await tree.start("device-1");
  await publish(tree, "device-1", 4, 6);
  await tree.advance(2000);
  expect(await expectSettled(tree)).toMatchObject([{ high: 6 }]);
});

test("[O10] R0 a restored file never gives a number again, though its parent knows nothing of it", async () => {
  await using tree = await threeLevels();
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  await publish(tree, "device-1", 1, 5);
  await tree.advance(1000);
  await tree.stop("device-1");
  tree.copyData("device-1", "node");
  await tree.start("device-1");
  await publish(tree, "device-1", 6, 10);
  await tree.advance(1000);
  await tree.stop("device-1");
  tree.copyData("device-1", "copy");
  tree.replaceFile("device-1");
  await tree.begin("device-1", "fog-2", "up");
  await publish(tree, "device-1", 11, 15);
  await tree.advance(5000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 15));
  await expectSettled(tree);
  await expectExact(tree, [...everybody, "fog-2"]);
  expect(tree.log.lines).toContainEqual(
    expect.objectContaining({
      level: "warn",
      phrase: "the database was moved, copied or restored: messages get a new epoch",
    }),
  );
});

/**
 * A copy of device-1 is made when the numbers up to `inCopy` are on its disk and those up to `handedOn` above; then the others up to
 * `above` go up from the original. When this resolves, the copy is in the original's place and the node does not run.
 */
async function putBackWithBacklog(
  tree: MemoryTree,
  { handedOn, inCopy, above }: { readonly handedOn: number; readonly inCopy: number; readonly above: number },
): Promise<void> {
  await publish(tree, "device-1", 1, handedOn);
  await tree.advance(1000);
  await tree.link("device-1", "down");
  await publish(tree, "device-1", handedOn + 1, inCopy);
  await tree.stop("device-1");
  tree.copyData("device-1", "node");
  await tree.link("device-1", "up");
  await tree.start("device-1");
  await publish(tree, "device-1", inCopy + 1, above);
  await tree.advance(2000);
  await tree.stop("device-1");
  tree.copyData("device-1", "copy");
}

test("[O10] R1 a database that is an older copy goes on under a new epoch: nothing is lost, nothing passes for something old", async () => {
  await using tree = await threeLevels();
  await putBackWithBacklog(tree, { handedOn: 10, inCopy: 13, above: 20 });
  await tree.start("device-1");
  const uplink = await heard(await tree.client("device-1", "reader"), "/level/uplink");
  await publish(tree, "device-1", 101, 105);
  await tree.advance(8000);
  // 11 to 13 were in the copy and not acknowledged there: they come under both numbers. All else comes once.
  expect(await storedNumbers(tree)).toEqual(
    [...numbers(1, 13), ...numbers(11, 20), ...numbers(101, 105)].toSorted((a, b) => a - b),
  );
  expect(uplink.at(-1)).toContain('"state":"up"');
  expect(uplink.at(-1)).toContain("is an older copy of what its parent knows");
  const rows = await expectSettled(tree);
  expect(rows.map(({ high, delivered, lost }) => ({ high, delivered, lost }))).toEqual([
    { high: 20, delivered: 20, lost: 0 },
    { high: 8, delivered: 8, lost: 0 },
  ]);
  await expectExact(tree, everybody);
  expect(tree.log.lines.filter(({ phrase }) => phrase === "this database has taken a new epoch")).toHaveLength(1);
});

test("R1 what only the lost original had given is named as lost at the root, and old numbers that went under new ones as renumbered", async () => {
  await using tree = await threeLevels();
  await publish(tree, "device-1", 1, 5);
  await tree.advance(1000);
  await tree.stop("device-1");
  tree.copyData("device-1", "node");
  // The original gives 6 to 20, of which only the end gets up before its disk is gone.
  await tree.start("device-1");
  await tree.link("device-1", "down");
  await publish(tree, "device-1", 6, 20);
  await tree.stop("device-1");
  tree.copyData("device-1", "copy");
  await tree.ingest("fog-1", "device-1", { first: 18, last: 20 });
  // The copy gives 6 to 8 once more, offline.
  await tree.begin("device-1", "fog-1", "down");
  await publish(tree, "device-1", 106, 108);
  await tree.link("device-1", "up");
  await tree.advance(8000);
  expect(await storedNumbers(tree)).toEqual([...numbers(1, 5), ...numbers(18, 20), ...numbers(106, 108)]);
  const [old, fresh] = await expectSettled(tree);
  expect(old).toMatchObject({ high: 20, delivered: 8, lost: 12 });
  expect(fresh).toMatchObject({ high: 3, delivered: 3, lost: 0 });
  expect(await tree.gaps("cloud-1", "device-1")).toEqual([
    { first: 6, last: 8, reason: "renumbered" },
    { first: 9, last: 17, reason: "presumed-lost" },
  ]);
  await expectExact(tree, everybody);
});

test("[O10] R1 a copy whose numbers have caught up with the original's while it had no parent is known all the same", async () => {
  await using tree = await threeLevels();
  await publish(tree, "device-1", 1, 5);
  await tree.advance(1000);
  await tree.stop("device-1");
  tree.copyData("device-1", "node");
  await tree.start("device-1");
  await publish(tree, "device-1", 6, 10);
  await tree.advance(1000);
  await tree.stop("device-1");
  tree.copyData("device-1", "copy");
  await tree.begin("device-1", "fog-1", "down");
  await publish(tree, "device-1", 106, 115);
  await tree.link("device-1", "up");
  await tree.advance(8000);
  expect(await storedNumbers(tree)).toEqual([...numbers(1, 10), ...numbers(106, 115)]);
  await expectSettled(tree);
  await expectExact(tree, everybody);
});

test("[O10] R1 a copy that was started again and again before it met its parent is known by what it numbered since", async () => {
  await using tree = await threeLevels();
  await restoreBehindParent(tree);
  await publish(tree, "device-1", 106, 109);
  await tree.stop("device-1");
  await tree.start("device-1");
  await publish(tree, "device-1", 110, 115);
  await tree.stop("device-1");
  await tree.start("device-1");
  await tree.link("device-1", "up");
  await tree.advance(8000);
  expect(await storedNumbers(tree)).toEqual([...numbers(1, 10), ...numbers(106, 115)]);
  await expectSettled(tree);
  await expectExact(tree, everybody);
});

test("[O10] R1 a copy whose machine is started anew before it has met its parent: its numbers of the earlier epoch are compared too", async () => {
  await using tree = await threeLevels();
  await restoreBehindParent(tree);
  await publish(tree, "device-1", 106, 108);
  await tree.stop("device-1");
  tree.reboot("device-1");
  await tree.start("device-1");
  await publish(tree, "device-1", 201, 202);
  await tree.link("device-1", "up");
  await tree.advance(8000);
  expect(await storedNumbers(tree)).toEqual([...numbers(1, 10), ...numbers(106, 108), ...numbers(201, 202)]);
  const rows = await expectSettled(tree);
  // The two of the second epoch have been given once, and keep their numbers.
  expect(rows.map(({ high, delivered, lost }) => ({ high, delivered, lost }))).toEqual(
    expect.arrayContaining([
      { high: 10, delivered: 10, lost: 0 },
      { high: 2, delivered: 2, lost: 0 },
      { high: 3, delivered: 3, lost: 0 },
    ]),
  );
  const faults = tree.log.lines.filter(({ phrase }) => phrase === "this database has taken a new epoch");
  expect(faults).toMatchObject([{ fields: { fault: "older-copy", node: "device-1" } }]);
  await expectExact(tree, everybody);
});

test("[O1] R1 a fog that is an older copy takes what its original had handed to a fog that is below it now, once it has been told", async () => {
  await using tree = await threeLevels();
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  await tree.move("fog-1", "fog-2");
  await publish(tree, "fog-1", 1, 5);
  await tree.advance(2000);
  await tree.stop("fog-1");
  tree.copyData("fog-1", "node");
  // Of what the original gives now the end has got up another way; the rest is at the other fog.
  await tree.link("fog-2", "down");
  await tree.start("fog-1");
  await publish(tree, "fog-1", 6, 10);
  await tree.advance(3000);
  await tree.ingest("cloud-1", "fog-1", { first: 11, last: 12 });
  await tree.stop("fog-1");
  await tree.stop("fog-2");
  tree.copyData("fog-1", "copy");
  await tree.begin("fog-1", "cloud-1", "down");
  await tree.begin("fog-2", "fog-1", "up");
  await tree.advance(40_000);
  await tree.link("fog-1", "up");
  await tree.advance(40_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 12));
  await expectSettled(tree);
  await expectExact(tree, ["fog-1", "fog-2", "cloud-1"]);
});

test("[O2] R0 a backup with a backlog that is seen to be one sends it under its own numbers: once, whatever the parent has besides", async () => {
  await using tree = await threeLevels();
  await putBackWithBacklog(tree, { handedOn: 5, inCopy: 8, above: 10 });
  tree.replaceFile("device-1");
  await tree.start("device-1");
  await publish(tree, "device-1", 11, 12);
  await tree.advance(8000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 12));
  await expectSettled(tree);
  await expectExact(tree, everybody);
});

/** A copy of device-1 with the numbers up to 5 is put back unseen, and runs without a link; its parent has those up to 10. */
async function restoreBehindParent(tree: MemoryTree): Promise<void> {
  await publish(tree, "device-1", 1, 5);
  await tree.advance(1000);
  await tree.stop("device-1");
  tree.copyData("device-1", "node");
  await tree.start("device-1");
  await publish(tree, "device-1", 6, 10);
  await tree.advance(1000);
  await tree.stop("device-1");
  tree.copyData("device-1", "copy");
  await tree.begin("device-1", "fog-1", "down");
}

test("[O10] R2 a clone that gave the same numbers elsewhere is known by its checksums, by which parent ever it comes in", async () => {
  await using tree = await threeLevels();
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  await publish(tree, "device-1", 1, 5);
  await tree.advance(1000);
  await tree.stop("device-1");
  await tree.clone("twin", "device-1", { level: "device", parent: "fog-2" }, "alike");
  await tree.start("device-1");
  await tree.link("fog-2", "down");
  await tree.advance(1000);
  await publish(tree, "device-1", 6, 8);
  await publish(tree, "twin", 106, 108);
  await tree.advance(1000);
  await tree.stop("twin");
  await tree.move("device-1", "fog-2");
  await publish(tree, "device-1", 9, 10);
  await tree.advance(5000);
  const faults = tree.log.lines.filter(({ phrase }) => phrase === "this database has taken a new epoch");
  expect(faults).toMatchObject([{ fields: { fault: "clone", node: "device-1" } }]);
  await tree.link("fog-2", "up");
  await tree.advance(20_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 10));
  await expectSettled(tree);
  await expectExact(tree, [...everybody, "fog-2"]);
});

test("[O10] a new epoch that a crash interrupts is finished at the next start", async () => {
  await using tree = await threeLevels();
  await tree.link("device-1", "down");
  for (let value = 1; value <= 300; value++) await publish(tree, "device-1", value);
  await tree.renewEpoch("device-1", 4711);
  await tree.stop("device-1");
  await tree.link("device-1", "up");
  await tree.start("device-1");
  await publish(tree, "device-1", 301, 310);
  await tree.advance(20_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 310));
  const rows = await expectSettled(tree);
  expect(rows.map(({ high, delivered, lost }) => ({ high, delivered, lost }))).toEqual(
    expect.arrayContaining([
      { high: 300, delivered: 0, lost: 300 },
      { high: 310, delivered: 310, lost: 0 },
    ]),
  );
  const inOrder = (await tree.stored())
    .toSorted((a, b) => a.seq - b.seq)
    .map(({ payload }) => new TextDecoder().decode(payload));
  expect(inOrder).toEqual(numbers(1, 310).map(String));
  await expectExact(tree, everybody);
});

test("a clone in another machine is kept out while the original lives, and both sides say so; it comes in when that has gone", async () => {
  await using tree = await threeLevels();
  await publish(tree, "device-1", 1, 5);
  await tree.advance(1000);
  await tree.stop("device-1");
  await tree.clone("twin", "device-1", { level: "device", parent: "fog-1" });
  await tree.stop("twin");
  await tree.start("device-1");
  await tree.advance(1000);
  await tree.start("twin");
  const twin = await heard(await tree.client("twin", "reader"), "/level/uplink");
  const presence = await heard(await tree.client("fog-1", "reader"), "/level/presence/device-1");
  await publish(tree, "twin", 101, 103);
  await publish(tree, "device-1", 6, 8);
  await tree.advance(60_000);
  expect(twin.at(-1)).toContain("is connected already, and this is another one");
  expect(presence.at(-1)).toMatch(/"state":"online".*"alarm":\{"reason":"another node of this name is kept out/);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 8));
  await tree.stop("device-1");
  await tree.advance(60_000);
  expect(twin.at(-1)).toContain('"state":"up"');
  await tree.advance(130_000);
  expect(presence.at(-1)).not.toContain("alarm");
  expect(await storedNumbers(tree)).toEqual([...numbers(1, 8), ...numbers(101, 103)]);
  await expectSettled(tree);
  await expectExact(tree, ["twin", "fog-1", "cloud-1"]);
});

test("a node that comes back under a new epoch, its old session half-open, gets in as soon as that one is silent", async () => {
  await using tree = await threeLevels();
  await tree.link("device-1", "silent");
  await tree.stop("device-1");
  tree.reboot("device-1");
  await tree.begin("device-1", "fog-1", "up");
  await publish(tree, "device-1", 1, 3);
  await tree.advance(12_000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 3));
  expect(tree.log.lines.filter(({ phrase }) => phrase.startsWith("a second node of one name"))).toEqual([]);
});

test("[O3] a root that lost its journal and its documents hears of everything that was ever numbered, and shows what it does not have", async () => {
  await using tree = await threeLevels();
  await publish(tree, "device-1", 1, 10);
  await tree.advance(2000);
  await tree.stop("cloud-1");
  tree.wipe("cloud-1");
  tree.wipeDocuments();
  await tree.start("cloud-1");
  await tree.advance(10_000);
  const [row] = await tree.ledger("cloud-1");
  expect(row).toMatchObject({ origin: "device-1", high: 10, delivered: 0 });
  expect(row !== undefined && missingOf(row)).toBe(10);
  await publish(tree, "device-1", 11, 12);
  await tree.advance(3000);
  expect(await tree.ledger("cloud-1")).toMatchObject([{ high: 12, delivered: 2 }]);
  await expectExact(tree, everybody);
});
