// The client library against a whole node, over TCP and over WebSocket, in JSON and in CBOR.
import { createServer } from "node:net";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { connect, FogbankClientError, type ConnectionEvent, type PresenceEvent } from "../../client/client.ts";
import { LiveNode, quickly } from "./live-node.ts";

const failure = (code: string, words: string) =>
  expect.objectContaining({
    name: "FogbankClientError",
    code,
    message: expect.stringContaining(words) as string,
  }) as Error;

/** What becomes of a promise that fails. */
function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "no error",
    (error: unknown) => error,
  );
}

describe.each([
  ["TCP, JSON", "url", "json"],
  ["WebSocket, CBOR", "webSocketUrl", "cbor"],
] as const)("over %s", (_title, address, encoding) => {
  test("what is published arrives where it is subscribed to, bytes and values", async () => {
    await using node = await LiveNode.start();
    await using client = await quickly(node[address], { encoding });
    const got: Uint8Array[] = [];
    const subscription = await client.subscribe("/data/+", ({ payload }) => void got.push(payload.slice()));
    await client.publish("/data/a", Uint8Array.of(0, 255, 1));
    await client.publish("/data/b", "text");
    await client.publish("/data/c", { celsius: 20.5, none: undefined });
    await expect.poll(() => got.length).toBe(3);
    expect([...(got[0] ?? [])]).toEqual([0, 255, 1]);
    expect(new TextDecoder().decode(got[1])).toBe("text");
    expect(got[2]?.[0]).toBe(encoding === "json" ? 0x7b : 0xa1);
    await subscription.unsubscribe();
    await client.publish("/data/d", "");
    expect(got).toHaveLength(3);
  });

  test("a function that one client implements is called by another [J16.1–3]", async () => {
    await using node = await LiveNode.start();
    await using program = await quickly(node[address], { encoding });
    await using caller = await quickly(node[address], { encoding });
    const origins: string[] = [];
    await program.implement("double", (args, { origin, deadline }) => {
      origins.push(origin);
      expect(deadline.getTime()).toBeGreaterThan(Date.now());
      return { twice: 2 * (args as { value: number }).value };
    });
    const progress: boolean[] = [];
    const report = await caller.call("double", { value: 21 }, { onProgress: ({ final }) => progress.push(final) });
    expect(report).toMatchObject({
      final: true,
      counts: { matched: 1, done: 1 },
      results: [{ node: "device-1", status: "done", value: { twice: 42 } }],
      waiting: [],
    });
    expect(origins).toEqual(["device-1"]);
    expect(progress).not.toContain(true);
  });
});

test("each subscription hears a message once, also where one is shared and overlaps another", async () => {
  await using node = await LiveNode.start();
  await using client = await quickly(node.url);
  const heard: string[] = [];
  for (const filter of ["/x/#", "$share/group//x/y", "/x/y"])
    await client.subscribe(filter, ({ payload }) => void heard.push(`${filter} ${new TextDecoder().decode(payload)}`));
  await client.publish("/x/y", "1");
  await client.publish("/x/z", "end");
  await expect.poll(() => heard).toContain("/x/# end");
  expect(heard.toSorted()).toEqual(["$share/group//x/y 1", "/x/# 1", "/x/# end", "/x/y 1"]);
});

test("what a handler throws is the reason of the failure, and what cannot be sent too", async () => {
  await using node = await LiveNode.start();
  await using client = await quickly(node.url);
  await client.implement("throws", () => Promise.reject(new Error("no power")));
  await client.implement("odd", () => new Map([[{}, 1]]));
  const reports = await Promise.all([client.call("throws"), client.call("odd")]);
  expect(reports.map(({ results }) => results)).toMatchObject([
    [{ status: "failed", reason: "no power" }],
    [{ status: "failed", reason: expect.stringContaining("cannot be sent") as string }],
  ]);
});

test("arguments that do not fit the schema are refused, and a schema that cannot be used is not taken", async () => {
  await using node = await LiveNode.start();
  await using client = await quickly(node.url);
  await client.implement("blink", () => "blinked", { schema: { type: "integer", maximum: 3 } });
  expect((await client.call("blink", 3)).counts).toMatchObject({ done: 1 });
  const { results } = await client.call("blink", 4);
  expect(results).toMatchObject([{ status: "refused", reason: expect.stringContaining("greater than 3") as string }]);
  expect(await errorOf(client.implement("blink", () => 1, { schema: { pattern: "x" } }))).toEqual(
    failure("refused", '"pattern" is not supported'),
  );
});

test("programs that share a function run each call once, between them", async () => {
  await using node = await LiveNode.start();
  const ran = [0, 0];
  const programs = [await quickly(node.url), await quickly(node.url)];
  for (const [index, program] of programs.entries())
    await program.implement("work", () => void (ran[index] = (ran[index] ?? 0) + 1), { share: "workers" });
  await using caller = await quickly(node.url);
  for (let call = 0; call < 10; call++) expect((await caller.call("work")).counts).toMatchObject({ done: 1 });
  expect(ran).toEqual([5, 5]);
  for (const program of programs) await program.close();
});

test("a function of the level is called on this node alone", async () => {
  await using node = await LiveNode.start();
  await using client = await quickly(node.url);
  await client.implement("where", (_args, { origin }) => `asked by ${origin}`, { level: true });
  expect(await client.callLevel("where")).toMatchObject({ status: "done", value: "asked by device-1" });
  expect(await client.callLevel("nothing")).toMatchObject({ status: "refused" });
});

test("a call that the node does not make is refused with its reason", async () => {
  await using node = await LiveNode.start();
  await using client = await quickly(node.url);
  expect(await errorOf(client.call("ping", null, { if: "level ==" }))).toEqual(failure("refused", "line 1"));
  expect(await errorOf(connect("http://127.0.0.1"))).toEqual(failure("bad-argument", "no address"));
  expect(await errorOf(client.call("two words"))).toEqual(failure("bad-argument", "two words"));
  expect(await errorOf(client.publish("/data/x", () => 1))).toEqual(failure("bad-argument", "cannot be sent"));
});

test("a message that the journal has no room for is refused with the node's reason", async () => {
  await using node = await LiveNode.start({
    "journal.max-bytes": String(2 * 1024 * 1024),
    streams: '( { name = "data"; filters = "/data/#"; policy = "newest"; } )',
    "uplink.url": "mqtt://127.0.0.1:9",
  });
  await using client = await quickly(node.url);
  const fill = async (): Promise<never> => {
    for (;;) await client.publish("/data/x", crypto.getRandomValues(new Uint8Array(60_000)));
  };
  expect(await errorOf(fill())).toEqual(failure("refused", "has reached its limit"));
});

test("who may not come in, or not do that, is told so", async () => {
  await using node = await LiveNode.start({ "auth.anonymous": "never" });
  expect(await errorOf(connect(node.url))).toEqual(failure("unauthorized", "does not let this client in"));
  await using open = await LiveNode.start();
  await using client = await quickly(open.url);
  expect(await errorOf(client.publish("$fog/up/device-9/h", "x"))).toEqual(failure("unauthorized", "may not publish"));
  expect(await errorOf(client.subscribe("$fog/#", () => {}))).toEqual(failure("unauthorized", "may not subscribe"));
});

test("where no node is, the first attempt fails", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  server.close();
  await once(server, "close");
  expect(await errorOf(connect(`mqtt://127.0.0.1:${port}`))).toEqual(failure("not-connected", "ECONNREFUSED"));
});

test("the program hears when the connection is lost and when it is back; everything goes on then [J3]", async () => {
  await using node = await LiveNode.start();
  await using client = await quickly(node.url);
  const events: ConnectionEvent[] = [];
  client.onConnection((event) => events.push(event));
  const got: string[] = [];
  await client.subscribe("/data/#", ({ payload }) => void got.push(new TextDecoder().decode(payload)));
  await client.implement("greet", () => "hello");
  await node.stop();
  await expect.poll(() => client.isConnected).toBe(false);
  const published = client.publish("/data/x", "while it was away");
  await node.start();
  await published;
  expect(await client.call("greet")).toMatchObject({ results: [{ status: "done", value: "hello" }] });
  expect(got).toEqual(["while it was away"]);
  expect(events.map(({ state }) => state)).toEqual(["disconnected", "connected"]);
  expect(events[0]).toMatchObject({ reason: { code: "not-connected" } });
});

test("a call under way survives a lost connection of its caller, and does not run twice [J16.14]", async () => {
  await using node = await LiveNode.start();
  await using program = await quickly(node.url);
  await using caller = await quickly(node.url, { clientId: "caller" });
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let ran = 0;
  await program.implement("slow", async () => {
    ran++;
    begun.resolve();
    await go.promise;
    return "done";
  });
  const lost = Promise.withResolvers<void>();
  const back = Promise.withResolvers<void>();
  caller.onConnection(({ state }) => (state === "connected" ? back : lost).resolve());
  const report = caller.call("slow", null, { ttl: 20 });
  await begun.promise;
  node.broker.disconnect("caller");
  await lost.promise;
  go.resolve();
  await back.promise;
  expect(await report).toMatchObject({ counts: { matched: 1, done: 1 }, results: [{ value: "done" }] });
  expect(ran).toBe(1);
});

test("a handler is told when its connection is lost, and when the deadline has passed", async () => {
  await using node = await LiveNode.start();
  await using program = await quickly(node.url, { clientId: "program" });
  await using caller = await quickly(node.url);
  const reasons: unknown[] = [];
  let begun = Promise.withResolvers<void>();
  await program.implement("hang", (_args, { signal }) => {
    begun.resolve();
    return new Promise((resolve) =>
      signal.addEventListener("abort", () => {
        reasons.push(signal.reason);
        resolve(null);
      }),
    );
  });
  const lost = caller.call("hang");
  await begun.promise;
  node.broker.disconnect("program");
  expect((await lost).results).toMatchObject([
    { status: "failed", reason: "the program that ran it has disconnected" },
  ]);
  await expect.poll(() => program.isConnected).toBe(true);
  begun = Promise.withResolvers<void>();
  const late = caller.call("hang", null, { ttl: 2 });
  await begun.promise;
  expect((await late).results).toMatchObject([{ status: "failed", reason: "no answer before the deadline" }]);
  await expect.poll(() => reasons).toEqual([failure("not-connected", ""), failure("timeout", "deadline")]);
});

test("a program sees how its node stands to the tree [J3]", async () => {
  await using node = await LiveNode.start();
  await using client = await quickly(node.url);
  const events: PresenceEvent[] = [];
  await client.onPresence((event) => void events.push(event));
  const child = { node: "device-9", state: "online", since: "2026-01-01T00:00:00.000Z", level: "device" };
  const topic = "/level/presence/device-9";
  const payload = new TextEncoder().encode(JSON.stringify(child));
  await node.broker.publish({ topic, payload, qos: 1, retain: true });
  await node.broker.publish({ topic, payload: new Uint8Array(), qos: 1, retain: true });
  await expect.poll(() => events.length).toBe(3);
  expect(events).toMatchObject([
    { type: "uplink", state: "none", path: [] },
    { type: "child", ...child },
    { type: "child", node: "device-9", state: "forgotten" },
  ]);
});

test("whoever waits when the client is closed is told so, and a handler's failure is not lost", async () => {
  await using node = await LiveNode.start();
  const errors: unknown[] = [];
  const client = await quickly(node.url, { onError: (error) => void errors.push(error) });
  await client.subscribe("/x", () => {
    throw new Error("of the handler");
  });
  await client.publish("/x", "1");
  await expect.poll(() => errors).toMatchObject([{ message: "of the handler" }]);
  await node.stop();
  const waiting = [client.publish("/data/x", "1"), client.call("ping"), client.subscribe("/y", () => {})];
  const outcomes = Promise.all(waiting.map(errorOf));
  await client.close();
  expect(await outcomes).toEqual(waiting.map(() => failure("closed", "has been closed")));
  expect(await errorOf(client.publish("/data/x", "1"))).toBeInstanceOf(FogbankClientError);
});

test("a wait ends with the caller's signal, and with its own time", async () => {
  await using node = await LiveNode.start();
  const client = await quickly(node.url);
  await node.stop();
  await expect.poll(() => client.isConnected).toBe(false);
  const given = new AbortController();
  const waiting = errorOf(client.publish("/data/x", "1", { signal: given.signal }));
  given.abort();
  expect(await waiting).toEqual(failure("cancelled", "given up"));
  expect(await errorOf(client.publish("/data/x", "1", { timeoutMs: 5 }))).toEqual(failure("timeout", "may or may not"));
  await client.close();
});
