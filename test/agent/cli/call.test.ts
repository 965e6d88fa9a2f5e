import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IPublishPacket } from "mqtt-packet";
import { expect, test } from "vitest";
import { callCommand } from "#agent/cli/call.ts";
import type { CliIo } from "#agent/cli/io.ts";
import type { Random } from "#shared/system/random.ts";
import { type Script, type ScriptedMqttServer, startScriptedMqttServer } from "../client/scripted-mqtt-server.ts";
import { type Bench, type BenchOptions, createBench } from "./command-bench.ts";

const random: Random = { unit: () => 0.5, uint32: () => 0xabc, uuid: () => "" };
const id = "00000abc".repeat(4);
const machineReplies = `/machine/replies/${id}`;
const noCounts = { matched: 0, queued: 0, started: 0, done: 0, failed: 0, refused: 0, expired: 0, cancelled: 0 };
const result = { node: "device-1", status: "done", value: { ok: true } };
const done = { id, final: true, counts: { ...noCounts, matched: 1, done: 1 }, results: [result], waiting: [] };

/** Acknowledges the call and answers it with these, each on the topic where this caller listens. */
function answers(...replies: readonly unknown[]): Script {
  let replyTopic = "";
  return (packet, { send }) => {
    if (packet.cmd === "subscribe") replyTopic = packet.subscriptions[0]?.topic ?? "";
    if (packet.cmd !== "publish") return false;
    send({ cmd: "puback", messageId: packet.messageId ?? 0 });
    for (const reply of replies) {
      const payload = Buffer.from(typeof reply === "string" ? reply : JSON.stringify(reply));
      send({ cmd: "publish", topic: replyTopic, payload, qos: 0, retain: false, dup: false });
    }
    return true;
  };
}

async function call(
  server: ScriptedMqttServer,
  args: readonly string[],
  options: BenchOptions = {},
): Promise<{ readonly code: number } & Bench["written"]> {
  const bench = createBench(options);
  const code = await bench.run(create, ["--mqtt", `mqtt://127.0.0.1:${server.port}`, ...args]);
  return { code, ...bench.written };
}

function create(io: CliIo): ReturnType<typeof callCommand> {
  return callCommand(io, random);
}

function published(server: ScriptedMqttServer): readonly { readonly topic: string; readonly body: unknown }[] {
  return server.packets
    .filter((packet): packet is IPublishPacket => packet.cmd === "publish")
    .map(({ topic, payload }) => ({ topic, body: JSON.parse(payload.toString()) as unknown }));
}

test("listens for the reply, publishes the call, shows every result and ends with 0", async () => {
  await using server = await startScriptedMqttServer(answers(done));
  const ended = await call(server, ["--if", "level == 'device'", "--ttl", "2.5", "blink", '{"times": 3}']);
  expect(ended).toEqual({
    code: 0,
    stdout: 'NODE      STATUS  RESULT\ndevice-1  done    {"ok":true}\n\n1 matched: 1 done\n',
    stderr: "",
  });
  const commands = server.packets.map(({ cmd }) => cmd).filter((cmd) => ["subscribe", "publish"].includes(cmd));
  expect(commands).toEqual(["subscribe", "publish"]);
  expect(server.packets.find(({ cmd }) => cmd === "subscribe")).toMatchObject({
    subscriptions: [{ topic: machineReplies, qos: 1 }],
  });
  expect(published(server)).toEqual([
    { topic: "/machine/functions/blink", body: { id, args: { times: 3 }, if: "level == 'device'", ttl: 2.5 } },
  ]);
});

test.each([
  [["--on", "fog-1"], "name == 'fog-1'"],
  [["--on", "fog-1", "--if", "true || 'a' in tags // b"], "name == 'fog-1' && (true || 'a' in tags // b\n)"],
  [["--on", "fog-1", "--if", " "], "name == 'fog-1'"],
  [[], ""],
])("which nodes: %j", async (args, condition) => {
  await using server = await startScriptedMqttServer(answers(done));
  expect(await call(server, [...args, "ping"])).toMatchObject({ code: 0 });
  expect(published(server)).toEqual([{ topic: "/machine/functions/ping", body: { id, if: condition, ttl: 60 } }]);
});

test("--json prints the final reply on one line and nothing else, also on a terminal", async () => {
  const progress = { ...done, final: false };
  const failed = { ...done, counts: { ...noCounts, matched: 1, failed: 1 }, later: "field of a newer node" };
  await using server = await startScriptedMqttServer(answers(progress, failed));
  const ended = await call(server, ["--json", "ping"], { isTerminal: true });
  expect(ended).toEqual({ code: 1, stdout: `${JSON.stringify(failed)}\n`, stderr: "" });
});

test("on a terminal a line on stderr tells how far it is, and is gone in the end", async () => {
  const counts = { ...noCounts, matched: 2, started: 2 };
  const progress = { id, final: false, counts, results: [], waiting: [{ node: "fog-2", since: "" }] };
  await using server = await startScriptedMqttServer(answers(progress, done));
  const ended = await call(server, ["ping"], { isTerminal: true, columns: 30 });
  expect(ended.stderr.split("\r").slice(1)).toEqual([
    "called, not heard of anybo...\u001b[K",
    "2 matched: 2 started - 1 w...\u001b[K",
    "\u001b[K",
  ]);
  await using other = await startScriptedMqttServer(answers(progress, done));
  expect((await call(other, ["ping"])).stderr).toBe("");
});

test.each([
  [{ ...done, counts: noCounts, results: [] }, "no node matched the condition\n"],
  [
    { ...done, waiting: [{ node: "fog-2", since: "2026-07-10T11:59:00.000Z" }] },
    "1 matched: 1 done; 1 waiting: fog-2 since 11:59:00Z\n",
  ],
  [{ ...done, counts: { ...noCounts, matched: 2, done: 1, expired: 1 } }, "2 matched: 1 done, 1 expired\n"],
])("exit code 1 when not all is well: %#", async (reply, summary) => {
  await using server = await startScriptedMqttServer(answers(reply));
  const ended = await call(server, ["ping"]);
  expect(ended).toMatchObject({ code: 1, stderr: "" });
  expect(ended.stdout.endsWith(summary)).toBe(true);
});

test("a call that the node refuses is exit code 1 with its reason", async () => {
  const error = { code: "FOGBANK_CALL_REFUSED", message: "the condition cannot be used: line 1, column 7: …" };
  await using server = await startScriptedMqttServer(answers({ id, final: true, error }));
  const refused = { code: 1, stderr: `FOGBANK_CALL_REFUSED: ${error.message}\n` };
  expect(await call(server, ["ping"])).toEqual({ ...refused, stdout: "" });
  expect(await call(server, ["--json", "ping"])).toEqual({
    ...refused,
    stdout: `${JSON.stringify({ id, final: true, error })}\n`,
  });
});

test("no final reply by three seconds after the end of its life: the node did not answer", async () => {
  const arrived = Promise.withResolvers<void>();
  await using server = await startScriptedMqttServer(({ cmd }) => {
    if (cmd === "publish") arrived.resolve();
    return false;
  });
  const bench = createBench();
  const code = bench.run(create, ["--mqtt", `mqtt://127.0.0.1:${server.port}`, "--ttl", "2", "ping"]);
  await arrived.promise;
  await bench.clock.advance(5_000);
  expect(await code).toBe(1);
  expect(bench.written.stderr).toBe(
    "FOGBANK_NOT_ACKNOWLEDGED: the node did not answer the call on /machine/functions/ping, so it may or may not have run: no final reply within 5 s\n",
  );
});

test("a connection that ends during the call, and an answer that is none, are told as what they are", async () => {
  await using cut = await startScriptedMqttServer((packet, { drop }) => {
    if (packet.cmd === "publish") drop();
    return packet.cmd === "publish";
  });
  expect(await call(cut, ["ping"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^FOGBANK_NOT_ACKNOWLEDGED: .* may or may not have run: the connection .* is over/),
  });
  for (const garbage of ["{broken", { id, final: true, counts: {} }, 7]) {
    await using server = await startScriptedMqttServer(answers(garbage));
    expect(await call(server, ["ping"])).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^FOGBANK_NOT_ACKNOWLEDGED: what came as the answer/),
    });
  }
});

test("--level asks the node's own level, and is answered where it says", async () => {
  const answer = { id, node: "fog-1", status: "done", value: 42 };
  await using server = await startScriptedMqttServer(answers(answer));
  expect(await call(server, ["--level", "--ttl", "5", "sum", "[40, 2]"])).toEqual({
    code: 0,
    stdout: "NODE   STATUS  RESULT\nfog-1  done    42\n",
    stderr: "",
  });
  const reply = `/level/replies/fogbank-call/${id}`;
  expect(published(server)).toEqual([{ topic: "/level/functions/sum", body: { id, args: [40, 2], ttl: 5, reply } }]);
  const refused = { id, node: "fog-1", status: "refused", reason: "nobody offers it" };
  await using other = await startScriptedMqttServer(answers(refused));
  expect(await call(other, ["--level", "--json", "sum"])).toMatchObject({
    code: 1,
    stdout: `${JSON.stringify(refused)}\n`,
  });
});

test("--levels asks several levels, shows a line of each, and is not well when one is not", async () => {
  const outcomes = [
    { level: "fog", node: "fog-1", status: "ok", value: 42 },
    { level: "cloud", status: "unreachable", reason: "there is none" },
  ];
  const progress = outcomes.map((one) => ({ id, final: false, outcomes: [one] }));
  await using server = await startScriptedMqttServer(answers(...progress, { id, final: true, ok: false, outcomes }));
  const ended = await call(server, ["--levels", "fog,cloud", "--if", "true", "sum", "[40, 2]"], {
    isTerminal: true,
    env: { NO_COLOR: "1" },
  });
  expect(ended).toMatchObject({
    code: 1,
    stdout:
      "LEVEL  NODE   STATUS       RESULT\nfog    fog-1  ok           42\ncloud  -      unreachable  there is none\n",
  });
  expect(ended.stderr.split("\r").slice(1)).toEqual([
    "called, not heard of anybody yet\u001b[K",
    "fog-1 ok\u001b[K",
    "fog-1 ok, cloud unreachable\u001b[K",
    "\u001b[K",
  ]);
  const reply = `/level/replies/fogbank-call/${id}`;
  const body = { id, args: [40, 2], levels: ["fog", "cloud"], mode: "concurrent", timeoutMs: 5_000, if: "true", reply };
  expect(published(server)).toEqual([{ topic: "/level/calls/sum", body }]);
});

test("--levels --sequential is well when one is; --ttl is for each level; --json is the last reply", async () => {
  const answered = {
    id,
    final: true,
    ok: true,
    outcomes: [{ level: "fog", node: "fog-1", status: "ok", value: null }],
  };
  await using server = await startScriptedMqttServer(answers(answered));
  const args = ["--levels", "device,fog-1", "--sequential", "--ttl", "0.25", "--json", "sum"];
  expect(await call(server, args)).toEqual({ code: 0, stdout: `${JSON.stringify(answered)}\n`, stderr: "" });
  expect(published(server)[0]?.body).toMatchObject({ levels: ["device", "fog-1"], mode: "sequential", timeoutMs: 250 });
});

test.each([
  [["--sequential", "ping"], "--sequential goes with --levels"],
  [["--levels", "device,,fog", "ping"], "Expected levels or names of nodes"],
  [["--levels", "device", "--on", "fog-1", "ping"], "cannot be used with option"],
  [["--levels", "device", "--level", "ping"], "cannot be used with option"],
])("usage of --levels: %j", async (args, message) => {
  const bench = createBench();
  expect(await bench.run(create, args)).not.toBe(0);
  expect(bench.written.stderr).toContain(message);
});

test("a call at several levels that the node refuses is exit code 1 with its reason", async () => {
  const error = { code: "FOGBANK_CALL_REFUSED", message: "timeoutMs must be less" };
  await using server = await startScriptedMqttServer(answers({ id, final: true, error }));
  expect(await call(server, ["--levels", "fog", "ping"])).toEqual({
    code: 1,
    stdout: "",
    stderr: `FOGBANK_CALL_REFUSED: ${error.message}\n`,
  });
});

test("a node that does not let this client read the answers is exit code 1", async () => {
  await using server = await startScriptedMqttServer((packet, { send }) => {
    if (packet.cmd !== "subscribe") return false;
    send({ cmd: "suback", messageId: packet.messageId ?? 0, granted: [128] });
    return true;
  });
  expect(await call(server, ["ping"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^FOGBANK_SUBSCRIPTION_REFUSED: .*machine\/replies/),
  });
  expect(published(server)).toEqual([]);
});

test("no node is exit code 3", async () => {
  const server = await startScriptedMqttServer();
  await server[Symbol.asyncDispose]();
  expect(await call(server, ["ping"])).toMatchObject({ code: 3, stderr: expect.stringMatching(/^FOGBANK_NOT_CONN/) });
});

test("Ctrl-C while a level is asked is exit code 130, and leaves no line behind", async () => {
  const arrived = Promise.withResolvers<void>();
  await using server = await startScriptedMqttServer(({ cmd }) => {
    if (cmd === "publish") arrived.resolve();
    return false;
  });
  const bench = createBench({ isTerminal: true });
  const code = bench.run(create, ["--mqtt", `mqtt://127.0.0.1:${server.port}`, "--levels", "fog", "ping"]);
  await arrived.promise;
  bench.interrupt();
  expect(await code).toBe(130);
  expect(bench.written.stderr.endsWith("\r\u001b[K")).toBe(true);
});

interface Cancelled {
  readonly bench: Bench;
  readonly code: Promise<number>;
}

/**
 * A call that is called off, at a node that answers it with `before`, and when it is called off, if it does, with `last`: "drop" cuts
 * the connection. Resolves when the node has heard of it.
 */
async function cancelled(
  last: object | "drop" | undefined,
  { before, args = [] }: { readonly before?: object; readonly args?: readonly string[] } = {},
): Promise<Cancelled> {
  const [arrived, off] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const server = await startScriptedMqttServer((packet, { send, drop }) => {
    if (packet.cmd !== "publish") return false;
    const answer = (reply: object): void =>
      send({ ...noFlags, cmd: "publish", topic: machineReplies, payload: Buffer.from(JSON.stringify(reply)) });
    send({ cmd: "puback", messageId: packet.messageId ?? 0 });
    if (packet.topic.startsWith("/machine/functions/")) {
      if (before === undefined) arrived.resolve();
      else answer(before);
    } else if (packet.topic === `/machine/calls/${id}/cancel`) {
      off.resolve();
      if (last === "drop") drop();
      else if (last !== undefined) answer(last);
    }
    return true;
  });
  const bench = createBench({
    isTerminal: true,
    env: { NO_COLOR: "1" },
    onStderr: (text) => {
      if (text.includes("1 started")) arrived.resolve();
    },
  });
  const code = bench.run(create, ["--mqtt", `mqtt://127.0.0.1:${server.port}`, ...args, "ping"]);
  await arrived.promise;
  bench.interrupt();
  await off.promise;
  void code.finally(() => server[Symbol.asyncDispose]());
  return { bench, code };
}

const noFlags = { qos: 0, retain: false, dup: false } as const;
const underWay = {
  id,
  final: false,
  counts: { ...noCounts, matched: 2, done: 1, started: 1 },
  results: [result, { node: "device-2", status: "started" }],
  waiting: [],
};

test("Ctrl-C calls the call off, shows what became of it, and is exit code 130", async () => {
  const counts = { ...noCounts, matched: 2, done: 1, cancelled: 1 };
  const off = { node: "device-2", status: "cancelled", reason: "its caller called it off" };
  const { bench, code } = await cancelled({ id, final: true, counts, results: [result, off], waiting: [] });
  expect(await code).toBe(130);
  expect(bench.written.stdout).toMatch(/device-2 +cancelled .*\n\n2 matched: 1 done, 1 cancelled\n$/s);
  expect(bench.written.stderr).toMatch(/calling it off\u001b\[K\r\u001b\[K$/);
});

test.each([
  ["says no more", undefined, "the last word did not come within 5 s"],
  ["goes away", "drop", "the connection to .* is over .*"],
] as const)(
  "Ctrl-C, and the node %s: what was heard before is shown, and where the last word will come",
  async (_, last, why) => {
    const { bench, code } = await cancelled(last, { before: underWay });
    // Whoever is cut off knows it at once.
    if (last === undefined) {
      await bench.clock.advance(4_999);
      expect(bench.written.stdout).toBe("");
      await bench.clock.advance(1);
    }
    expect(await code).toBe(130);
    expect(bench.written.stdout).toMatch(/^NODE .*\ndevice-2 +started *\n\n2 matched: 1 done, 1 started\n$/s);
    const told = `FOGBANK_NOT_ACKNOWLEDGED: the call was called off, but not everything was heard of it: ${why}. Its last word comes a second after its ttl at the latest: fogbank sub -t ${machineReplies} at the same node\n`;
    expect(bench.written.stderr).toMatch(new RegExp(`\r\u001b\\[K${told}$`));
  },
);

test("Ctrl-C before anything was heard, and nothing is: only the line that says so", async () => {
  const nothing = await cancelled(undefined);
  await nothing.bench.clock.advance(5_000);
  expect(await nothing.code).toBe(130);
  expect(nothing.bench.written.stdout).toBe("");
  expect(nothing.bench.written.stderr).toContain("FOGBANK_NOT_ACKNOWLEDGED: the call was called off");
});

test("a node that does not know the call that is called off says so", async () => {
  const error = { code: "FOGBANK_CALL_REFUSED", message: "there is no call with this id" };
  const { bench, code } = await cancelled({ id, final: true, error });
  expect(await code).toBe(130);
  expect(bench.written.stderr).toMatch(/FOGBANK_CALL_REFUSED: there is no call with this id\n$/);
});

test("how the call is to be made: scope, sync, a common start, a barrier, a share", async () => {
  await using server = await startScriptedMqttServer(answers({ ...done, confirmed: true }));
  const at = "2026-07-10T12:00:30Z";
  const all = ["--scope", "machine", "--at", at, "--min-nodes", "2", "--confirm", "0.5"];
  expect(await call(server, [...all, "ping"])).toMatchObject({ code: 0 });
  expect(await call(server, ["--sync", "ping"])).toMatchObject({ code: 0 });
  const [first, second] = published(server);
  const asked = { id, if: "", ttl: 60, mode: "sync" };
  expect(first?.body).toEqual({ ...asked, scope: "machine", at, minNodes: 2, confirm: 0.5 });
  expect(second?.body).toEqual(asked);
});

test("a share that is not reached is exit code 1, also when nobody failed", async () => {
  await using server = await startScriptedMqttServer(answers({ ...done, confirmed: false }));
  const ended = await call(server, ["--confirm", "1", "ping"]);
  expect([ended.code, ended.stdout.split("\n").at(-2)]).toEqual([1, "1 matched: 1 done; not confirmed"]);
});

const waiting = [{ node: "device-7", since: "2026-07-10T11:59:00.000Z", at: "fog-2" }];

test.each([
  [{ matched: 1, done: 1 }, 4, "1 matched: 1 done"],
  [{ matched: 0 }, 4, "0 matched"],
  [{ matched: 2, done: 1, failed: 1 }, 1, "2 matched: 1 done, 1 failed"],
])("--no-wait ends when only those that are away are waited for: %j is exit code %i", async (counts, code, words) => {
  const open = { id, final: false, counts: { ...noCounts, ...counts }, results: [], waiting };
  await using server = await startScriptedMqttServer(answers(open, { ...open, settled: true }));
  expect(await call(server, ["--no-wait", "ping"])).toEqual({
    code,
    stdout: `${words}; 1 waiting at fog-2: device-7 since 11:59:00Z\n`,
    stderr: "",
  });
});

test("a settled call goes on without --no-wait", async () => {
  const settled = { ...done, final: false, settled: true, waiting };
  await using server = await startScriptedMqttServer(answers(settled, done));
  expect(await call(server, ["ping"])).toMatchObject({ code: 0 });
});

test("--results writes each node's result once, as a line of JSON, and no table", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-results-"));
  const file = join(folder, "results.jsonl");
  const failed = { node: "device-2", status: "failed", reason: "no power" };
  const counts = { ...noCounts, matched: 1_500, done: 1, failed: 1_499 };
  const last = { ...done, counts, results: [result, failed], omitted: 1_498 };
  const results = `${machineReplies}/results`;
  const told = Array.from({ length: 1_499 }, (_, index) => ({ ...failed, node: `device-${index + 2}` }));
  await using server = await startScriptedMqttServer((packet, { send }) => {
    if (packet.cmd !== "publish") return false;
    const tell = (topic: string, body: unknown): void =>
      send({ cmd: "publish", topic, payload: Buffer.from(JSON.stringify(body)), qos: 0, retain: false, dup: false });
    send({ cmd: "puback", messageId: packet.messageId ?? 0 });
    // A node that was killed tells some of them again.
    for (const one of [...told, result, ...told.slice(0, 3)]) tell(results, one);
    tell(machineReplies, last);
    return true;
  });
  expect(await call(server, ["--results", file, "ping"])).toMatchObject({
    code: 1,
    stdout: "1500 matched: 1 done, 1499 failed\n",
  });
  expect(server.packets.filter(({ cmd }) => cmd === "subscribe")).toMatchObject([
    { subscriptions: [{ topic: results }] },
    { subscriptions: [{ topic: machineReplies }] },
  ]);
  expect(published(server)[0]?.body).toMatchObject({ results });
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([...told, result]);
  expect(await call(server, ["--results", join(folder, "none", "x"), "ping"])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^FOGBANK_USAGE: cannot write the results to /),
  });
  rmSync(folder, { recursive: true });
});

test("what cannot be called is refused before anything is sent", async () => {
  await using server = await startScriptedMqttServer();
  const refused = async (...args: readonly string[]): Promise<readonly [number, string]> => {
    const { code, stderr } = await call(server, args);
    return [code, stderr];
  };
  expect(await refused("ping", '{"a": x}')).toEqual([
    2,
    'FOGBANK_USAGE: the function\'s arguments: not JSON at line 1, column 7: unexpected "x}"\n',
  ]);
  expect(await refused("a/b")).toEqual([2, expect.stringMatching(/^FOGBANK_USAGE: "a\/b" cannot be/)]);
  expect(await refused("--on", "a b", "ping")).toEqual([2, expect.stringMatching(/^FOGBANK_NAME_INVALID: "a b"/)]);
  expect(await refused("--on", "a", "--if", "true) || (true", "ping")).toEqual([
    1,
    expect.stringMatching(/^FOGBANK_CALL_REFUSED: the condition cannot be used: line 1, column 5: /),
  ]);
  for (const wrong of [
    ["--ttl", "0"],
    ["--ttl", "1e3"],
    ["--ttl", "604801"],
    ["--level", "--if", "true"],
    ["--level", "--on", "fog-1"],
    ["--level", "--sync"],
    ["--levels", "fog", "--results", "x"],
    ["--at", "soon"],
    ["--min-nodes", "0"],
    ["--confirm", "1.5"],
    ["--scope", "all"],
  ]) {
    expect(await refused(...wrong, "ping")).toEqual([1, expect.stringMatching(/^error: option /)]);
  }
  expect(server.packets).toEqual([]);
});
