// A device, a fog and a cloud, and everything that can come between them.
import { expect, test } from "vitest";
import { elsewhereOf, isBalanced, missingOf } from "#shared/journal/ledger.ts";
import { limits } from "#shared/limits.ts";
import type { Message } from "#shared/system/bus.ts";
import { dataStream, MemoryTree } from "../fakes/memory-tree.ts";
import type { MemoryClient } from "../fakes/memory-broker.ts";

const text = new TextDecoder();

function message(topic: string, payload: string, qos: 0 | 1 = 1): Message {
  return { topic, payload: new TextEncoder().encode(payload), qos, retain: false };
}

async function threeLevels(): Promise<MemoryTree> {
  const tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.add("device-1", { level: "device", parent: "fog-1" });
  await tree.advance(1000);
  return tree;
}

/** Everything that arrives at `filter`, as "topic payload". */
async function inbox(client: MemoryClient, filter: string): Promise<string[]> {
  const lines: string[] = [];
  client.onMessage(({ topic, payload }) => lines.push(`${topic} ${text.decode(payload)}`));
  await client.subscribe(filter, 1);
  return lines;
}

async function publishAll(client: MemoryClient, from: number, to: number): Promise<void> {
  for (let value = from; value <= to; value++) await client.publish(message("/data/x", String(value)));
}

async function expectStoredOnce(tree: MemoryTree, count: number): Promise<void> {
  const stored = await tree.stored();
  expect(stored.map(({ payload }) => Number(text.decode(payload))).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: count }, (_, index) => index + 1),
  );
  expect(stored.map(({ seq }) => seq).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: count }, (_, index) => index + 1),
  );
  for (const name of ["device-1", "fog-1", "cloud-1"]) {
    for (const row of await tree.ledger(name))
      expect({ name, row, balanced: isBalanced(row) }).toMatchObject({ balanced: true });
  }
  const [root] = await tree.ledger("cloud-1");
  expect(root).toMatchObject({ origin: "device-1", stream: "data", high: count, delivered: count, lost: 0, held: 0 });
}

test("[J16.16] what a device publishes is stored at the cloud once, and seen as /from/ by every ancestor", async () => {
  await using tree = await threeLevels();
  const atFog = await inbox(await tree.client("fog-1", "reader"), "/from/+/data/#");
  const atCloud = await inbox(await tree.client("cloud-1", "reader"), "/from/+/data/#");
  const sensor = await tree.client("device-1", "sensor");
  await sensor.publish(message("/data/x", "1"));
  await sensor.publish(message("/data/x", "2"));
  await tree.advance(1000);
  await expectStoredOnce(tree, 2);
  expect(atFog).toEqual(["/from/device-1/data/x 1", "/from/device-1/data/x 2"]);
  expect(atCloud).toEqual(atFog);
});

test("[J9] [T2] a level message, and what is not captured, never leaves its node", async () => {
  await using tree = await threeLevels();
  const everywhere = await Promise.all(
    ["fog-1", "cloud-1"].map(async (name) => inbox(await tree.client(name, "reader"), "#")),
  );
  const here = await inbox(await tree.client("device-1", "reader"), "/level/#");
  const sensor = await tree.client("device-1", "sensor");
  await sensor.publish(message("/level/x", "marker"));
  await sensor.publish(message("/other/x", "marker"));
  await tree.advance(2000);
  expect(here).toContain("/level/x marker");
  expect(everywhere.flat().filter((line) => line.includes("marker"))).toEqual([]);
  expect(await tree.stored()).toEqual([]);
});

test("[J15 trap] a device works alone, and its backlog drains by itself when the parent comes", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.stop("fog-1");
  await tree.add("device-1", { level: "device", parent: "fog-1" });
  const sensor = await tree.client("device-1", "sensor");
  await publishAll(sensor, 1, 500);
  expect(await tree.ledger("device-1")).toMatchObject([{ high: 500, held: 500, delivered: 0 }]);
  await tree.start("fog-1");
  await tree.advance(5000);
  await expectStoredOnce(tree, 500);
});

test("a backlog comes newest first, and what is published later behind it", async () => {
  await using tree = await threeLevels();
  const sensor = await tree.client("device-1", "sensor");
  await tree.link("device-1", "down");
  for (let value = 1; value <= 5; value++) {
    await sensor.publish(message("/data/x", String(value)));
    await tree.advance(50);
  }
  const atCloud = await inbox(await tree.client("cloud-1", "reader"), "/from/device-1/data/#");
  await tree.link("device-1", "up");
  await tree.advance(3000);
  await sensor.publish(message("/data/x", "6"));
  await tree.advance(1000);
  expect(atCloud.map((line) => Number(line.split(" ")[1]))).toEqual([5, 4, 3, 2, 1, 6]);
  await expectStoredOnce(tree, 6);
});

test("a link that is cut again and again, at either hop, loses nothing and stores nothing twice", async () => {
  await using tree = await threeLevels();
  const sensor = await tree.client("device-1", "sensor");
  let value = 0;
  for (let round = 0; round < 30; round++) {
    const link = round % 2 === 0 ? "device-1" : "fog-1";
    await tree.link(link, round % 3 === 0 ? "silent" : "down");
    await publishAll(sensor, value + 1, value + 20);
    value += 20;
    await tree.advance(round % 3 === 0 ? 300 : 50);
    await tree.link(link, "up");
    await tree.advance((round * 37) % 700);
  }
  await tree.advance(60_000);
  await expectStoredOnce(tree, value);
});

test("a half-open link is noticed within ten seconds at both ends", async () => {
  await using tree = await threeLevels();
  const uplink = await inbox(await tree.client("device-1", "reader"), "/level/uplink");
  const presence = await inbox(await tree.client("fog-1", "reader"), "/level/presence/device-1");
  expect([uplink.at(-1), presence.at(-1)]).toEqual([
    expect.stringContaining('"state":"up"'),
    expect.stringContaining('"state":"online"'),
  ]);
  await tree.link("device-1", "silent");
  await tree.advance(12_500);
  expect(uplink.at(-1)).toContain("the parent has fallen silent");
  expect(presence.at(-1)).toContain('"state":"lost"');
});

test("[J5] [J14] presence tells a clean departure from a loss, and a return from both", async () => {
  await using tree = await threeLevels();
  const presence = await inbox(await tree.client("fog-1", "reader"), "/level/presence/device-1");
  await tree.link("device-1", "down");
  await tree.link("device-1", "up");
  await tree.advance(2000);
  await tree.stop("device-1");
  await tree.advance(100);
  const states = presence.map((line) => /"state":"(\w+)"/.exec(line)?.[1]);
  expect(states).toEqual(["online", "lost", "online", "left"]);
});

test("a second node of one name is kept out while the first is connected, and said so at both", async () => {
  await using tree = await threeLevels();
  await tree.add("impostor", { level: "device", parent: "fog-1", name: "device-1" });
  const uplink = await inbox(await tree.client("impostor", "reader"), "/level/uplink");
  await tree.advance(20_000);
  expect(uplink.at(-1)).toContain('"state":"down"');
  expect(uplink.at(-1)).toContain("is connected already");
  const kept = tree.log.lines.filter(({ phrase }) => phrase.startsWith("a second node of one name"));
  expect(kept).toHaveLength(1);
  await publishAll(await tree.client("device-1", "sensor"), 1, 5);
  await tree.advance(2000);
  await expectStoredOnce(tree, 5);
  await tree.stop("device-1");
  await tree.advance(20_000);
  expect(uplink.at(-1)).toContain('"state":"up"');
});

test("[J4] [T1] no node ever opens a connection to a node below it", async () => {
  await using tree = await threeLevels();
  await tree.link("device-1", "down");
  await tree.link("fog-1", "down");
  await tree.advance(3000);
  await tree.link("device-1", "up");
  await tree.link("fog-1", "up");
  await tree.advance(3000);
  expect(new Set(tree.dialled)).toEqual(new Set(["fog-1 → cloud-1", "device-1 → fog-1"]));
});

test("a restarted fog goes on where it was: its own backlog and its child's", async () => {
  await using tree = await threeLevels();
  const sensor = await tree.client("device-1", "sensor");
  await tree.link("fog-1", "down");
  await publishAll(sensor, 1, 100);
  await tree.advance(2000);
  expect(await tree.ledger("fog-1")).toMatchObject([{ origin: "device-1", held: 100 }]);
  await tree.stop("fog-1");
  await publishAll(sensor, 101, 150);
  await tree.link("fog-1", "up");
  await tree.start("fog-1");
  await tree.advance(10_000);
  await expectStoredOnce(tree, 150);
});

test("a device that changes its fog, back and forth, with data left at each: all of it once, and each ledger sums", async () => {
  await using tree = await threeLevels();
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  const sensor = () => tree.client("device-1", "sensor");
  await tree.link("fog-1", "down");
  await publishAll(await sensor(), 1, 40);
  await tree.advance(2000);
  await tree.move("device-1", "fog-2");
  await publishAll(await sensor(), 41, 80);
  await tree.advance(2000);
  expect((await tree.stored()).map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, index) => 41 + index));
  await tree.move("device-1", "fog-1");
  await publishAll(await sensor(), 81, 100);
  await tree.advance(2000);
  await tree.link("fog-1", "up");
  await tree.advance(5000);
  await expectStoredOnce(tree, 100);
  const [atFog] = (await tree.ledger("fog-1")).filter(({ origin }) => origin === "device-1");
  expect(atFog).toMatchObject({ high: 100, delivered: 60 });
  expect(atFog !== undefined && [missingOf(atFog), elsewhereOf(atFog)]).toEqual([40, 40]);
});

test("[O1] two fogs that change places pass on what they had handed to each other, own messages included", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-b", { level: "fog", parent: "cloud-1" });
  await tree.add("fog-a", { level: "fog", parent: "fog-b" });
  await tree.add("device-1", { level: "device", parent: "fog-a" });
  await tree.advance(1000);
  await tree.link("fog-b", "down");
  await publishAll(await tree.client("device-1", "sensor"), 1, 5);
  await (await tree.client("fog-a", "sensor")).publish(message("/data/a", "of fog-a"));
  await (await tree.client("fog-b", "sensor")).publish(message("/data/b", "of fog-b"));
  await tree.advance(3000);
  expect((await tree.ledger("fog-a")).map(({ origin, held }) => ({ origin, held }))).toEqual([
    { origin: "device-1", held: 0 },
    { origin: "fog-a", held: 0 },
  ]);
  // Now fog-a is above fog-b, and again the other way round before the cloud is back.
  await tree.stop("fog-a");
  await tree.stop("fog-b");
  await tree.begin("fog-a", "cloud-1", "down");
  await tree.begin("fog-b", "fog-a", "up");
  await tree.advance(5000);
  await publishAll(await tree.client("device-1", "sensor"), 6, 9);
  await tree.advance(3000);
  await tree.stop("fog-a");
  await tree.stop("fog-b");
  await tree.begin("fog-b", "cloud-1", "down");
  await tree.begin("fog-a", "fog-b", "up");
  await tree.advance(5000);
  await tree.link("fog-b", "up");
  await tree.advance(10_000);
  const stored = (await tree.stored()).map(({ origin, payload }) => `${origin} ${text.decode(payload)}`);
  expect(stored.toSorted()).toEqual([
    ...Array.from({ length: 9 }, (_, index) => `device-1 ${index + 1}`),
    "fog-a of fog-a",
    "fog-b of fog-b",
  ]);
  for (const name of ["cloud-1", "fog-a", "fog-b", "device-1"]) {
    for (const row of await tree.ledger(name))
      expect({ name, row, balanced: isBalanced(row), held: row.held }).toMatchObject({ balanced: true, held: 0 });
  }
});

test("a device that roams between two fogs for long leaves many ranges at each, and still comes in", async () => {
  await using tree = await threeLevels();
  await tree.add("fog-2", { level: "fog", parent: "cloud-1" });
  let value = 0;
  for (let round = 0; round < 70; round++) {
    await tree.move("device-1", round % 2 === 0 ? "fog-2" : "fog-1");
    await publishAll(await tree.client("device-1", "sensor"), value + 1, value + 2);
    value += 2;
    await tree.advance(300);
  }
  await tree.advance(5000);
  await expectStoredOnce(tree, value);
});

test("topics at the limits of length and depth do not stop what comes behind them", async () => {
  await using tree = await threeLevels();
  const atFog = await inbox(await tree.client("fog-1", "reader"), "/from/#");
  const sensor = await tree.client("device-1", "sensor");
  const longest = `/data/${"x".repeat(limits.topicBytes - 6)}`;
  const deepest = `/data${"/".repeat(limits.topicLevels - 2)}`;
  await sensor.publish(message(longest, "1"));
  await sensor.publish(message(deepest, "2"));
  await sensor.publish(message("/data/x", "3"));
  await tree.advance(2000);
  await expectStoredOnce(tree, 3);
  expect(atFog).toEqual([`/from/device-1${longest} 1`, `/from/device-1${deepest} 2`, "/from/device-1/data/x 3"]);
});

test("QoS 0 is captured too, and only QoS 1 waits for the commit", async () => {
  await using tree = await threeLevels();
  const sensor = await tree.client("device-1", "sensor");
  for (let value = 1; value <= 50; value++)
    await sensor.publish(message("/data/x", String(value), value % 2 === 0 ? 0 : 1));
  await tree.advance(2000);
  await expectStoredOnce(tree, 50);
});

test("a full journal refuses durable publishes, keeps what it has, and takes data again once it has drained", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  const streams = [{ ...dataStream, policy: "newest" as const }];
  await tree.add("device-1", { level: "device", parent: "cloud-1", maxBytes: 2 * 1024 * 1024, streams });
  await tree.link("device-1", "down");
  const notices = await inbox(await tree.client("device-1", "reader"), "/level/journal");
  const payload = "x".repeat(100_000);
  let stored = 0;
  let refused: unknown;
  while (refused === undefined && stored < 1000) {
    const sensor = await tree.client("device-1", "sensor");
    const attempt = sensor.publish(message("/data/big", payload)).then(
      () => stored++,
      (error: unknown) => (refused = error ?? "closed"),
    );
    await tree.settle();
    await tree.advance(limits.refusedPublishHoldMs + 100);
    await attempt;
  }
  expect(stored).toBeGreaterThan(5);
  expect(stored).toBeLessThan(25);
  expect(notices.at(-1)).toContain('"state":"refusing"');
  expect(await tree.ledger("device-1")).toMatchObject([{ high: stored, held: stored }]);
  await tree.link("device-1", "up");
  await tree.advance(35_000);
  expect(await tree.stored()).toHaveLength(stored);
  const sensor = await tree.client("device-1", "sensor");
  await sensor.publish(message("/data/big", payload));
  expect(notices.at(-1)).toContain('"state":"accepting"');
  await tree.advance(1000);
  expect(await tree.stored()).toHaveLength(stored + 1);
});

test("a payload that the journal does not take is refused at once and stores nothing", async () => {
  await using tree = await threeLevels();
  const sensor = await tree.client("device-1", "sensor");
  const huge = {
    topic: "/data/x",
    payload: new Uint8Array(limits.journalPayloadBytes + 1),
    qos: 1 as const,
    retain: false,
  };
  await expect(sensor.publish(huge)).rejects.toThrow();
  const again = await tree.client("device-1", "sensor");
  await again.publish({ ...huge, payload: huge.payload.subarray(1) });
  await tree.advance(2000);
  expect(await tree.stored()).toHaveLength(1);
});
