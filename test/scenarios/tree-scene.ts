// What the scenarios about identity, final class, time and change of parent do with a tree, and what must hold at the end of each.
import { expect } from "vitest";
import { isBalanced, missingOf, type LedgerRow } from "#shared/journal/ledger.ts";
import type { MemoryClient } from "../fakes/memory-broker.ts";
import { MemoryTree, type NodeOptions } from "../fakes/memory-tree.ts";

const text = new TextDecoder();

/** cloud-1, below it fog-1, below it device-1. */
export async function threeLevels(device: Partial<NodeOptions> = {}): Promise<MemoryTree> {
  const tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.add("device-1", { level: "device", parent: "fog-1", ...device });
  await tree.advance(1000);
  return tree;
}

/** Publishes the numbers from `from` to `to` at that node, each when the one before is durable. */
export async function publish(tree: MemoryTree, node: string, from: number, to = from): Promise<void> {
  const sensor = await tree.client(node, "sensor");
  for (let value = from; value <= to; value++) {
    await sensor.publish({ topic: "/data/x", payload: new TextEncoder().encode(String(value)), qos: 1, retain: false });
  }
}

/** Everything that arrives at `filter`, what is retained first. */
export async function heard(client: MemoryClient, filter: string): Promise<string[]> {
  const texts: string[] = [];
  client.onMessage(({ payload }) => texts.push(text.decode(payload)));
  await client.subscribe(filter, 1);
  return texts;
}

export function numbers(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** What the root has, in ascending order; twice what came twice. */
export async function storedNumbers(tree: MemoryTree): Promise<readonly number[]> {
  return (await tree.stored()).map(({ payload }) => Number(text.decode(payload))).toSorted((a, b) => a - b);
}

/** No identity has two messages, and every ledger sums up [O2] [O3]. */
export async function expectExact(tree: MemoryTree, nodes: readonly string[]): Promise<void> {
  const identities = (await tree.stored()).map(
    ({ origin, epoch, stream, seq }) => `${origin}/${epoch}/${stream}/${seq}`,
  );
  expect(new Set(identities).size).toBe(identities.length);
  for (const node of nodes) {
    for (const row of await tree.ledger(node)) {
      expect({ node, row, balanced: isBalanced(row) }).toMatchObject({ balanced: true });
    }
  }
}

/** At the root nothing is on its way any more: each number is stored, or named as lost. */
export async function expectSettled(tree: MemoryTree, root = "cloud-1"): Promise<readonly LedgerRow[]> {
  const rows = await tree.ledger(root);
  for (const row of rows) expect({ row, missing: missingOf(row) }).toMatchObject({ row: { held: 0 }, missing: 0 });
  return rows;
}
