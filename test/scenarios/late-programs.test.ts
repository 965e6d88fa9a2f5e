// Programs that come back after their node, or after a pause: calls wait for them a while.
import { expect, test } from "vitest";
import { beginCall, blinker, program, publish, sixNodes } from "./machine-scene.ts";

const atDevice = { if: "name == 'device-1'", ttl: 120 };

test.each(["async", "sync"])(
  "[J8] [J12] [T3] a call for a device that was killed waits for the program that comes after it: %s",
  async (mode) => {
    await using tree = await sixNodes();
    await blinker(tree, "device-1", "early");
    await tree.advance(5000);
    await tree.kill("device-1");
    const call = await beginCall(tree, "cloud-1", "blink", { ...atDevice, mode });
    await tree.advance(2000);
    await tree.start("device-1");
    await tree.advance(35_000);
    expect(call.last()).toMatchObject({ final: false, counts: { matched: 1, queued: 1 } });
    const late = await blinker(tree, "device-1", "late");
    await tree.advance(2000);
    expect(call.final().results).toEqual([{ node: "device-1", status: "done", value: "late" }]);
    expect(late.asked).toBe(1);
  },
);

test.each([
  ["sync", { status: "done", value: "again" }],
  ["async", { status: "failed", reason: "the node stopped while it ran" }],
])("[J16.11] [T3] a run that a kill has cut off: %s", async (mode, outcome) => {
  await using tree = await sixNodes();
  const first = await blinker(tree, "device-1");
  await tree.advance(5000);
  const call = await beginCall(tree, "cloud-1", "blink", { ...atDevice, mode });
  await tree.advance(1000);
  expect(first.asked).toBe(1);
  await tree.kill("device-1");
  await tree.start("device-1");
  await tree.advance(35_000);
  const second = await blinker(tree, "device-1", "again");
  await tree.advance(2000);
  expect(call.final().results).toEqual([{ node: "device-1", ...outcome }]);
  expect(second.asked).toBe(mode === "sync" ? 1 : 0);
});

test("[J12] a program that has gone is waited for a minute, and no longer", async () => {
  await using tree = await sixNodes();
  const { client } = await program(tree, "device-1", "/machine/functions/blink");
  await client.drop();
  await tree.advance(40_000);
  const call = await beginCall(tree, "cloud-1", "blink", atDevice);
  await tree.advance(15_000);
  expect(call.last()).toMatchObject({ final: false, counts: { matched: 1, queued: 1 } });
  await tree.advance(10_000);
  expect(call.final()).toMatchObject({ counts: { matched: 1, refused: 1 } });
});

test("[J12] a call whose deadline comes before the program is expired", async () => {
  await using tree = await sixNodes();
  const { client } = await program(tree, "device-1", "/machine/functions/blink");
  await client.drop();
  const call = await beginCall(tree, "cloud-1", "blink", { ...atDevice, ttl: 20 });
  await tree.advance(22_000);
  expect(call.final()).toMatchObject({ counts: { matched: 1, expired: 1 } });
});

test("[J12] what nobody has offered is refused at once, also right after a start", async () => {
  await using tree = await sixNodes();
  const { client } = await program(tree, "device-1", "/machine/functions/other");
  await publish(client, "/data/x", 1);
  await tree.kill("device-1");
  await tree.start("device-1");
  await tree.advance(35_000);
  const call = await beginCall(tree, "cloud-1", "blink", atDevice);
  await tree.advance(1000);
  expect(call.final()).toMatchObject({ counts: { matched: 1, refused: 1 } });
});
