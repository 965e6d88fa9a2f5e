// What waits at the node for a program that is away.
import { expect, test } from "vitest";
import { connect, type ConnectOptions } from "../../client/client.ts";
import { attemptInMs, usualBackoff } from "../../client/patience.ts";
import { LiveNode, quickly } from "./live-node.ts";

const kept: ConnectOptions = { clientId: "door-log", session: "kept" };

test("a durable event waits for a program whose session is kept, also over a restart of the node", async () => {
  await using node = await LiveNode.start();
  const heard: unknown[] = [];
  const before = await quickly(node.url, kept);
  await before.onEvent("external", "door-open", ({ args }) => void heard.push(args));
  await before.close();
  await node.stop();
  await node.start();
  await using raiser = await quickly(node.url);
  await raiser.raise("external", "door-open", 1);
  await using after = await quickly(node.url, kept);
  // Numbered by their order the event would be taken for this one.
  await after.onEvent("external", "other", () => void heard.push("other"));
  await after.onEvent("external", "door-open", ({ args }) => void heard.push(args));
  await raiser.raise("external", "door-open", 2);
  await expect.poll(() => heard).toEqual([1, 2]);
});

test("a program whose session is not kept misses what comes while it is away", async () => {
  await using node = await LiveNode.start();
  const heard: unknown[] = [];
  const before = await quickly(node.url, { clientId: "door-log" });
  await before.onEvent("external", "door-open", ({ args }) => void heard.push(args));
  await before.close();
  await using raiser = await quickly(node.url);
  await raiser.raise("external", "door-open", 1);
  await using after = await quickly(node.url, kept);
  await after.onEvent("external", "door-open", ({ args }) => void heard.push(args));
  await raiser.raise("external", "door-open", 2);
  await expect.poll(() => heard).toEqual([2]);
});

test("a session is kept under a client id only", async () => {
  await expect(connect("mqtt://127.0.0.1:1", { session: "kept" })).rejects.toMatchObject({ code: "bad-argument" });
});

test("a program tries again at once, then more slowly, and every five seconds in the end", () => {
  const longest = Array.from({ length: 8 }, (_, failed) => attemptInMs(usualBackoff, failed, 1));
  expect(longest).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  expect(attemptInMs(usualBackoff, 1_000, 0.5)).toBe(2_500);
});
