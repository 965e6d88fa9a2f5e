import { expect, test } from "vitest";
import { subCommand } from "#agent/cli/sub.ts";
import { type Script, type ScriptedMqttServer, startScriptedMqttServer } from "../client/scripted-mqtt-server.ts";
import { createBench } from "./command-bench.ts";

function to(server: ScriptedMqttServer, ...args: readonly string[]): readonly string[] {
  return ["--mqtt", `mqtt://127.0.0.1:${server.port}`, ...args];
}

/** Grants every subscription and sends these payloads on `a/b`; then, if told to, cuts the connection. */
function sends(payloads: readonly (string | Uint8Array)[], end: "drop" | "stay" = "stay"): Script {
  return (packet, { send, drop }) => {
    if (packet.cmd !== "subscribe") return false;
    const granted = packet.subscriptions.map(({ qos }) => qos);
    send({ cmd: "suback", messageId: packet.messageId ?? 0, granted });
    for (const [at, payload] of payloads.entries()) {
      send({ cmd: "publish", topic: "a/b", payload: Buffer.from(payload), qos: 0, retain: at === 0, dup: false });
    }
    if (end === "drop") setImmediate(drop);
    return true;
  };
}

test("prints payloads until the count is reached, and not one more", async () => {
  await using server = await startScriptedMqttServer(sends(["1", "2", "3"]));
  const bench = createBench();
  expect(await bench.run(subCommand, to(server, "-t", "a/#", "-t", "c", "-q", "0", "--count", "2"))).toBe(0);
  expect(bench.written).toEqual({ stdout: "1\n2\n", stderr: "" });
  expect(server.packets.find(({ cmd }) => cmd === "subscribe")).toMatchObject({
    subscriptions: [
      { topic: "a/#", qos: 0 },
      { topic: "c", qos: 0 },
    ],
  });
  expect(server.packets.at(-1)?.cmd).toBe("disconnect");
});

test("prints the topic on request, and as JSON all there is to a message", async () => {
  await using server = await startScriptedMqttServer(sends(["é", Uint8Array.of(0xff, 1)]));
  const verbose = createBench();
  expect(await verbose.run(subCommand, to(server, "-t", "#", "-v", "--count", "1"))).toBe(0);
  expect(verbose.written.stdout).toBe("a/b é\n");
  const json = createBench();
  expect(await json.run(subCommand, to(server, "-t", "#", "--json", "--count", "2"))).toBe(0);
  const shape = { time: "2026-07-10T12:00:00.000Z", topic: "a/b", qos: 0 };
  expect(
    json.written.stdout
      .split("\n")
      .slice(0, 2)
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([
    { ...shape, retain: true, payload: "é" },
    { ...shape, retain: false, payloadBase64: "/wE=" },
  ]);
});

test("a message cannot steer the terminal, but a file gets it as it is", async () => {
  await using server = await startScriptedMqttServer(sends(["\u001b[2Jx\ty"]));
  const terminal = createBench({ isTerminal: true });
  await terminal.run(subCommand, to(server, "-t", "#", "--count", "1"));
  expect(terminal.written.stdout).toBe("?[2Jx\ty\n");
  const file = createBench();
  await file.run(subCommand, to(server, "-t", "#", "--count", "1"));
  expect(file.written.stdout).toBe("\u001b[2Jx\ty\n");
});

test("a subscription that the node refuses is an error", async () => {
  await using server = await startScriptedMqttServer((packet, { send }) => {
    if (packet.cmd !== "subscribe") return false;
    send({ cmd: "suback", messageId: packet.messageId ?? 0, granted: [128] });
    return true;
  });
  const bench = createBench();
  expect(await bench.run(subCommand, to(server, "-t", "$fog/up/x/h"))).toBe(1);
  expect(bench.written.stderr).toBe(
    'FOGBANK_SUBSCRIPTION_REFUSED: the node does not let this client subscribe to "$fog/up/x/h"\n',
  );
});

test("after a lost connection it connects again, and says what that means", async () => {
  let connections = 0;
  const scripts = [sends(["1"], "drop"), sends(["2"])];
  await using server = await startScriptedMqttServer((packet, connection) => {
    if (packet.cmd === "connect") connections++;
    return scripts[connections - 1]?.(packet, connection) ?? false;
  });
  const bench = createBench({ quickSleeps: { ms: 500, count: 1 } });
  expect(await bench.run(subCommand, to(server, "-t", "#", "--count", "2"))).toBe(0);
  expect(bench.written.stdout).toBe("1\n2\n");
  expect(bench.written.stderr).toMatch(
    /^notice: the connection to mqtt:\S+ is over \(.*\): connecting again; what is published until then is missed\nnotice: connected again\n$/,
  );
});

test("no node at the start is exit code 3, a filter that is none 2", async () => {
  const server = await startScriptedMqttServer();
  await server[Symbol.asyncDispose]();
  expect(await createBench().run(subCommand, to(server, "-t", "#"))).toBe(3);
  const bench = createBench();
  expect(await bench.run(subCommand, to(server, "-t", "a#"))).toBe(2);
  expect(bench.written.stderr).toMatch(/^FOGBANK_TOPIC_INVALID: "a#"/);
});

test("Ctrl-C is exit code 130, also while it tries to connect again", async () => {
  const bench = createBench({ onStdout: () => bench.interrupt() });
  await using server = await startScriptedMqttServer(sends(["1"]));
  expect(await bench.run(subCommand, to(server, "-t", "#"))).toBe(130);
  expect(bench.written).toEqual({ stdout: "1\n", stderr: "" });
  await using dropping = await startScriptedMqttServer(sends([], "drop"));
  expect(await createBench({ quickSleeps: { ms: 500, count: 0 } }).run(subCommand, to(dropping, "-t", "#"))).toBe(130);
});

test("when nobody reads stdout any more it ends quietly", async () => {
  const bench = createBench({
    onStdout: () => {
      throw Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    },
  });
  await using server = await startScriptedMqttServer(sends(["1", "2"]));
  expect(await bench.run(subCommand, to(server, "-t", "#"))).toBe(0);
  expect(bench.written).toEqual({ stdout: "", stderr: "" });
});
