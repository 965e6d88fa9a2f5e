// What the client library says on the wire, and what it makes of the answers: against a broker whose other half is written here.
import { expect, test } from "vitest";
import type { Broker } from "#agent/broker/broker.ts";
import type { MachineEvent } from "../../client/client.ts";
import { bareBroker, quickly } from "./live-node.ts";

type Body = Readonly<Record<string, unknown>>;

/** Takes in what is published on `filter`. */
function answering(broker: Broker, filter: string, answer: (body: Body, topic: string) => void): void {
  broker.intercept(filter, ({ topic, payload }, settle) => {
    settle({ type: "take" });
    answer(JSON.parse(new TextDecoder().decode(payload)) as Body, topic);
  });
}

function say(broker: Broker, topic: unknown, body: object): void {
  const payload = new TextEncoder().encode(JSON.stringify(body));
  void broker.publish({ topic: String(topic), payload, qos: 1, retain: false });
}

const counts = { matched: 1, queued: 0, started: 0, done: 0, failed: 0, refused: 0, expired: 0, cancelled: 1 };
const waiting = [{ node: "device-1", since: "2026-01-01T00:00:00.000Z", at: "fog-2" }];

test("a call says all that its options do, and hears how far it is", async () => {
  await using node = await bareBroker();
  const asked: Body[] = [];
  answering(node.broker, "/machine/functions/+", (body) => {
    asked.push(body);
    const report = { id: body["id"], counts, results: [], waiting };
    say(node.broker, body["reply"], { ...report, final: false });
    say(node.broker, body["reply"], { ...report, final: true, confirmed: true, omitted: 3 });
  });
  await using client = await quickly(node.url, { clientId: "caller" });
  const progress: unknown[] = [];
  const options = { if: "true", ttl: 5, mode: "sync", scope: "machine", minNodes: 2, confirm: 0.5 } as const;
  const report = await client.call("f", [1], {
    ...options,
    at: new Date(0),
    onProgress: ({ final }) => progress.push(final),
  });
  expect(report).toMatchObject({ final: true, confirmed: true, omitted: 3, waiting });
  expect(progress).toEqual([false]);
  const { ttl, ...rest } = options;
  const id = asked[0]?.["id"];
  expect(asked).toEqual([
    {
      ...rest,
      args: [1],
      id,
      ttl: expect.closeTo(ttl, 0) as number,
      at: "1970-01-01T00:00:00.000Z",
      reply: `/level/replies/caller/${String(id)}`,
    },
  ]);
  expect(id).toMatch(/^[0-9a-f]{32}$/);
});

test("a call that its caller gives up is cancelled at the node, and one cancelled by its id says what became of it", async () => {
  await using node = await bareBroker();
  const asked = Promise.withResolvers<Body>();
  answering(node.broker, "/machine/functions/+", (body) => asked.resolve(body));
  const cancelled: string[] = [];
  answering(node.broker, "/machine/calls/+/cancel", (_body, topic) => {
    const id = topic.split("/")[3] ?? "";
    cancelled.push(id);
    say(node.broker, `/level/replies/caller/${id}`, { id, final: true, counts, results: [], waiting: [] });
  });
  await using client = await quickly(node.url, { clientId: "caller" });
  const id = "0".repeat(32);
  const call = client.call("f", null, { id });
  await asked.promise;
  await client.cancel(id);
  expect((await call).counts.cancelled).toBe(1);

  const stop = new AbortController();
  const other = "1".repeat(32);
  const given = client.call("f", null, { id: other, signal: stop.signal });
  const outcome = expect(given).rejects.toMatchObject({ code: "cancelled" });
  stop.abort();
  await outcome;
  await expect.poll(() => cancelled).toEqual([id, other]);
});

test("what is no answer of a node fails the call", async () => {
  await using node = await bareBroker();
  answering(node.broker, "/machine/functions/+", (body) => say(node.broker, body["reply"], { id: body["id"] }));
  await using client = await quickly(node.url);
  await expect(client.call("f")).rejects.toMatchObject({ code: "bad-answer" });
});

test("a call that nobody answers ends with a time-out", async () => {
  await using node = await bareBroker();
  await using client = await quickly(node.url);
  await expect(client.callLevels("f", null, { timeoutMs: -2_990 })).rejects.toMatchObject({ code: "timeout" });
});

test("a call at several levels says which, how and how long, and hears of each outcome [J11] [J12]", async () => {
  await using node = await bareBroker();
  const outcomes = [
    { level: "device", node: "device-1", status: "failed", reason: "no power" },
    { level: "fog", node: "fog-1", status: "ok", value: 7 },
  ];
  const asked: Body[] = [];
  answering(node.broker, "/level/calls/+", (body, topic) => {
    asked.push({ ...body, topic });
    const { id } = body;
    for (const outcome of outcomes) say(node.broker, body["reply"], { id, final: false, outcomes: [outcome] });
    say(node.broker, body["reply"], { id, final: true, ok: true, outcomes });
  });
  await using client = await quickly(node.url, { clientId: "caller" });
  const heard: unknown[] = [];
  const options = { levels: ["device", "fog"], mode: "sequential", order: "listed", timeoutMs: 700 } as const;
  const report = await client.callLevels("f", 1, { ...options, onProgress: (part) => heard.push(...part.outcomes) });
  expect(report).toMatchObject({ final: true, ok: true, outcomes });
  expect(heard).toEqual(outcomes);
  const { id, reply } = asked[0] ?? {};
  expect(asked).toEqual([{ ...options, topic: "/level/calls/f", args: 1, id, reply }]);
});

test("an event is raised with its condition and scope, and heard with its origin [J15]", async () => {
  await using node = await bareBroker();
  const raised: Body[] = [];
  answering(node.broker, "/machine/events/+/+", (body, topic) => {
    raised.push(body);
    const { id, args } = body;
    say(node.broker, topic, { id, name: "door", args, origin: "device-1", time: "2026-01-01T00:00:00.000Z" });
  });
  await using client = await quickly(node.url);
  const heard: MachineEvent[] = [];
  await client.onEvent("external", "door", (event) => void heard.push(event));
  await client.onEvent("internal", "#", (event) => void heard.push(event));
  await client.raise("external", "door", { open: true }, { if: "level == 'fog'", ttl: 5, scope: "subtree" });
  await client.raise("internal", "door", null, { durable: false });
  await expect
    .poll(() => heard)
    .toMatchObject([
      { kind: "external", name: "door", args: { open: true }, origin: "device-1", time: "2026-01-01T00:00:00.000Z" },
      { kind: "internal", name: "door", args: null },
    ]);
  const id = expect.stringMatching(/^[0-9a-f]{32}$/) as string;
  expect(raised).toEqual([
    { id, args: { open: true }, if: "level == 'fog'", ttl: 5, scope: "subtree" },
    { id, args: null },
  ]);
  await expect(client.raise("external", "a/b")).rejects.toMatchObject({ code: "bad-argument" });
});

test("a handler is told when its call is cancelled, and its answer dropped", async () => {
  await using node = await bareBroker();
  const answers: Body[] = [];
  answering(node.broker, "/machine/results/+", (body) => answers.push(body));
  await using client = await quickly(node.url);
  const cancelled = Promise.withResolvers<unknown>();
  const begun = Promise.withResolvers<void>();
  await client.implement("f", async (args, { signal }) => {
    if (args === "short") return args;
    begun.resolve();
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    cancelled.resolve(signal.reason);
    return "too late";
  });
  const ask = (reply: string, args: string): void =>
    say(node.broker, "/machine/functions/f", {
      id: "1",
      name: "f",
      args,
      origin: "x",
      deadline: "1999-01-01T00:00:00Z", // by a clock that is not this one's
      ttlMs: 60_000,
      reply,
    });
  ask("/machine/results/t", "long");
  await begun.promise;
  say(node.broker, "/machine/results/t/cancel", { id: "1" });
  expect(await cancelled.promise).toMatchObject({ code: "cancelled" });
  ask("/machine/results/u", "short");
  await expect.poll(() => answers).toEqual([{ result: "short" }]);
});
