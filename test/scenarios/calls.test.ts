// Functions called down the tree and at a level, on whole nodes in memory.
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { MemoryTree } from "../fakes/memory-tree.ts";
import { finalOf, program, publish, sixNodes, type Reply } from "./machine-scene.ts";

const utf8 = new TextDecoder();

/** Calls at `node` and answers with every reply that came within `ms`. */
async function call(tree: MemoryTree, node: string, name: string, body: unknown, ms = 3000): Promise<readonly Reply[]> {
  const { client, heard } = await program(tree, node, "/machine/replies/#");
  await publish(client, `/machine/functions/${name}`, body);
  await tree.advance(ms);
  await client.disconnect();
  return heard.map(({ text }) => JSON.parse(text) as Reply);
}

test("[J8] [T5] [T6] a call at the cloud runs exactly on the machines that its condition names, and one final reply counts them", async () => {
  await using tree = await sixNodes();
  const final = finalOf(await call(tree, "cloud-1", "info", { if: "level == 'device'" }));
  expect(final.counts).toMatchObject({ matched: 3, done: 3 });
  expect(final.results.map(({ node }) => node).toSorted()).toEqual(["device-1", "device-2", "device-3"]);
  expect(final.results[0]?.value).toMatchObject({ level: "device", version: "test" });
  const narrow = finalOf(
    await call(tree, "cloud-1", "echo", { if: "name == 'device-3'", args: { a: [1, "x", null] } }),
  );
  expect(narrow.results).toEqual([{ node: "device-3", status: "done", value: { a: [1, "x", null] } }]);
  const nobody = finalOf(await call(tree, "cloud-1", "ping", { if: "'pump' in tags" }));
  expect(nobody.counts).toMatchObject({ matched: 0 });
});

test("[J7] the call goes down from the caller's node, never up or aside", async () => {
  await using tree = await sixNodes();
  const final = finalOf(await call(tree, "fog-1", "ping", "null"));
  expect(final.results.map(({ node }) => node).toSorted()).toEqual(["device-1", "device-2", "fog-1"]);
});

test("a fog that is cut off still reaches its devices, and the cloud hears that it could not be reached", async () => {
  await using tree = await sixNodes();
  await tree.link("fog-1", "down");
  const below = finalOf(await call(tree, "fog-1", "ping", { if: "level == 'device'" }));
  expect(below.counts).toMatchObject({ matched: 2, done: 2 });
  const above = finalOf(await call(tree, "cloud-1", "ping", { if: "level == 'device'", ttl: 2 }, 4000));
  expect(above.counts).toMatchObject({ matched: 1, done: 1 });
  expect(above.waiting.map(({ node }) => node)).toEqual(["fog-1"]);
});

test("[T5] a child that falls silent during the call is named in the final reply, at the deadline", async () => {
  await using tree = await sixNodes();
  await tree.link("fog-2", "silent");
  const early = await call(tree, "cloud-1", "ping", { if: "level == 'device'", ttl: 4 }, 3000);
  expect(early.every(({ final }) => !final)).toBe(true);
  const { heard } = await program(tree, "cloud-1", "/machine/replies/#");
  await tree.advance(2000);
  const final = finalOf(heard.map(({ text }) => JSON.parse(text) as Reply));
  expect(final.counts).toMatchObject({ matched: 2, done: 2 });
  expect(final.waiting.map(({ node }) => node)).toEqual(["fog-2"]);
});

test("a program that subscribes to a function's topic is asked with named fields, and its answer is the result", async () => {
  await using tree = await sixNodes();
  const { client, heard } = await program(tree, "device-1", "/machine/functions/blink");
  client.onMessage(({ payload }) => {
    const { reply, args } = JSON.parse(utf8.decode(payload)) as { readonly reply: string; readonly args: number };
    void publish(client, reply, { result: args * 2 });
  });
  const final = finalOf(await call(tree, "cloud-1", "blink", { args: 21, if: "level == 'device'" }));
  expect(final.counts).toMatchObject({ matched: 3, done: 1, refused: 2 });
  expect(final.results).toContainEqual({ node: "device-1", status: "done", value: 42 });
  expect(final.results.find(({ node }) => node === "device-2")?.reason).toBe(
    'nobody on this node offers the function "blink"',
  );
  expect(JSON.parse(heard[0]?.text ?? "")).toMatchObject({ name: "blink", args: 21, origin: "cloud-1" });
});

test("a function that hangs, answers garbage or says that it failed is reported as failed with the reason", async () => {
  await using tree = await sixNodes();
  const answers: Readonly<Record<string, string | undefined>> = {
    "device-1": undefined,
    "device-2": "{broken",
    "device-3": '{"error":"no power"}',
  };
  for (const [node, answer] of Object.entries(answers)) {
    const { client } = await program(tree, node, "/machine/functions/blink");
    client.onMessage(({ payload }) => {
      const { reply } = JSON.parse(utf8.decode(payload)) as { readonly reply: string };
      if (answer !== undefined) void publish(client, reply, answer);
    });
  }
  const final = finalOf(await call(tree, "cloud-1", "blink", { if: "level == 'device'", ttl: 2 }, 5000));
  expect(final.counts).toMatchObject({ matched: 3, failed: 3 });
  expect(Object.fromEntries(final.results.map(({ node, reason }) => [node, reason]))).toEqual({
    "device-1": "no answer before the deadline",
    "device-2": expect.stringContaining("answered garbage"),
    "device-3": "no power",
  });
});

test("[T3] the same id does not run twice: not when it is sent again, not after nodes were started again, not long after", async () => {
  await using tree = await sixNodes();
  const id = "0123456789abcdef0123456789abcdef";
  const { client, heard } = await program(tree, "device-1", "/machine/functions/blink");
  client.onMessage(({ payload }) => {
    const { reply } = JSON.parse(utf8.decode(payload)) as { readonly reply: string };
    void publish(client, reply, "1");
  });
  const body = { id, if: "name == 'device-1'", ttl: 5 };
  const first = finalOf(await call(tree, "cloud-1", "blink", body, 1000));
  expect(finalOf(await call(tree, "cloud-1", "blink", body, 1000))).toEqual(first);
  await tree.stop("device-1");
  await tree.start("device-1");
  const restarted = await program(tree, "device-1", "/machine/functions/blink");
  for (const waitMs of [20_000, 200_000]) {
    await tree.advance(waitMs);
    const later = finalOf(await call(tree, "cloud-1", "blink", body, 1000));
    expect(later.results).toEqual([{ node: "device-1", status: "done", value: 1 }]);
  }
  expect([heard.length, restarted.heard.length]).toEqual([1, 0]);
});

test("[J-T10] a publish that may have come before, without an id of its own, is not run again", async () => {
  await using tree = await sixNodes();
  const { heard } = await program(tree, "cloud-1", "/machine/replies/#");
  const caller = await tree.client("cloud-1", "caller");
  const payload = new TextEncoder().encode("{}");
  await caller.publish({ topic: "/machine/functions/ping", payload, qos: 1, retain: false }, { repeated: true });
  await tree.advance(100);
  const final = finalOf(heard.map(({ text }) => JSON.parse(text) as Reply));
  expect(final.error?.message).toContain("could run twice");
});

test("[T5] asked again while it runs, a call answers as it stands and says its last word once", async () => {
  await using tree = await sixNodes();
  await program(tree, "device-1", "/machine/functions/blink");
  const { client, heard } = await program(tree, "cloud-1", "/machine/replies/#");
  const body = { id: "0123456789abcdef0123456789abcdef", if: "name == 'device-1'", ttl: 3 };
  for (let times = 0; times < 3; times++) await publish(client, "/machine/functions/blink", body);
  await tree.advance(6000);
  const replies = heard.map(({ text }) => JSON.parse(text) as Reply);
  expect(finalOf(replies).counts).toMatchObject({ matched: 1, failed: 1 });
  expect(replies.every(({ error }) => error === undefined)).toBe(true);
});

test("[T5] a clock that steps over the deadline, or back before it, does not take the last word away", async () => {
  await using tree = await sixNodes();
  await program(tree, "device-1", "/machine/functions/blink");
  for (const stepMs of [3_600_000, -3_600_000]) {
    const { client, heard } = await program(tree, "cloud-1", "/machine/replies/#");
    await publish(client, "/machine/functions/blink", { if: "name == 'device-1'", ttl: 4 });
    await tree.advance(1000);
    tree.clock.setWallClock(tree.clock.now() + stepMs);
    await tree.advance(8000);
    expect(finalOf(heard.map(({ text }) => JSON.parse(text) as Reply)).counts).toMatchObject({ matched: 1 });
    await client.disconnect();
  }
});

test("[T6] a device that moves during a call is counted once", async () => {
  await using tree = await sixNodes();
  const { client, heard } = await program(tree, "cloud-1", "/machine/replies/#");
  await tree.link("fog-2", "silent");
  await publish(client, "/machine/functions/ping", { if: "level == 'device'", ttl: 6 });
  await tree.advance(500);
  await tree.move("device-1", "fog-2");
  await tree.link("fog-2", "up");
  await tree.advance(9000);
  const final = finalOf(heard.map(({ text }) => JSON.parse(text) as Reply));
  expect(new Set(final.results.map(({ node }) => node)).size).toBe(final.results.length);
});

test("a node that stops says what it knows before it goes", async () => {
  await using tree = await sixNodes();
  await program(tree, "fog-1", "/machine/functions/blink");
  const { client, heard } = await program(tree, "cloud-1", "/machine/replies/#");
  await publish(client, "/machine/functions/blink", { if: "name == 'fog-1'", ttl: 30 });
  await tree.advance(500);
  await tree.stop("fog-1");
  await tree.advance(500);
  const final = finalOf(heard.map(({ text }) => JSON.parse(text) as Reply));
  expect(final.results).toEqual([{ node: "fog-1", status: "cancelled", reason: "the node stops" }]);
});

test.each([
  ["{broken", "neither JSON nor a CBOR map"],
  [" {}", "neither JSON nor a CBOR map"],
  ['{"arg": 1}', 'there is no field "arg" in a call'],
  ['{"if": "level = 1"}', "line 1, column"],
  ['{"if": 7}', "if must be a text"],
  ['{"ttl": -1}', "ttl must be a number of seconds"],
  ['{"ttl": 1e9}', "ttl must be a number of seconds"],
  ['{"id": "short"}', "id must be 32 hexadecimal digits"],
  ['{"reply": "/machine/functions/x"}', "reply must be a topic for answers"],
  ['{"reply": "/machine/replies/0123456789abcdef0123456789abcdef"}', "reply must be a topic for answers"],
  [JSON.stringify({ args: "x".repeat(limits.callBytes) }), `a call may have ${limits.callBytes} bytes`],
])("a bad request is answered before anything is sent: %s", async (body, message) => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  const final = finalOf(await call(tree, "cloud-1", "ping", body, 200));
  expect(final.error).toEqual({ code: "FOGBANK_CALL_REFUSED", message: expect.stringContaining(message) });
});

test("the reply goes where the body says", async () => {
  await using tree = await sixNodes();
  const { client, heard } = await program(tree, "cloud-1", "/answers/here");
  await publish(client, "/machine/functions/ping", { reply: "/answers/here", if: "level == 'cloud'" });
  await tree.advance(500);
  expect(heard.map(({ topic, text }) => ({ topic, final: (JSON.parse(text) as Reply).final }))).toEqual([
    { topic: "/answers/here", final: true },
  ]);
});

test("[J9] [J10] [T2] a level function is answered by this node alone, and never leaves it", async () => {
  await using tree = await sixNodes();
  const elsewhere = await Promise.all(["cloud-1", "device-1"].map((node) => program(tree, node, "/level/functions/#")));
  const { client, heard } = await program(tree, "fog-1", "/level/replies/#");
  await publish(client, "/level/functions/ping", { id: "0123456789abcdef0123456789abcdef" });
  await publish(client, "/level/functions/nobody", "1");
  await tree.advance(500);
  expect(heard.map(({ text }) => JSON.parse(text) as object)).toMatchObject([
    { id: "0123456789abcdef0123456789abcdef", node: "fog-1", status: "done" },
    { node: "fog-1", status: "refused" },
  ]);
  expect(heard[0]?.topic).toBe(`/level/replies/${client.clientId}/0123456789abcdef0123456789abcdef`);
  expect(elsewhere.flatMap((reader) => reader.heard)).toEqual([]);
});

test("envelopes from below and receipts of strangers are not taken", async () => {
  await using tree = await sixNodes();
  const stranger = await tree.client("fog-1", "stranger");
  await expect(
    stranger.publish({ topic: "$fog/dn/device-1/c", payload: new Uint8Array(3), qos: 1, retain: false }),
  ).rejects.toThrow();
  const again = await tree.client("fog-1", "again");
  await expect(publish(again, "/machine/replies/x", "{}")).rejects.toThrow();
});
