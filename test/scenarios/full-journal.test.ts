// Journals that have no room left, at a device and at a fog, and what is known of it above.
import { expect, test } from "vitest";
import { isBalanced } from "#shared/journal/ledger.ts";
import { dataStream, MemoryTree } from "../fakes/memory-tree.ts";

const mib = 1024 * 1024;
const encoder = new TextEncoder();

async function publish(tree: MemoryTree, node: string, topic: string, count: number): Promise<void> {
  const sensor = await tree.client(node, "sensor");
  for (let value = 1; value <= count; value++) {
    const payload = encoder.encode(`${value} ${"x".repeat(50_000)}`);
    await sensor.publish({ topic, payload, qos: 1, retain: false });
  }
}

async function notices(tree: MemoryTree, node: string): Promise<() => unknown> {
  const reader = await tree.client(node, "reader");
  let last: unknown;
  reader.onMessage(({ payload }) => (last = JSON.parse(new TextDecoder().decode(payload))));
  await reader.subscribe("/level/journal", 1);
  return () => last;
}

/** Every number of `origin` is in the document store once, or named as lost at the root. */
async function expectAccounted(tree: MemoryTree, origin: string, count: number): Promise<number> {
  const stored = (await tree.stored()).filter((document) => document.origin === origin).map(({ seq }) => seq);
  expect(new Set(stored).size).toBe(stored.length);
  const [row] = (await tree.ledger("cloud-1")).filter((ledger) => ledger.origin === origin);
  expect(row).toMatchObject({ high: count, delivered: stored.length, lost: count - stored.length, held: 0 });
  expect(row !== undefined && isBalanced(row)).toBe(true);
  return stored.length;
}

test("a device without room gives up its oldest, says so, and above every number is stored or named as lost", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("device-1", { level: "device", parent: "cloud-1", maxBytes: 2 * mib });
  await tree.link("device-1", "down");
  const notice = await notices(tree, "device-1");
  await publish(tree, "device-1", "/data/big", 100);
  await tree.advance(6_000);
  const [device] = await tree.ledger("device-1");
  expect(device).toMatchObject({ high: 100, lost: 100 - (device?.held ?? 0) });
  expect(notice()).toMatchObject({
    state: "evicting",
    lost: [{ origin: "device-1", stream: "data", messages: device?.lost }],
  });
  await tree.advance(70_000);
  expect(notice()).toMatchObject({ state: "accepting" });
  await tree.link("device-1", "up");
  await tree.advance(35_000);
  expect(await expectAccounted(tree, "device-1", 100)).toBe(device?.held);
});

test("a full fog gives up what is least important and goes on taking in; gaps reach the root like data", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1", maxBytes: 2 * mib });
  await tree.link("fog-1", "down");
  const bulk = { ...dataStream, name: "bulk", filters: ["/data/bulk/#"], priority: 3 as const };
  await tree.add("device-1", { level: "device", parent: "fog-1", streams: [bulk] });
  await tree.add("device-2", { level: "device", parent: "fog-1" });
  await tree.advance(1_000);
  await publish(tree, "device-1", "/data/bulk/x", 30);
  await tree.advance(2_000);
  await publish(tree, "device-2", "/data/x", 25);
  await tree.advance(5_000);
  // All of it has left the devices: the fog's credit never ended.
  for (const device of ["device-1", "device-2"])
    expect(await tree.ledger(device)).toMatchObject([{ held: 0, lost: 0 }]);
  const [first, second] = (await tree.ledger("fog-1")).toSorted((a, b) => a.origin.localeCompare(b.origin));
  expect(first?.lost).toBeGreaterThan(10);
  expect(second).toMatchObject({ lost: 0, held: 25 });
  await tree.link("fog-1", "up");
  await tree.advance(35_000);
  expect(await expectAccounted(tree, "device-1", 30)).toBe(first?.held);
  expect(await expectAccounted(tree, "device-2", 25)).toBe(25);
});

test("a fog that stays full goes on taking in, look after look", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1", maxBytes: 2 * mib });
  await tree.link("fog-1", "down");
  await tree.add("device-1", { level: "device", parent: "fog-1" });
  await tree.advance(1_000);
  for (let round = 1; round <= 6; round++) {
    await publish(tree, "device-1", "/data/x", 12);
    await tree.advance(10_000);
    expect(await tree.ledger("device-1")).toMatchObject([{ held: 0, lost: 0 }]);
  }
  const [fog] = await tree.ledger("fog-1");
  expect(fog?.lost).toBeGreaterThan(10);
  await tree.link("fog-1", "up");
  await tree.advance(35_000);
  await expectAccounted(tree, "device-1", 72);
});

test("a fog whose streams refuse what is new holds its children back, and loses nothing", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1", maxBytes: 2 * mib });
  await tree.link("fog-1", "down");
  const streams = [{ ...dataStream, policy: "newest" as const }];
  await tree.add("device-1", { level: "device", parent: "fog-1", streams });
  await tree.advance(1_000);
  await publish(tree, "device-1", "/data/x", 60);
  await tree.advance(10_000);
  const [device] = await tree.ledger("device-1");
  expect(device?.held).toBeGreaterThan(10);
  await tree.link("fog-1", "up");
  await tree.advance(60_000);
  expect(await expectAccounted(tree, "device-1", 60)).toBe(60);
});

test("what expires while nothing else happens is known above all the same", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  const streams = [{ ...dataStream, maxAgeMs: 60_000 }];
  await tree.add("device-1", { level: "device", parent: "cloud-1", streams });
  await tree.link("device-1", "down");
  await publish(tree, "device-1", "/data/x", 5);
  await tree.advance(130_000);
  expect(await tree.ledger("device-1")).toMatchObject([{ high: 5, held: 0, lost: 5 }]);
  await tree.link("device-1", "up");
  await tree.advance(35_000);
  expect(await expectAccounted(tree, "device-1", 5)).toBe(0);
});

test("what gave way to a message that was refused after all is known above", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  const streams = [{ ...dataStream, policy: "decimate" as const, maxBytes: 200_000 }];
  await tree.add("device-1", { level: "device", parent: "cloud-1", streams });
  await tree.link("device-1", "down");
  await publish(tree, "device-1", "/data/x", 3);
  const sensor = await tree.client("device-1", "large");
  const payload = new Uint8Array(180_000);
  const refused = expect(sensor.publish({ topic: "/data/x", payload, qos: 1, retain: false })).rejects.toThrow();
  await tree.advance(15_000);
  await refused;
  const [device] = await tree.ledger("device-1");
  expect(device).toMatchObject({ high: 3, lost: 3 - (device?.held ?? 0) });
  expect(device?.lost).toBeGreaterThan(0);
  await tree.link("device-1", "up");
  await tree.advance(35_000);
  expect(await expectAccounted(tree, "device-1", 3)).toBe(device?.held);
});

test("[O3] final: what two full fogs have dropped is asked for down to its origin when the fog above them loses its disk", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.add("fog-2", { level: "fog", parent: "fog-1", maxBytes: 2 * mib });
  await tree.add("fog-3", { level: "fog", parent: "fog-2", maxBytes: 2 * mib });
  await tree.add("device-1", { level: "device", parent: "fog-3", streamClass: "final" });
  await tree.advance(1_000);
  await tree.link("fog-1", "down");
  for (let round = 0; round < 10; round++) {
    await publish(tree, "device-1", "/data/big", 10);
    await tree.advance(3_000);
  }
  expect(await tree.ledger("fog-1")).toMatchObject([{ held: 100 }]);
  expect(await tree.ledger("device-1")).toMatchObject([{ held: 100, handed: 100 }]);
  for (const fog of ["fog-2", "fog-3"]) {
    const [row] = await tree.ledger(fog);
    expect(row?.held).toBeLessThan(60);
    expect(row).toMatchObject({ lost: 0, delivered: 100 - (row?.held ?? 0) });
  }
  await tree.stop("fog-1");
  tree.wipe("fog-1");
  await tree.link("fog-1", "up");
  await tree.start("fog-1");
  await tree.advance(90_000);
  expect(await expectAccounted(tree, "device-1", 100)).toBe(100);
  for (const node of ["device-1", "fog-3", "fog-2", "fog-1"]) {
    const rows = await tree.ledger(node);
    expect({ node, rows }).toMatchObject({ rows: [{ held: 0, lost: 0, delivered: 100 }] });
    expect(rows.every(isBalanced)).toBe(true);
  }
});

test.each(["fog-2", "fog-1"])(
  "[O3] final: what a device has dropped because its parent had it is named as lost when %s loses its disk and nobody has it",
  async (victim) => {
    await using tree = new MemoryTree();
    await tree.add("cloud-1", { level: "cloud" });
    await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
    await tree.add("fog-2", { level: "fog", parent: "fog-1", maxBytes: 2 * mib });
    await tree.add("device-1", { level: "device", parent: "fog-2", maxBytes: 2 * mib, streamClass: "final" });
    await tree.advance(1_000);
    const cut = victim === "fog-1" ? "fog-1" : "fog-2";
    await tree.link(cut, "down");
    for (let round = 0; round < (victim === "fog-1" ? 10 : 5); round++) {
      await publish(tree, "device-1", "/data/big", 10);
      await tree.advance(3_000);
    }
    const [device] = await tree.ledger("device-1");
    const high = device?.high ?? 0;
    expect(device).toMatchObject({ lost: 0 });
    expect(device?.delivered).toBeGreaterThan(5);
    await tree.stop(victim);
    tree.wipe(victim);
    await tree.link(cut, "up");
    await tree.start(victim);
    await tree.advance(90_000);
    const stored = await expectAccounted(tree, "device-1", high);
    expect(stored).toBeGreaterThanOrEqual(device?.held ?? 0);
    expect(stored).toBeLessThan(high);
    expect(new Set((await tree.gaps("cloud-1", "device-1")).map(({ reason }) => reason))).toEqual(
      new Set(["presumed-lost"]),
    );
    for (const node of ["device-1", "fog-2", "fog-1"]) {
      const rows = await tree.ledger(node);
      expect({ node, rows }).toMatchObject({ rows: [{ held: 0 }] });
      expect(rows.every(isBalanced)).toBe(true);
    }
  },
);

test("[O3] R1 what an older copy had no room for, under numbers that its lost original had handed on, is named at the root", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("device-1", { level: "device", parent: "cloud-1", maxBytes: 2 * mib });
  await tree.advance(1_000);
  await publish(tree, "device-1", "/data/big", 5);
  await tree.advance(3_000);
  await tree.stop("device-1");
  tree.copyData("device-1", "node");
  await tree.start("device-1");
  for (let round = 0; round < 10; round++) {
    await publish(tree, "device-1", "/data/big", 10);
    await tree.advance(3_000);
  }
  await tree.stop("device-1");
  tree.copyData("device-1", "copy");
  await tree.begin("device-1", "cloud-1", "down");
  await publish(tree, "device-1", "/data/big", 80);
  const [copy] = await tree.ledger("device-1");
  expect(copy).toMatchObject({ high: 85, delivered: 5, lost: 80 - (copy?.held ?? 0) });
  await tree.link("device-1", "up");
  await tree.advance(60_000);
  const rows = (await tree.ledger("cloud-1")).map(({ high, delivered, lost }) => ({ high, delivered, lost }));
  expect(rows).toHaveLength(2);
  expect(rows).toContainEqual({ high: 105, delivered: 105, lost: 0 });
  expect(rows).toContainEqual({ high: 80, delivered: copy?.held, lost: copy?.lost });
});

test("[O1] [O3] final: what a device has named as lost when it moved on is taken back by the fog that has it", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  await tree.add("device-1", { level: "device", parent: "fog-1", maxBytes: 2 * mib, streamClass: "final" });
  await tree.advance(1_000);
  await tree.link("fog-1", "down");
  for (let round = 0; round < 10; round++) {
    await publish(tree, "device-1", "/data/big", 10);
    await tree.advance(3_000);
  }
  const [device] = await tree.ledger("device-1");
  expect(device).toMatchObject({ high: 100, lost: 0 });
  await tree.move("device-1", "fog-2");
  await tree.advance(60_000);
  // The mark has passed them all: the device waits for nothing.
  expect(await tree.ledger("device-1")).toMatchObject([{ held: 0, finalMark: 100, lost: device?.delivered }]);
  expect(await expectAccounted(tree, "device-1", 100)).toBe(device?.held);
  await tree.link("fog-1", "up");
  await tree.advance(60_000);
  expect(await expectAccounted(tree, "device-1", 100)).toBe(100);
  expect((await tree.ledger("fog-1")).filter(({ origin }) => origin === "device-1")).toMatchObject([{ held: 0 }]);
});
