// Functions of one level and of several, on whole nodes in memory.
import { expect, test } from "vitest";
import type { LevelMode } from "#shared/level/level-call.ts";
import { allowedIn, decodeProperties, encodeProperties } from "#shared/mqtt/properties.ts";
import type { MemoryClient } from "../fakes/memory-broker.ts";
import { MemoryTree } from "../fakes/memory-tree.ts";

const utf8 = new TextDecoder();
const id = "0123456789abcdef0123456789abcdef";

interface Outcome {
  readonly level?: string;
  readonly node?: string;
  readonly status: string;
  readonly value?: unknown;
  readonly reason?: string;
}

interface Reply {
  readonly id: string;
  readonly final: boolean;
  readonly ok?: boolean;
  readonly outcomes: readonly Outcome[];
  readonly error?: { readonly code: string; readonly message: string };
}

/** device-1 below fog-2 below fog-1 below cloud-1. */
async function fourLevels(): Promise<MemoryTree> {
  const tree = new MemoryTree();
  await tree.add("cloud-1", { level: "cloud" });
  await tree.add("fog-1", { level: "fog", parent: "cloud-1" });
  await tree.add("fog-2", { level: "fog", parent: "fog-1" });
  await tree.add("device-1", { level: "device", parent: "fog-2" });
  await tree.advance(5000);
  return tree;
}

function publish(client: MemoryClient, topic: string, body: unknown): Promise<void> {
  return client.publish({ topic, payload: new TextEncoder().encode(JSON.stringify(body)), qos: 1, retain: false });
}

/** A client that hears what arrives at `filter`. */
async function listener(tree: MemoryTree, node: string, name: string, filter: string) {
  const client = await tree.client(node, name);
  const heard: { readonly topic: string; readonly text: string; readonly correlation: string | undefined }[] = [];
  client.onMessage(({ topic, payload, properties }) => {
    const { correlationData } = properties === undefined ? {} : decodeProperties(properties, allowedIn.publish);
    heard.push({ topic, text: utf8.decode(payload), correlation: correlationData && utf8.decode(correlationData) });
  });
  await client.subscribe(filter, 1);
  return { client, heard };
}

/** A caller at `node`, and the replies that it has heard. */
async function caller(tree: MemoryTree, node = "device-1") {
  const { client, heard } = await listener(tree, node, "caller", "/level/replies/caller/#");
  return { client, replies: (): readonly Reply[] => heard.map(({ text }) => JSON.parse(text) as Reply) };
}

/** Offers the function "act" at `node`; answers what it was sent, byte for byte. `answer` undefined: never answers. */
async function implementer(tree: MemoryTree, node: string, answer: unknown): Promise<readonly string[]> {
  const { client, heard } = await listener(tree, node, `implementer-${node}`, "/level/functions/act");
  const asked: string[] = [];
  client.onMessage(() => {
    const { text = "" } = heard.at(-1) ?? {};
    asked.push(text);
    if (answer !== undefined) void publish(client, (JSON.parse(text) as { readonly reply: string }).reply, answer);
  });
  return asked;
}

function finalOf(replies: readonly Reply[]): Reply {
  const finals = replies.filter(({ final }) => final);
  expect(finals).toHaveLength(1);
  const [final] = finals;
  if (final === undefined || replies.at(-1) !== final) throw new Error("the final reply is not the last one");
  return final;
}

async function call(tree: MemoryTree, body: object, ms = 500, name = "act"): Promise<readonly Reply[]> {
  const { client, replies } = await caller(tree);
  await publish(client, `/level/calls/${name}`, body);
  await tree.advance(ms);
  await client.disconnect();
  return replies();
}

const statuses = ({ outcomes }: Reply): readonly string[] => outcomes.map(({ node, status }) => `${node} ${status}`);

test("[J11] [C16] [J-S4] concurrent: every level is asked at once under one id, each outcome is told as it comes, then all of them", async () => {
  await using tree = await fourLevels();
  const traces = [
    await implementer(tree, "device-1", { result: 1 }),
    await implementer(tree, "fog-2", { error: "no power" }),
  ];
  await tree.link("fog-1", "down");
  await tree.advance(5000);
  const replies = await call(tree, { id, if: "name != 'fog-1'", mode: "concurrent" });
  const final = finalOf(replies);
  expect(final).toMatchObject({ id, ok: false });
  expect(final.outcomes.toSorted((a, b) => String(a.node).localeCompare(String(b.node)))).toEqual([
    {
      level: "cloud",
      node: "cloud-1",
      status: "unreachable",
      reason: expect.stringMatching(/^fog-1 has had no link to its parent since \d{4}-.*Z$/),
    },
    { level: "device", node: "device-1", status: "ok", value: 1 },
    { level: "fog", node: "fog-1", status: "refused", reason: "the condition does not hold on fog-1" },
    { level: "fog", node: "fog-2", status: "failed", reason: "no power" },
  ]);
  const told = replies.filter((reply) => !reply.final).map(({ outcomes }) => outcomes);
  expect(told.map((outcomes) => outcomes.length)).toEqual([1, 1, 1, 1]);
  expect(told.flat()).toEqual(final.outcomes);
  const ids = traces.map((trace) => trace.map((text) => (JSON.parse(text) as { readonly id: string }).id));
  expect(ids).toEqual([[id], [id]]);
});

test("concurrent: all is well when every level is", async () => {
  await using tree = await fourLevels();
  const final = finalOf(await call(tree, { levels: ["device", "fog", "cloud"], args: [1] }, 500, "echo"));
  expect(final.ok).toBe(true);
  expect(statuses(final).toSorted()).toEqual(["cloud-1 ok", "device-1 ok", "fog-1 ok", "fog-2 ok"]);
  expect(final.outcomes.every(({ value }) => JSON.stringify(value) === "[1]")).toBe(true);
});

test("[J12] [J-S4] sequential: the nearest first, on through what fails, refuses or does not answer, until the first success", async () => {
  await using tree = await fourLevels();
  const beyond = await implementer(tree, "cloud-1", { result: "never asked" });
  await implementer(tree, "device-1", { error: "no power" });
  await implementer(tree, "fog-2", undefined);
  const answered = await implementer(tree, "fog-1", { result: "here" });
  const { client, replies } = await caller(tree);
  await publish(client, "/level/calls/act", { mode: "sequential", timeoutMs: 400 });
  await tree.advance(350);
  expect(replies().map(statuses)).toEqual([["device-1 failed"]]);
  expect(answered).toEqual([]);
  await tree.advance(100);
  expect(replies().slice(0, -1).map(statuses)).toEqual([["device-1 failed"], ["fog-2 timeout"], ["fog-1 ok"]]);
  expect(finalOf(replies())).toMatchObject({
    ok: true,
    outcomes: [
      { level: "device", node: "device-1", status: "failed", reason: "no power" },
      { level: "fog", node: "fog-2", status: "timeout", reason: "no answer before the deadline" },
      { level: "fog", node: "fog-1", status: "ok", value: "here" },
    ],
  });
  expect([answered.length, beyond.length]).toEqual([1, 0]);
});

test("[J12] sequential: the caller's own order, unless it says nearest", async () => {
  await using tree = await fourLevels();
  for (const [order, first] of [
    [undefined, "cloud-1"],
    ["listed", "cloud-1"],
    ["nearest", "fog-2"],
  ] as const) {
    const body = { levels: ["cloud", "fog"], mode: "sequential", ...(order && { order }) };
    expect(statuses(finalOf(await call(tree, body, 500, "ping")))).toEqual([`${first} ok`]);
  }
  expect(statuses(finalOf(await call(tree, { levels: ["fog-1", "fog"], mode: "sequential" }, 500, "ping")))).toEqual([
    "fog-1 ok",
  ]);
});

test.each(["fog-1", "device-1"])(
  "[J12] [J16.14] sequential: what presence knows to be out of reach is skipped at once: the link of %s",
  async (cut) => {
    await using tree = await fourLevels();
    await tree.link(cut, "down");
    await tree.advance(5000);
    tree.carried.length = 0;
    const replies = await call(tree, { levels: ["cloud", "device"], mode: "sequential" }, 50, "ping");
    expect(statuses(finalOf(replies))).toEqual(["cloud-1 unreachable", "device-1 ok"]);
    expect(finalOf(replies).outcomes[0]?.reason).toContain(`${cut} has had no link to its parent since`);
    expect(tree.carried.filter((topic) => topic.endsWith("/x"))).toEqual([]);
  },
);

test("a level that is not on the path is unreachable, and so is everything above a node that has never been connected", async () => {
  await using tree = new MemoryTree();
  await tree.add("device-1", { level: "device", parent: "nobody" });
  const alone = finalOf(await call(tree, { levels: ["device", "fog"] }, 50, "ping"));
  expect(alone.outcomes).toEqual([
    {
      level: "fog",
      status: "unreachable",
      reason: expect.stringMatching(/^no level fog is known .*device-1 has had no link to its parent since/),
    },
    { level: "device", node: "device-1", status: "ok", value: expect.anything() },
  ]);
  await using whole = await fourLevels();
  const { client, replies } = await caller(whole, "fog-2");
  await publish(client, "/level/calls/ping", { levels: ["device", "fog-9"] });
  await whole.advance(50);
  expect(finalOf(replies()).outcomes).toEqual([
    {
      level: "device",
      status: "unreachable",
      reason: "there is no level device on the path from fog-2 to the root",
    },
    {
      node: "fog-9",
      status: "unreachable",
      reason: 'there is no node "fog-9" on the path from fog-2 to the root',
    },
  ]);
});

/** What the implementers of all levels are sent in a call where all but the last fail, ids of answers left out. */
async function traceOf(mode: LevelMode): Promise<readonly (readonly string[])[]> {
  await using tree = await fourLevels();
  const traces: (readonly string[])[] = [];
  for (const node of ["device-1", "fog-2", "fog-1", "cloud-1"])
    traces.push(await implementer(tree, node, node === "cloud-1" ? { result: 1 } : { error: "no" }));
  const replies = await call(tree, { id, mode, args: { level: "?" } });
  expect(finalOf(replies).outcomes).toHaveLength(4);
  return traces.map((trace) => trace.map((text) => text.replace(/\/level\/results\/[0-9a-f]{32}/, "<answer>")));
}

test("[J13] [J-S4] implementers cannot tell the modes apart: what they are sent is the same, byte for byte", async () => {
  const [concurrent, sequential] = [await traceOf("concurrent"), await traceOf("sequential")];
  expect(concurrent.map((trace) => trace.length)).toEqual([1, 1, 1, 1]);
  expect(sequential).toEqual(concurrent);
  expect(Object.keys(JSON.parse(concurrent[3]?.[0] ?? "") as object)).toEqual([
    "id",
    "name",
    "args",
    "origin",
    "deadline",
    "ttlMs",
    "reply",
  ]);
  expect(JSON.parse(concurrent[3]?.[0] ?? "")).toMatchObject({ id, origin: "device-1", args: { level: "?" } });
});

test("[T2] [J9] [J-S3] [J-T5] a level message is seen at its own broker and nowhere else; links carry requests and outcomes of one node", async () => {
  await using tree = await fourLevels();
  const nodes = ["device-1", "fog-2", "fog-1", "cloud-1"];
  const traces = new Map<string, { readonly topic: string; readonly text: string }[]>();
  for (const node of nodes) traces.set(node, (await listener(tree, node, `trace-${node}`, "#")).heard);
  tree.carried.length = 0;
  for (const node of nodes) {
    const client = await tree.client(node, "sender");
    await publish(client, "/level/functions/ping", { args: node, reply: `/level/answers/${node}` });
    await publish(client, `/level/own/${node}`, node);
  }
  await tree.advance(100);
  for (const node of nodes) {
    const others = nodes.filter((other) => other !== node);
    const seen = (traces.get(node) ?? []).filter(({ topic }) => /^\/level\/(?:functions|answers|own)/.test(topic));
    expect(seen.map(({ topic }) => topic).toSorted()).toEqual(
      [`/level/answers/${node}`, "/level/functions/ping", `/level/own/${node}`].toSorted(),
    );
    expect(others.filter((other) => seen.some(({ text }) => text.includes(other)))).toEqual([]);
  }
  expect(tree.carried.filter((topic) => !/^\$fog\/(?:up|dn)\/[^/]+\/[hba]$/.test(topic))).toEqual([]);
  tree.carried.length = 0;
  finalOf(await call(tree, { levels: ["cloud"] }, 500, "ping"));
  expect(tree.carried.filter((topic) => topic.endsWith("/x"))).toEqual([
    "$fog/up/device-1/x",
    "$fog/up/fog-2/x",
    "$fog/up/fog-1/x",
    "$fog/dn/fog-1/x",
    "$fog/dn/fog-2/x",
    "$fog/dn/device-1/x",
  ]);
  expect(tree.carried.filter((topic) => topic.startsWith("/level"))).toEqual([]);
  // Those between pass it on unseen.
  for (const [node, count] of [
    ["fog-1", 1],
    ["cloud-1", 2],
  ] as const) {
    expect((traces.get(node) ?? []).filter(({ topic }) => topic === "/level/functions/ping")).toHaveLength(count);
  }
});

test("[J16.14] a link that breaks in mid-call: the node above runs it once, and its outcome is asked for again", async () => {
  await using tree = await fourLevels();
  const { client: program, heard } = await listener(tree, "cloud-1", "program", "/level/functions/act");
  const { client, replies } = await caller(tree);
  await publish(client, "/level/calls/act", { id, levels: ["cloud"], timeoutMs: 13_000 });
  await tree.advance(50);
  await tree.link("device-1", "down");
  const { reply } = JSON.parse(heard[0]?.text ?? "") as { readonly reply: string };
  await publish(program, reply, { result: "done meanwhile" });
  // Of the waits before it is sent again the next one ends at 15 s: too late, were it not for the new session.
  await tree.advance(8000);
  expect(replies()).toEqual([]);
  await tree.link("device-1", "up");
  await tree.advance(4000);
  expect(finalOf(replies()).outcomes).toEqual([
    { level: "cloud", node: "cloud-1", status: "ok", value: "done meanwhile" },
  ]);
  expect(heard).toHaveLength(1);
});

test("[J16.14] a frame that is lost between two other nodes is sent again within the time of the call", async () => {
  await using tree = await fourLevels();
  const { heard } = await listener(tree, "cloud-1", "program", "/level/functions/ping");
  await tree.link("fog-1", "deaf");
  const { client, replies } = await caller(tree);
  await publish(client, "/level/calls/ping", { levels: ["cloud"] });
  await tree.advance(300);
  expect(replies()).toEqual([]);
  await tree.link("fog-1", "up");
  await tree.advance(2000);
  expect(statuses(finalOf(replies()))).toEqual(["cloud-1 ok"]);
  expect(heard).toHaveLength(1);
});

test("[T5] nobody answers: one final reply at the deadline, also when the request never got out", async () => {
  await using tree = await fourLevels();
  await tree.link("device-1", "silent");
  const { client, replies } = await caller(tree);
  await publish(client, "/level/calls/ping", { levels: ["device", "cloud"] });
  await tree.advance(4950);
  expect(replies().some(({ final }) => final)).toBe(false);
  await tree.advance(100);
  expect(statuses(finalOf(replies()))).toEqual(["device-1 ok", "cloud-1 timeout"]);
  await tree.advance(60_000);
  expect(replies()).toHaveLength(3);
});

test("[J-T11] [J-T10] the same id again is the same call: it runs once, and both callers hear the outcome", async () => {
  await using tree = await fourLevels();
  const asked = await implementer(tree, "fog-1", { result: 7 });
  const first = finalOf(await call(tree, { id, levels: ["fog-1"] }));
  const second = finalOf(await call(tree, { id, levels: ["fog-1"] }));
  expect(second).toEqual(first);
  expect(asked).toHaveLength(1);
  expect(finalOf(await call(tree, { id, levels: ["fog-1"] }, 500, "ping")).outcomes).toMatchObject([
    { status: "refused", reason: "another call has had this id" },
  ]);
  const { client, replies } = await caller(tree);
  const payload = new TextEncoder().encode("{}");
  await client.publish({ topic: "/level/calls/ping", payload, qos: 1, retain: false }, { repeated: true });
  await tree.settle();
  expect(finalOf(replies()).error?.message).toContain("could run twice");
});

test("two nodes below may use one id: each is answered for itself", async () => {
  await using tree = await fourLevels();
  await tree.add("device-2", { level: "device", parent: "fog-1" });
  await tree.advance(2000);
  const callers = [await caller(tree, "device-1"), await caller(tree, "device-2")];
  for (const [at, { client }] of callers.entries())
    await publish(client, "/level/calls/echo", { id, levels: ["cloud"], args: at });
  await tree.advance(500);
  expect(callers.map(({ replies }) => finalOf(replies()).outcomes[0]?.value)).toEqual([0, 1]);
});

test("a node that stops says the last word on its calls first", async () => {
  await using tree = await fourLevels();
  await implementer(tree, "fog-1", undefined);
  const below = await caller(tree);
  const there = await caller(tree, "fog-1");
  await publish(below.client, "/level/calls/act", { levels: ["fog-1"] });
  await publish(there.client, "/level/calls/act", { levels: ["fog"] });
  await tree.advance(100);
  await tree.stop("fog-1");
  expect(finalOf(there.replies()).outcomes).toMatchObject([{ status: "failed", reason: "the node stops" }]);
  expect(finalOf(below.replies()).outcomes).toMatchObject([{ status: "failed", reason: "the node stops" }]);
});

test.each([
  ["{broken", "neither JSON nor a CBOR map"],
  ['{"level": 1}', 'there is no field "level"'],
  ['{"levels": []}', "levels must be a list of 1 to"],
  ['{"levels": ["a/b"]}', "levels must be a list of 1 to"],
  ['{"mode": "both"}', "mode must be one of concurrent, sequential"],
  ['{"order": "last"}', "order must be one of nearest, listed"],
  ['{"timeoutMs": 0}', "timeoutMs must be a number of milliseconds"],
  ['{"if": "level = 1"}', "the condition cannot be used: line 1, column"],
  ['{"reply": "/level/calls/x"}', "reply must be a topic for answers"],
])("a bad request is answered before anything is sent: %s", async (body, message) => {
  await using tree = await fourLevels();
  tree.carried.length = 0;
  const { client, replies } = await caller(tree);
  const payload = new TextEncoder().encode(body);
  await client.publish({ topic: "/level/calls/ping", payload, qos: 1, retain: false });
  await tree.settle();
  expect(finalOf(replies()).error).toEqual({
    code: "FOGBANK_CALL_REFUSED",
    message: expect.stringContaining(message),
  });
  expect(tree.carried.filter((topic) => topic.endsWith("/x"))).toEqual([]);
});

test("[J10] [C14] MQTT 5: the response topic is answered with the correlation data, and the message expiry is the time to live", async () => {
  await using tree = await fourLevels();
  await implementer(tree, "device-1", undefined);
  const { client, heard } = await listener(tree, "device-1", "caller", "/answers/+");
  for (const [name, answer] of [
    ["functions/ping", "one"],
    ["functions/act", "two"],
    ["calls/ping", "three"],
  ] as const) {
    const correlationData = new TextEncoder().encode(`c-${answer}`);
    const properties = encodeProperties({ responseTopic: `/answers/${answer}`, correlationData });
    const payload = new TextEncoder().encode(name === "calls/ping" ? '{"levels":["device"]}' : "{}");
    const message = { topic: `/level/${name}`, payload, qos: 1 as const, retain: false, properties };
    await client.publish(message, { expirySeconds: 2 });
  }
  await tree.advance(1900);
  const told = heard.map(({ topic, correlation }) => `${topic} ${correlation}`);
  expect(told.toSorted()).toEqual(["/answers/one c-one", "/answers/three c-three", "/answers/three c-three"]);
  await tree.advance(200);
  expect(heard.at(-1)).toMatchObject({ topic: "/answers/two", correlation: "c-two" });
  expect(JSON.parse(heard.at(-1)?.text ?? "")).toMatchObject({
    status: "failed",
    reason: "no answer before the deadline",
  });
});

test("[J10] what the body says goes before the properties; a response topic of the node's own is refused", async () => {
  await using tree = await fourLevels();
  const { client, heard } = await listener(tree, "device-1", "caller", "#");
  const send = (responseTopic: string, body: string): Promise<void> => {
    const payload = new TextEncoder().encode(body);
    const properties = encodeProperties({ responseTopic });
    return client.publish({ topic: "/level/functions/ping", payload, qos: 1, retain: false, properties });
  };
  await send("/answers/one", `{"reply": "/answers/two"}`);
  await send("/level/uplink", `{"id": "${id}"}`);
  await tree.settle();
  const answers = heard.filter(
    ({ topic, text }) => !topic.startsWith("/level/n") && text.includes('"node":"device-1"'),
  );
  expect(answers.map(({ topic }) => topic)).toEqual(["/answers/two", `/level/replies/caller/${id}`]);
  expect(JSON.parse(answers[1]?.text ?? "")).toMatchObject({ status: "refused" });
});
