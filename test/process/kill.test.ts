// kill -9 of any process at any time: nothing acknowledged is lost, nothing is stored twice, every ledger sums.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFailed, test } from "vitest";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { countingPublisher } from "../fakes/counting-publisher.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../fakes/node-under-test.ts";

const tortureMs = 20_000;
const messagesPerSecond = 400;
const drainMs = 60_000;

/** Small generator for a sequence that a seed repeats (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function threeLevels(folder: string): Promise<readonly [NodeUnderTest, NodeUnderTest, NodeUnderTest]> {
  const pick = createPortPicker();
  const ports = async () => ({ mqtt: await pick(), http: await pick() });
  const cloud = nodeUnderTest(folder, "cloud-1", await ports(), "level = cloud;");
  const fog = nodeUnderTest(
    folder,
    "fog-1",
    await ports(),
    `level = fog; uplink: { url = "mqtt://127.0.0.1:${cloud.mqttPort}"; };`,
  );
  const quiet = "sources: { host: { enabled = false; }; };";
  const device = nodeUnderTest(
    folder,
    "device-1",
    await ports(),
    `level = device; uplink: { url = "mqtt://127.0.0.1:${fog.mqttPort}"; }; ${quiet}`,
  );
  return [cloud, fog, device];
}

async function torture(nodes: readonly NodeUnderTest[], random: () => number): Promise<number> {
  const endAt = Date.now() + tortureMs;
  let kills = 0;
  while (Date.now() < endAt) {
    await new Promise((resolve) => setTimeout(resolve, 200 + random() * 500));
    const victim = nodes[Math.floor(random() * nodes.length)];
    if (victim === undefined) throw new Error("unreachable");
    await victim.end();
    kills++;
    await victim.start();
  }
  return kills;
}

test(
  "[O1] [O2] [O3] [O4] [O5] each process of a three-level tree is killed at random while a device publishes",
  { timeout: 180_000 },
  async () => {
    const seed = Number(process.env["FOGBANK_TEST_SEED"] ?? Math.floor(Math.random() * 1e9));
    console.log(`seed ${seed}: repeat with FOGBANK_TEST_SEED=${seed}`);
    const folder = mkdtempSync(join(tmpdir(), "fogbank-kill-"));
    let keep = false;
    onTestFailed(() => {
      keep = true;
      console.log(`logs and databases are kept in ${folder}`);
    });
    const nodes = await threeLevels(folder);
    const [cloud, fog, device] = nodes;
    try {
      for (const node of nodes) await node.start();
      const publisher = countingPublisher(device.mqttPort, "counter", "/data/count", messagesPerSecond);
      const kills = await torture(nodes, seeded(seed));
      await publisher.stop();
      console.log(`${kills} kills, ${publisher.sent()} sent, ${publisher.acknowledged.size} acknowledged`);
      expect(kills).toBeGreaterThan(10);
      expect(publisher.acknowledged.size).toBeGreaterThan(500);

      const [atDevice] = await eventually(
        () => device.accounting("device-1"),
        (rows) => rows.every(({ pending }) => pending === 0),
        drainMs,
      );
      const isDrained = (rows: readonly { readonly next: number; readonly pending: number }[]) =>
        rows.length === 1 && rows[0]?.next === atDevice?.next && rows[0]?.pending === 0;
      await eventually(() => fog.accounting("device-1"), isDrained, drainMs);
      const [atCloud] = await eventually(() => cloud.accounting("device-1"), isDrained, drainMs);

      const stored = await cloud.data("device-1");
      const numbers = stored.map(({ payload }) => (JSON.parse(payload ?? "") as { readonly n: number }).n);
      const seqs = stored.map(({ seq }) => seq).toSorted((a, b) => a - b);
      expect(new Set(numbers).size, "no message is stored twice").toBe(numbers.length);
      const present = new Set(numbers);
      expect(
        [...publisher.acknowledged].filter((number) => !present.has(number)),
        "acknowledged, not stored",
      ).toEqual([]);
      expect(seqs, "numbers without a hole, each once").toEqual(
        Array.from({ length: stored.length }, (_, index) => index + 1),
      );
      expect(atCloud).toMatchObject({ next: stored.length + 1, stored: stored.length, lost: 0, pending: 0 });
      for (const node of nodes) {
        for (const row of await node.accounting("device-1"))
          expect({ node: node.name, ...row }).toMatchObject({ balanced: true, lost: 0 });
      }
    } finally {
      await Promise.all(nodes.map((node) => node.end()));
      if (!keep) rmSync(folder, { recursive: true, force: true });
    }
  },
);
