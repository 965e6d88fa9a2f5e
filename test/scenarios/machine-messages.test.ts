// Calls that wait, move, are called off or wait for each other, on whole nodes in memory.
import { expect, test } from "vitest";
import { MemoryTree } from "../fakes/memory-tree.ts";
import { beginCall, blinker, callId, program, publish, sixNodes, statuses } from "./machine-scene.ts";

test("[J8] [T3] a call reaches a device that comes back an hour later, and runs once", async () => {
  await using tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.add("device-1", { level: "device", parent: "fog-1" });
  await tree.advance(1000);
  await tree.link("device-1", "down");
  await tree.advance(1000);
  const blinks = await blinker(tree, "device-1", 7);
  const call = await beginCall(tree, "cloud-1", "blink", { if: "level == 'device'", ttl: 2 * 3600 });
  await tree.advance(1000);
  expect(call.last()).toMatchObject({
    final: false,
    settled: true,
    counts: { matched: 0 },
    waiting: [{ node: "device-1", at: "fog-1" }],
  });
  await tree.clock.advance(3_600_000);
  await tree.link("device-1", "up");
  await tree.advance(35_000);
  expect(call.final().results).toEqual([{ node: "device-1", status: "done", value: 7 }]);
  expect(blinks.asked).toBe(1);
}, 60_000);

test("[T3] [J16.14] a call waits through a restart of the fog", async () => {
  await using tree = await sixNodes();
  const blinks = await blinker(tree, "device-2", 1);
  await tree.link("device-1", "down");
  await tree.advance(15_000);
  const call = await beginCall(tree, "cloud-1", "blink", { if: "level == 'device' && name != 'device-3'", ttl: 300 });
  await tree.advance(2000);
  await tree.stop("fog-1");
  await tree.advance(5000);
  await tree.link("device-1", "up");
  await tree.start("fog-1");
  const late = await blinker(tree, "device-1", 2);
  await tree.advance(40_000);
  expect(statuses(call.final())).toEqual({ "device-1": "done", "device-2": "done" });
  expect(call.final().waiting).toEqual([]);
  expect([blinks.asked, late.asked]).toEqual([1, 1]);
});

test("[T5] a caller's node that was stopped in mid-call says the last word after its start", async () => {
  await using tree = await sixNodes();
  await tree.link("device-1", "down");
  await tree.advance(15_000);
  const body = { id: callId, if: "level == 'device'", ttl: 60 };
  const call = await beginCall(tree, "cloud-1", "ping", body);
  await tree.advance(2000);
  expect(call.replies().some(({ final }) => final)).toBe(false);
  expect(call.replies().map(({ settled = false }) => settled)).toEqual([
    ...call
      .replies()
      .slice(1)
      .map(() => false),
    true,
  ]);
  await tree.stop("cloud-1");
  await tree.start("cloud-1");
  const after = await beginCall(tree, "cloud-1", "ping", body);
  await tree.link("device-1", "up");
  await tree.advance(40_000);
  expect(statuses(after.final())).toEqual({ "device-1": "done", "device-2": "done", "device-3": "done" });
});

test("[T5] a call expires for the one that does not come back, with a final reply at the deadline", async () => {
  await using tree = await sixNodes();
  await tree.link("device-1", "down");
  await tree.advance(15_000);
  const late = await blinker(tree, "device-1", 1);
  const call = await beginCall(tree, "cloud-1", "blink", { if: "name == 'device-1'", ttl: 30 });
  await tree.advance(29_000);
  expect(call.replies().some(({ final }) => final)).toBe(false);
  await tree.advance(2100);
  expect(call.final()).toMatchObject({ counts: { matched: 0 }, waiting: [{ node: "device-1", at: "fog-1" }] });
  await tree.link("device-1", "up");
  await tree.advance(40_000);
  expect(late.asked).toBe(0);
});

test.each([
  ["async", 0, { status: "failed", reason: "the node stopped while it ran" }],
  ["sync", 1, { status: "done", value: 2 }],
] as const)(
  "[T3] [J16.14] a node is killed while a function runs: %s, it is begun %i times more",
  async (mode, again, result) => {
    await using tree = await sixNodes();
    const before = await blinker(tree, "device-1");
    const body = { if: "name == 'device-1'", ttl: 60, mode };
    const call = await beginCall(tree, "cloud-1", "blink", body);
    await tree.advance(1000);
    await tree.kill("device-1");
    await tree.start("device-1");
    const after = await blinker(tree, "device-1", 2);
    await tree.advance(20_000);
    expect(call.final().results).toEqual([{ node: "device-1", ...result }]);
    expect([before.asked, after.asked]).toEqual([1, again]);
  },
);

test("[T3] [T5] killed while the device is away: a call goes on at the fog and at the caller's node", async () => {
  await using tree = await sixNodes();
  const done = await blinker(tree, "device-2", 1);
  await tree.link("device-1", "down");
  await tree.advance(15_000);
  const body = { id: callId, if: "level == 'device' && name != 'device-3'", ttl: 300 };
  await beginCall(tree, "cloud-1", "blink", body);
  await tree.advance(2000);
  await tree.kill("fog-1");
  await tree.kill("cloud-1");
  await tree.start("cloud-1");
  await tree.start("fog-1");
  const call = await beginCall(tree, "cloud-1", "blink", body);
  const late = await blinker(tree, "device-1", 2);
  await tree.advance(2000);
  await tree.link("device-1", "up");
  await tree.advance(40_000);
  expect(statuses(call.final())).toEqual({ "device-1": "done", "device-2": "done" });
  expect([done.asked, late.asked]).toEqual([1, 1]);
});

test("[J16.10] [J16.11] [J16.12] a sync call that is repeated is answered from the record: the function does not run again", async () => {
  await using tree = await sixNodes();
  const blinks = await blinker(tree, "device-1", "lit");
  const body = { id: callId, mode: "sync", if: "name == 'device-1'", ttl: 120 };
  const first = await beginCall(tree, "cloud-1", "blink", body);
  await tree.advance(1000);
  expect(first.final().results).toEqual([{ node: "device-1", status: "done", value: "lit" }]);
  await first.client.disconnect();
  await tree.advance(20_000);
  const second = await beginCall(tree, "cloud-1", "blink", body);
  await tree.advance(1000);
  expect(second.final().results).toEqual([{ node: "device-1", status: "done", value: "lit" }]);
  expect(blinks.asked).toBe(1);
});

test("[J7] [J15] with scope machine a device's call reaches everybody, also above and beside it, and each once", async () => {
  await using tree = await sixNodes();
  const call = await beginCall(tree, "device-1", "ping", { scope: "machine", ttl: 10 });
  await tree.advance(2000);
  const names = ["cloud-1", "device-1", "device-2", "device-3", "fog-1", "fog-2"];
  expect(call.final().counts).toMatchObject({ matched: 6, done: 6 });
  expect(Object.keys(statuses(call.final())).toSorted()).toEqual(names);
});

test("[J7] a node that is cut off serves what it reaches at once, and the rest when the link is back", async () => {
  await using tree = await sixNodes();
  await tree.link("fog-1", "down");
  await tree.advance(15_000);
  const call = await beginCall(tree, "device-1", "ping", { scope: "machine", ttl: 120 });
  await tree.advance(2000);
  expect(call.last()).toMatchObject({ final: false, counts: { done: 3 }, waiting: [{ node: "cloud-1", at: "fog-1" }] });
  await tree.link("fog-1", "up");
  await tree.advance(40_000);
  expect(call.final().counts).toMatchObject({ matched: 6, done: 6 });
});

test("[T6] a device that moves to another fog in mid-call is counted once, and not waited for where it was", async () => {
  await using tree = await sixNodes();
  await blinker(tree, "device-2");
  const call = await beginCall(tree, "cloud-1", "ping", { if: "level == 'device'", ttl: 60 });
  await tree.advance(500);
  await call.client.disconnect();
  const slow = await beginCall(tree, "cloud-1", "blink", { id: callId, if: "level == 'device'", ttl: 60 });
  await tree.advance(500);
  await tree.move("device-1", "fog-2");
  await tree.advance(5000);
  expect(slow.last()).toMatchObject({ final: false, counts: { matched: 3 } });
  expect(Object.keys(statuses(slow.last() ?? { results: [] })).toSorted()).toEqual([
    "device-1",
    "device-2",
    "device-3",
  ]);
});

test("a cancelled call ends everywhere: what runs, what waits for its start, and what waits for those away", async () => {
  await using tree = await sixNodes();
  const runs = await blinker(tree, "device-1");
  await tree.link("device-3", "down");
  await tree.advance(15_000);
  const call = await beginCall(tree, "cloud-1", "blink", { id: callId, if: "level == 'device'", ttl: 300 });
  await tree.advance(1000);
  expect(runs.asked).toBe(1);
  expect(call.last()).toMatchObject({ final: false, waiting: [{ node: "device-3", at: "fog-2" }] });
  await publish(call.client, `/machine/calls/${callId}/cancel`, "");
  await tree.advance(1000);
  expect(statuses(call.final())).toEqual({ "device-1": "cancelled", "device-2": "refused" });
  expect(call.final().waiting).toMatchObject([{ node: "device-3", at: "fog-2" }]);
  const late = await blinker(tree, "device-3", 1);
  await tree.link("device-3", "up");
  await tree.advance(40_000);
  expect(late.asked).toBe(0);
});

test("[T5] a call that is called off while a fog is to be asked anew, because a node has come below it, ends at once", async () => {
  await using tree = await sixNodes();
  const runs = await blinker(tree, "device-1");
  await tree.add("device-4", { level: "device", parent: "fog-1" });
  const call = await beginCall(tree, "cloud-1", "blink", { id: callId, if: "name == 'device-1'", ttl: 300 });
  // The news of it is at the cloud after a second; the fog would be asked anew after two.
  await tree.advance(1500);
  expect(runs.asked).toBe(1);
  await publish(call.client, `/machine/calls/${callId}/cancel`, "");
  await tree.advance(200);
  expect(statuses(call.final())).toEqual({ "device-1": "cancelled" });
});

test("who calls off what nobody called is told so", async () => {
  await using tree = await sixNodes();
  const { client, heard } = await program(tree, "cloud-1", "/machine/replies/#");
  await publish(client, `/machine/calls/${callId}/cancel`, "");
  await tree.advance(100);
  expect(heard.map(({ text }) => JSON.parse(text) as object)).toMatchObject([
    { id: callId, final: true, error: { message: expect.stringContaining("no call with this id") } },
  ]);
});

test("a call with a start in the future begins then, on every node at once, also after a restart of one", async () => {
  await using tree = await sixNodes();
  const at = tree.clock.now() + 60_000;
  const call = await beginCall(tree, "cloud-1", "ping", { if: "level == 'device'", at, ttl: 120 });
  await tree.advance(2000);
  expect(call.last()?.counts).toMatchObject({ matched: 3, queued: 3 });
  await tree.stop("device-1");
  await tree.start("device-1");
  await tree.advance(30_000);
  expect(call.last()?.counts).toMatchObject({ matched: 3, queued: 3 });
  await tree.advance(at + 2000 - tree.clock.now());
  const times = call.final().results.map(({ value }) => Date.parse((value as { readonly time: string }).time) - at);
  expect(times).toHaveLength(3);
  for (const late of times) expect(late).toBeLessThan(100);
  expect(Math.min(...times)).toBeGreaterThanOrEqual(0);
});

test("minNodes: nobody begins before enough are ready; with too few the call is cancelled for all", async () => {
  await using tree = await sixNodes();
  const body = { if: "level == 'device'", mode: "sync", ttl: 20, confirm: 1 };
  const enough = await beginCall(tree, "cloud-1", "ping", { ...body, minNodes: 3 });
  await tree.advance(3000);
  expect(enough.final()).toMatchObject({ counts: { matched: 3, done: 3 }, confirmed: true });
  await enough.client.disconnect();
  const blinks = await blinker(tree, "device-1", 1);
  const tooFew = await beginCall(tree, "cloud-1", "blink", { ...body, minNodes: 4 });
  await tree.advance(9000);
  expect(tooFew.last()).toMatchObject({ final: false, counts: { queued: 3 } });
  await tree.advance(3000);
  expect(tooFew.final()).toMatchObject({ counts: { matched: 3, cancelled: 3 }, confirmed: false });
  expect(tooFew.final().results[0]?.reason).toBe("3 nodes were ready, and the call wants 4");
  expect(blinks.asked).toBe(0);
});

test.each([
  ['{"mode":"twice"}', "mode must be"],
  ['{"scope":"world"}', "scope must be"],
  ['{"minNodes":2}', 'minNodes needs "mode": "sync"'],
  ['{"minNodes":-1,"mode":"sync"}', "minNodes must be"],
  ['{"confirm":2}', "confirm must be"],
  ['{"at":"tomorrow"}', "at must be a time"],
  ['{"at":99999999999999}', "at must be a time"],
  ['{"at":"2020-01-01T00:00:00Z"}', "at must be a time to come"],
])("[J-T13] what cannot be meant is answered before anything is sent: %s", async (body, message) => {
  await using tree = await sixNodes();
  const call = await beginCall(tree, "cloud-1", "ping", body);
  await tree.advance(100);
  expect(call.final().error?.message).toContain(message);
});

test("[J16.10] an id that another function had is refused, not answered with what that came to", async () => {
  await using tree = await sixNodes();
  const body = { id: callId, if: "name == 'cloud-1' || name == 'device-1'" };
  const first = await beginCall(tree, "cloud-1", "ping", body);
  await tree.advance(1000);
  expect(first.final().counts).toMatchObject({ done: 2 });
  const again = await beginCall(tree, "cloud-1", "echo", body);
  await tree.advance(1000);
  expect(again.final().error?.message).toBe('another message has this id: of "ping"');
  await tree.advance(30_000);
  const late = await beginCall(tree, "cloud-1", "echo", body);
  await tree.advance(1000);
  const outcome = { status: "refused", reason: 'a call of "ping" had this id' };
  expect(late.final().results.map(({ status, reason }) => ({ status, reason }))).toEqual([outcome, outcome]);
});

test.each(["fog-1", "device-2"])("who was never asked is named when the call is called off: %s", async (away) => {
  await using tree = await sixNodes();
  await tree.link(away, "down");
  await tree.advance(15_000);
  const body = { id: callId, if: "level == 'device' && name != 'device-3'", ttl: 60 };
  const call = await beginCall(tree, "cloud-1", "ping", body);
  await tree.advance(2000);
  await publish(call.client, `/machine/calls/${callId}/cancel`, "");
  await tree.advance(500);
  expect(call.final().waiting.map(({ node }) => node)).toEqual([away]);
});

test("with a topic for results each node's result is told there when it comes, once, in front of the last word", async () => {
  await using tree = await sixNodes();
  const { client, heard } = await program(tree, "cloud-1", "/answers/#");
  const slow = await blinker(tree, "device-3");
  for (const device of ["device-1", "device-2"]) await blinker(tree, device, device);
  const body = { if: "level == 'device'", ttl: 20, reply: "/answers/replies", results: "/answers/results" };
  await publish(client, "/machine/functions/blink", body);
  await tree.advance(5000);
  const told = () =>
    heard.filter(({ topic }) => topic === "/answers/results").map(({ text }) => JSON.parse(text) as { node: string });
  expect(told().toSorted((a, b) => a.node.localeCompare(b.node))).toEqual([
    { node: "device-1", status: "done", value: "device-1" },
    { node: "device-2", status: "done", value: "device-2" },
  ]);
  await tree.link("fog-1", "down");
  await tree.link("fog-1", "up");
  await tree.advance(20_000);
  expect(told().slice(2)).toEqual([{ node: "device-3", status: "failed", reason: "no answer before the deadline" }]);
  expect(slow.asked).toBe(1);
  expect(heard.at(-1)?.topic).toBe("/answers/replies");
  expect(JSON.parse(heard.at(-1)?.text ?? "")).toMatchObject({
    final: true,
    counts: { matched: 3, done: 2, failed: 1 },
  });
});

test.each([
  ["true", ["cloud-1", "device-1", "device-2", "device-3", "fog-1", "fog-2"]],
  ["name == 'device-1'", ["device-1"]],
])(
  "[J8] [T5] who was stopped on purpose a short while ago is waited for and named, and asked when it is back: %s",
  async (condition, names) => {
    await using tree = await sixNodes();
    await tree.stop("fog-1");
    await tree.advance(60_000);
    const call = await beginCall(tree, "cloud-1", "ping", { if: condition, ttl: 60 });
    await tree.advance(2000);
    const waiting = [{ node: "fog-1", at: "cloud-1", left: true }];
    expect(call.last()).toMatchObject({ final: false, settled: true, waiting });
    await tree.start("fog-1");
    await tree.advance(40_000);
    expect(call.final().waiting).toEqual([]);
    expect(statuses(call.final())).toEqual(Object.fromEntries(names.map((name) => [name, "done"])));
  },
);

test("[T5] who was stopped on purpose long ago is not waited for, and asked if it comes back while the call is open", async () => {
  await using tree = await sixNodes();
  await tree.stop("device-1");
  await tree.advance(16 * 60_000);
  await tree.link("device-3", "down");
  await tree.advance(15_000);
  const body = { if: "level == 'device'", ttl: 60 };
  const near = await beginCall(tree, "fog-1", "ping", body);
  const far = await beginCall(tree, "cloud-1", "ping", body);
  await tree.advance(1000);
  expect(near.final()).toMatchObject({ counts: { matched: 1, done: 1 }, waiting: [] });
  expect(far.last()).toMatchObject({ waiting: [{ node: "device-3", at: "fog-2" }] });
  await tree.start("device-1");
  await tree.advance(5000);
  await tree.link("device-3", "up");
  await tree.advance(50_000);
  expect(statuses(far.final())).toEqual({ "device-1": "done", "device-2": "done", "device-3": "done" });
}, 60_000);

test("[T3] [T5] a call is not forgotten by a fog that starts with its clock a day ahead", async () => {
  await using tree = await sixNodes();
  await tree.link("device-2", "down");
  await tree.advance(15_000);
  const call = await beginCall(tree, "fog-1", "ping", { id: callId, if: "name == 'device-2'", ttl: 100 });
  const far = await beginCall(tree, "cloud-1", "ping", { if: "name == 'device-2'", ttl: 100, reply: "/answers/far" });
  const { heard } = await program(tree, "cloud-1", "/answers/far");
  await tree.advance(2000);
  expect(call.last()).toMatchObject({ final: false, waiting: [{ node: "device-2", at: "fog-1" }] });
  await tree.kill("fog-1");
  tree.machineClock("fog-1").setWallClock(tree.clock.now() + 24 * 3_600_000);
  await tree.start("fog-1");
  const { heard: after } = await program(tree, "fog-1", "/machine/replies/#");
  await tree.advance(40_000);
  expect(after.filter(({ text }) => (JSON.parse(text) as { final: boolean }).final)).toEqual([]);
  await tree.link("device-2", "up");
  await tree.advance(35_000);
  for (const replies of [after, heard]) {
    const last = JSON.parse(replies.at(-1)?.text ?? "{}") as Parameters<typeof statuses>[0];
    expect(last).toMatchObject({ final: true, waiting: [] });
    expect(statuses(last)).toEqual({ "device-2": "done" });
  }
  expect(far.replies()).toEqual([]);
}, 60_000);

test("[T5] a call whose deadline passed while its node was down names in its last word who was never heard", async () => {
  await using tree = await sixNodes();
  await tree.link("device-2", "down");
  await tree.advance(15_000);
  await beginCall(tree, "fog-1", "ping", { id: callId, if: "level == 'device'", ttl: 30 });
  await tree.advance(2000);
  await tree.stop("fog-1");
  await tree.advance(60_000);
  await tree.start("fog-1");
  const { heard } = await program(tree, "fog-1", "/machine/replies/#");
  await tree.advance(35_000);
  const last = JSON.parse(heard.at(-1)?.text ?? "{}") as Parameters<typeof statuses>[0];
  expect(last).toMatchObject({ final: true, waiting: [{ node: "device-2", at: "fog-1" }] });
});

test.each([
  ["numbers that are short in JSON", Array.from({ length: 15_000 }, () => 0.1), /bytes of CBOR/],
  ["lists in lists", JSON.parse("[".repeat(32) + "]".repeat(32)) as unknown, /nest more than 31 deep/],
])("[J12] what other nodes would not take is refused where it is published: %s", async (_, args, reason) => {
  await using tree = await sixNodes();
  const call = await beginCall(tree, "cloud-1", "echo", args);
  await tree.advance(100);
  expect(call.final().error?.message).toMatch(reason);
  const { client, heard } = await program(tree, "device-1", "/level/replies/#");
  await publish(client, "/level/calls/echo", args);
  await publish(client, "/level/functions/echo", args);
  await tree.advance(100);
  expect(heard).toHaveLength(2);
  for (const { text } of heard) expect(text).toMatch(reason);
  const event = publish(client, "/machine/events/external/bang", args);
  await expect(event).rejects.toThrow();
});
