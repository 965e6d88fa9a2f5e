// Whose clock stamps a message: the tree's, as far as a node knows it, and repaired when it did not.
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { MemoryTree } from "../fakes/memory-tree.ts";
import { numbers, publish, storedNumbers, threeLevels } from "./tree-scene.ts";

const hourMs = 3_600_000;
const in1970Ms = 1_000_000;

/** How far the stamp of each message at the root is from the true time at which it was published. */
async function errorsMs(tree: MemoryTree, trueMs: ReadonlyMap<number, number>): Promise<readonly number[]> {
  const stored = await tree.stored();
  return stored.map(({ payload, timeMs }) => timeMs - (trueMs.get(Number(new TextDecoder().decode(payload))) ?? 0));
}

/** Publishes one message and notes the true time. */
async function note(tree: MemoryTree, trueMs: Map<number, number>, node: string, value: number): Promise<void> {
  trueMs.set(value, tree.clock.now());
  await publish(tree, node, value);
}

test("a device that boots in 1970 without its parent stamps rightly, once it has met it, what it had recorded", async () => {
  await using tree = new MemoryTree();
  const trueMs = new Map<number, number>();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.add("device-1", { level: "device", parent: "fog-1" });
  await tree.stop("device-1");
  tree.machineClock("device-1").setWallClock(in1970Ms);
  await tree.begin("device-1", "fog-1", "down");
  await note(tree, trueMs, "device-1", 1);
  await tree.advance(hourMs / 60);
  // The wall clock jumps, and the process is started again: its messages are stamped by another clock of the same boot.
  tree.machineClock("device-1").setWallClock(in1970Ms + 5 * hourMs);
  await note(tree, trueMs, "device-1", 2);
  await tree.stop("device-1");
  await tree.begin("device-1", "fog-1", "down");
  await note(tree, trueMs, "device-1", 3);
  await tree.link("device-1", "up");
  await tree.advance(5000);
  await note(tree, trueMs, "device-1", 4);
  await tree.advance(5000);
  expect(await storedNumbers(tree)).toEqual(numbers(1, 4));
  for (const errorMs of await errorsMs(tree, trueMs)) expect(Math.abs(errorMs)).toBeLessThanOrEqual(limits.heartbeatMs);
  expect(tree.flagsSeen("cloud-1")).toEqual([0]);
});

test("what another boot has stamped cannot be repaired: it arrives as it is, and marked", async () => {
  await using tree = await threeLevels();
  await tree.stop("device-1");
  tree.machineClock("device-1").setWallClock(in1970Ms);
  await tree.begin("device-1", "fog-1", "down");
  await publish(tree, "device-1", 1);
  await tree.stop("device-1");
  tree.reboot("device-1");
  await tree.begin("device-1", "fog-1", "down");
  await publish(tree, "device-1", 2);
  await tree.link("device-1", "up");
  await tree.advance(5000);
  const stored = (await tree.stored()).toSorted((a, b) => a.epoch - b.epoch);
  expect(stored.map(({ timeMs }) => Math.abs(timeMs - tree.clock.now()) < 2 * hourMs)).toEqual([false, true]);
  expect(tree.flagsSeen("cloud-1")).toEqual([96, 0]);
});

test("below a fog that does not know the time either, messages are repaired on their way when the fog learns it", async () => {
  await using tree = new MemoryTree();
  const trueMs = new Map<number, number>();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.add("device-1", { level: "device", parent: "fog-1" });
  for (const node of ["fog-1", "device-1"]) await tree.stop(node);
  tree.machineClock("fog-1").setWallClock(in1970Ms);
  tree.machineClock("device-1").setWallClock(in1970Ms + 77 * hourMs);
  await tree.begin("fog-1", "cloud-1", "down");
  await tree.begin("device-1", "fog-1", "up");
  await note(tree, trueMs, "device-1", 1);
  await tree.advance(3000);
  await note(tree, trueMs, "device-1", 2);
  await tree.advance(3000);
  expect(await tree.ledger("fog-1")).toMatchObject([{ held: 2 }]);
  await tree.link("fog-1", "up");
  await tree.advance(10_000);
  expect(await storedNumbers(tree)).toEqual([1, 2]);
  for (const errorMs of await errorsMs(tree, trueMs)) expect(Math.abs(errorMs)).toBeLessThanOrEqual(limits.heartbeatMs);
});

test.each([hourMs, -hourMs])(
  "the root's clock steps by %i ms: nothing is lost, and those below follow within a heartbeat",
  async (stepMs) => {
    await using tree = await threeLevels();
    await publish(tree, "device-1", 1, 5);
    await tree.advance(1000);
    tree.machineClock("cloud-1").setWallClock(tree.clock.now() + stepMs);
    await publish(tree, "device-1", 6, 10);
    await tree.advance(2 * limits.heartbeatMs + 1000);
    await publish(tree, "device-1", 11, 15);
    await tree.advance(2000);
    expect(await storedNumbers(tree)).toEqual(numbers(1, 15));
    const last = (await tree.stored()).filter(({ seq }) => seq > 10);
    for (const { timeMs } of last) {
      expect(Math.abs(timeMs - tree.machineClock("cloud-1").now())).toBeLessThanOrEqual(limits.heartbeatMs);
    }
  },
);

test("a wall clock that jumps at a device changes nothing once it knows the tree's time", async () => {
  await using tree = await threeLevels();
  const trueMs = new Map<number, number>();
  for (let value = 1; value <= 5; value++) {
    tree.machineClock("device-1").setWallClock(value * 7 * hourMs);
    await note(tree, trueMs, "device-1", value);
    await tree.advance(1000);
  }
  for (const errorMs of await errorsMs(tree, trueMs)) expect(Math.abs(errorMs)).toBeLessThanOrEqual(limits.heartbeatMs);
});

test("a program is told of a call's end by the clock of its machine, whatever the time of the tree is [J16.14]", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("device-1", { level: "device", parent: "cloud-1" });
  await tree.stop("device-1");
  tree.machineClock("device-1").setWallClock(tree.clock.now() + 24 * hourMs);
  await tree.begin("device-1", "cloud-1", "up");
  await tree.advance(5_000);
  const program = await tree.client("device-1", "program");
  const asked: unknown[] = [];
  program.onMessage(({ payload }) => asked.push(JSON.parse(new TextDecoder().decode(payload))));
  await program.subscribe("/machine/functions/f", 1);
  const caller = await tree.client("cloud-1", "caller");
  const payload = new TextEncoder().encode(`{"if": "level == 'device'", "ttl": 20}`);
  await caller.publish({ topic: "/machine/functions/f", payload, qos: 1, retain: false });
  await tree.advance(500);
  const [{ ttlMs, deadline }] = asked as [{ readonly ttlMs: number; readonly deadline: string }];
  expect(ttlMs).toBeGreaterThan(15_000);
  expect(ttlMs).toBeLessThanOrEqual(20_000);
  const endMs = Date.parse(deadline) - tree.machineClock("device-1").now();
  expect(endMs).toBeGreaterThan(15_000);
  expect(endMs).toBeLessThanOrEqual(20_000);
});
