import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IPublishPacket } from "mqtt-packet";
import { expect, test } from "vitest";
import { pubCommand } from "#agent/cli/pub.ts";
import { limits } from "#shared/limits.ts";
import { type Script, type ScriptedMqttServer, startScriptedMqttServer } from "../client/scripted-mqtt-server.ts";
import { chunks, createBench } from "./command-bench.ts";

function to(server: ScriptedMqttServer, ...args: readonly string[]): readonly string[] {
  return ["--mqtt", `mqtt://127.0.0.1:${server.port}`, ...args];
}

function publishes(server: ScriptedMqttServer): readonly IPublishPacket[] {
  return server.packets.filter((packet) => packet.cmd === "publish");
}

function payloads(server: ScriptedMqttServer): readonly string[] {
  return publishes(server).map(({ payload }) => payload.toString());
}

test("publishes text at QoS 1, waits for the acknowledgement and leaves", async () => {
  await using server = await startScriptedMqttServer();
  const bench = createBench();
  expect(await bench.run(pubCommand, to(server, "-t", "/data/a", "-m", "21.5", "-i", "probe"))).toBe(0);
  expect(bench.written).toEqual({ stdout: "", stderr: "" });
  expect(publishes(server)).toMatchObject([{ topic: "/data/a", qos: 1, retain: false, payload: Buffer.from("21.5") }]);
  expect(server.packets[0]).toMatchObject({ clientId: "probe" });
  expect(server.packets.at(-1)?.cmd).toBe("disconnect");
});

test("user and password come from the URL, QoS and retain from their options", async () => {
  await using server = await startScriptedMqttServer();
  const mqtt = `mqtt://anna:p%40ss@127.0.0.1:${server.port}`;
  const args = ["--mqtt", mqtt, "-t", "a", "-n", "-q", "2", "--retain"];
  expect(await createBench().run(pubCommand, args)).toBe(0);
  expect(server.packets[0]).toMatchObject({ username: "anna", password: Buffer.from("p@ss") });
  expect(publishes(server)).toMatchObject([{ qos: 2, retain: true, payload: Buffer.alloc(0) }]);
});

test("a file goes out byte by byte", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fogbank-pub-"));
  try {
    const file = join(folder, "payload");
    await writeFile(file, Uint8Array.of(0xff, 0, 10, 0x80));
    await using server = await startScriptedMqttServer();
    expect(await createBench().run(pubCommand, to(server, "-t", "a", "-f", file))).toBe(0);
    expect(publishes(server)[0]?.payload).toEqual(Buffer.from([0xff, 0, 10, 0x80]));
    const bench = createBench();
    expect(await bench.run(pubCommand, to(server, "-t", "a", "-f", join(folder, "none")))).toBe(2);
    expect(bench.written.stderr).toMatch(/^FOGBANK_USAGE: cannot read the payload from .*ENOENT.*\n$/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("each line of stdin is a message, in order and whatever chunks it comes in", async () => {
  await using server = await startScriptedMqttServer();
  const bench = createBench({ stdin: chunks("one\ntw", "o\n\nfo", "u", "r") });
  expect(await bench.run(pubCommand, to(server, "-t", "a", "--stdin-lines"))).toBe(0);
  expect(payloads(server)).toEqual(["one", "two", "", "four"]);
  expect(bench.written.stderr).toBe("4 lines acknowledged\n");
});

test("at most 100 lines are under way at a time", async () => {
  const held: (() => void)[] = [];
  const full = Promise.withResolvers<void>();
  await using server = await startScriptedMqttServer((packet, { send }) => {
    if (packet.cmd !== "publish") return false;
    const answer = (): void => send({ cmd: "puback", messageId: packet.messageId ?? 0 });
    if (held.length < 100) {
      held.push(answer);
      if (held.length === 100) full.resolve();
    } else answer();
    return true;
  });
  const lines = Array.from({ length: 250 }, (_, at) => `${at}\n`);
  const bench = createBench({ stdin: chunks(...lines) });
  const exitCode = bench.run(pubCommand, to(server, "-t", "a", "--stdin-lines"));
  await full.promise;
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(payloads(server)).toHaveLength(100);
  for (const answer of held) answer();
  expect(await exitCode).toBe(0);
  expect(payloads(server)).toEqual(lines.map((line) => line.trim()));
  expect(bench.written.stderr).toBe("250 lines acknowledged\n");
});

test("without an acknowledgement in time the exit code is 1, and the error says what that means", async () => {
  const arrived = Promise.withResolvers<void>();
  await using server = await startScriptedMqttServer(({ cmd }) => {
    if (cmd === "publish") arrived.resolve();
    return cmd === "publish";
  });
  const bench = createBench();
  const exitCode = bench.run(pubCommand, to(server, "-t", "/data/a", "-m", "x", "--timeout", "2.5"));
  await arrived.promise;
  await bench.clock.advance(2_500);
  expect(await exitCode).toBe(1);
  expect(bench.written.stderr).toBe(
    "FOGBANK_NOT_ACKNOWLEDGED: the message on /data/a was not acknowledged, so it may or may not be stored: no answer within 2.5 s\n",
  );
});

const dropsThird: () => Script = () => {
  let count = 0;
  return (packet, { drop }) => {
    if (packet.cmd !== "publish" || ++count < 3) return false;
    drop();
    return true;
  };
};

test("a connection that the node closes instead of acknowledging ends it with the count of those that are safe", async () => {
  await using server = await startScriptedMqttServer(dropsThird());
  const bench = createBench({ stdin: chunks("1\n2\n", "3\n") });
  expect(await bench.run(pubCommand, to(server, "-t", "a", "--stdin-lines"))).toBe(1);
  expect(bench.written.stderr).toMatch(
    /^2 lines acknowledged\nFOGBANK_NOT_ACKNOWLEDGED: line 3 for a was not .*refuses.*\n$/,
  );
});

test("no node is exit code 3", async () => {
  const server = await startScriptedMqttServer();
  await server[Symbol.asyncDispose]();
  const bench = createBench();
  expect(await bench.run(pubCommand, to(server, "-t", "a", "-m", "x"))).toBe(3);
  expect(bench.written.stderr).toMatch(/^FOGBANK_NOT_CONNECTED: cannot reach a node at mqtt:.*ECONNREFUSED.*\n$/);
});

test("Ctrl-C while stdin is open is exit code 130, and stdin is let go", async () => {
  const acknowledged = Promise.withResolvers<void>();
  let isDestroyed = false;
  const open = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from("1\n");
    acknowledged.resolve();
    await new Promise(() => {});
  };
  const stdin = Object.assign(open(), { destroy: () => (isDestroyed = true) });
  await using server = await startScriptedMqttServer();
  const bench = createBench({ stdin });
  const exitCode = bench.run(pubCommand, to(server, "-t", "a", "--stdin-lines"));
  await acknowledged.promise;
  bench.interrupt();
  expect(await exitCode).toBe(130);
  expect(isDestroyed).toBe(true);
  expect(bench.written.stderr).toMatch(/^[01] lines? acknowledged\n$/);
});

test("what cannot be published is refused before anything is sent", async () => {
  await using server = await startScriptedMqttServer();
  const refused = async (...args: readonly string[]): Promise<readonly [number, string]> => {
    const bench = createBench({ stdin: chunks("x".repeat(limits.packetBytes)) });
    return [await bench.run(pubCommand, to(server, ...args)), bench.written.stderr];
  };
  expect(await refused("-t", "a/#", "-m", "x")).toEqual([2, expect.stringMatching(/^FOGBANK_TOPIC_INVALID: .*"a\/#"/)]);
  expect(await refused("-t", "a")).toEqual([2, expect.stringMatching(/^FOGBANK_USAGE: .*exactly one way/)]);
  expect(await refused("-t", "a", "-m", "x", "-n")).toEqual([2, expect.stringMatching(/^FOGBANK_USAGE/)]);
  const large = "x".repeat(limits.packetBytes);
  expect(await refused("-t", "a", "-m", large)).toEqual([1, expect.stringMatching(/^FOGBANK_PAYLOAD_TOO_LARGE/)]);
  expect(server.packets).toEqual([]);
  expect(await refused("-t", "a", "--stdin-lines")).toEqual([
    1,
    expect.stringContaining("FOGBANK_PAYLOAD_TOO_LARGE: a line"),
  ]);
  for (const wrong of [
    ["-q", "3"],
    ["--timeout", "0"],
    ["--mqtt", "http://x"],
    ["--mqtt", "mqtt://%@x"],
  ]) {
    expect(await refused("-t", "a", "-m", "x", ...wrong)).toEqual([
      1,
      expect.stringMatching(/^error: option .*is invalid/),
    ]);
  }
  expect(publishes(server)).toEqual([]);
});
