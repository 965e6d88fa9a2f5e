import type { IPublishPacket } from "mqtt-packet";
import { expect, test } from "vitest";
import { raiseCommand } from "#agent/cli/raise.ts";
import type { Random } from "#shared/system/random.ts";
import { type ScriptedMqttServer, startScriptedMqttServer } from "../client/scripted-mqtt-server.ts";
import { createBench } from "./command-bench.ts";

const random: Random = { unit: () => 0.5, uint32: () => 0xabc, uuid: () => "" };
const id = "00000abc".repeat(4);

async function raise(server: ScriptedMqttServer, args: readonly string[]) {
  const bench = createBench();
  const target = ["--mqtt", `mqtt://127.0.0.1:${server.port}`];
  const code = await bench.run((io) => raiseCommand(io, random), [...target, ...args]);
  return { code, ...bench.written };
}

function published(server: ScriptedMqttServer): readonly unknown[] {
  return server.packets
    .filter((packet): packet is IPublishPacket => packet.cmd === "publish")
    .map(({ topic, qos, payload }) => ({ topic, qos, body: JSON.parse(payload.toString()) as unknown }));
}

test("raises an event with what is told, for whom and how long, and says nothing [J15]", async () => {
  await using server = await startScriptedMqttServer();
  const options = ["--if", "level == 'device'", "--ttl", "3600", "--scope", "subtree"];
  const well = { code: 0, stdout: "", stderr: "" };
  expect(await raise(server, [...options, "external", "door-open", '{"door": 3}'])).toEqual(well);
  expect(await raise(server, ["--qos", "0", "internal", "shift"])).toEqual(well);
  expect(published(server)).toEqual([
    {
      topic: "/machine/events/external/door-open",
      qos: 1,
      body: { id, args: { door: 3 }, if: "level == 'device'", ttl: 3600, scope: "subtree" },
    },
    { topic: "/machine/events/internal/shift", qos: 0, body: { id, ttl: 60 } },
  ]);
});

test("a connection that ends before the acknowledgement is exit code 1, and no node is 3", async () => {
  await using server = await startScriptedMqttServer((packet, { drop }) => {
    if (packet.cmd === "publish") drop();
    return packet.cmd === "publish";
  });
  expect(await raise(server, ["external", "shift"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^FOGBANK_NOT_ACKNOWLEDGED: .* may or may not have been raised: /),
  });
  await server[Symbol.asyncDispose]();
  expect(await raise(server, ["external", "shift"])).toMatchObject({ code: 3 });
});

test("what cannot be raised is refused before anything is sent", async () => {
  await using server = await startScriptedMqttServer();
  expect(await raise(server, ["external", "a/b"])).toMatchObject({ code: 2 });
  expect(await raise(server, ["external", "shift", "{"])).toMatchObject({ code: 2 });
  expect(await raise(server, ["--if", "level = 1", "external", "shift"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^FOGBANK_CALL_REFUSED: .*line 1, column 7/),
  });
  expect((await raise(server, ["private", "shift"])).stderr).toContain("Allowed choices are internal, external");
  expect((await raise(server, ["--qos", "2", "external", "shift"])).stderr).toContain("Allowed choices are 0, 1");
  expect(server.packets).toEqual([]);
});
