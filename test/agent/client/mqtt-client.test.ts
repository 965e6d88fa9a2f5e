import { expect, test } from "vitest";
import { connectMqttClient, type MqttClient, type MqttClientConfig } from "#agent/client/mqtt-client.ts";
import type { Message } from "#shared/system/bus.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { type Script, type ScriptedMqttServer, startScriptedMqttServer } from "./scripted-mqtt-server.ts";

const never = new AbortController().signal;
const bytes = new TextEncoder();

function connect(
  server: ScriptedMqttServer,
  config: Partial<MqttClientConfig> = {},
  signal = never,
): Promise<MqttClient> {
  return connectMqttClient(new FakeClock(), { host: "127.0.0.1", port: server.port, ...config }, signal);
}

function message(topic: string, text: string, qos: Message["qos"] = 1): Message {
  return { topic, payload: bytes.encode(text), qos, retain: false };
}

const silentOnPublish: Script = ({ cmd }) => cmd === "publish";

test("says hello as 3.1.1 with what it is given, publishes at every QoS, and says goodbye", async () => {
  await using server = await startScriptedMqttServer();
  const client = await connect(server, { clientId: "c", username: "u", password: "p" });
  for (const qos of [0, 1, 2] as const) await client.publish(message("a", String(qos), qos));
  await client[Symbol.asyncDispose]();
  expect(server.packets[0]).toMatchObject({
    protocolVersion: 4,
    clientId: "c",
    username: "u",
    clean: true,
    password: Buffer.from("p"),
  });
  expect(server.packets.map(({ cmd }) => cmd)).toEqual([
    "connect",
    "publish",
    "publish",
    "publish",
    "pubrel",
    "disconnect",
  ]);
});

test("messages arrive as bytes", async () => {
  await using server = await startScriptedMqttServer((packet, { send }) => {
    if (packet.cmd !== "subscribe") return false;
    send({ cmd: "suback", messageId: packet.messageId ?? 0, granted: [1] });
    send({ cmd: "publish", topic: "a", payload: Buffer.from([0xff, 0]), qos: 0, retain: true, dup: false });
    return true;
  });
  const arrived = Promise.withResolvers<Message>();
  await using client = await connect(server, { onMessage: arrived.resolve });
  expect(await client.subscribe(["a"], 1)).toEqual([]);
  expect(await arrived.promise).toMatchObject({ topic: "a", qos: 0, retain: true, payload: Buffer.from([0xff, 0]) });
});

test("filters that are refused are named [MQTT-3.9.3-2]", async () => {
  await using server = await startScriptedMqttServer((packet, { send }) => {
    if (packet.cmd !== "subscribe") return false;
    send({ cmd: "suback", messageId: packet.messageId ?? 0, granted: [1, 128, 0] });
    return true;
  });
  await using client = await connect(server);
  expect(await client.subscribe(["a", "$fog/#", "b"], 1)).toEqual(["$fog/#"]);
});

test("a publish that the end of the connection overtakes is rejected, and so is every later one", async () => {
  await using server = await startScriptedMqttServer((packet, { drop }) => {
    if (packet.cmd === "publish") drop();
    return packet.cmd === "publish";
  });
  await using client = await connect(server);
  const over = expect.objectContaining({ code: "FOGBANK_NOT_CONNECTED", message: expect.stringContaining("is over") });
  await expect(client.publish(message("a", "1"))).rejects.toThrow(over);
  expect(client.ended.aborted).toBe(true);
  await expect(client.publish(message("a", "2"))).rejects.toThrow(over);
});

test("nobody there, and a node that refuses, are errors that name the address", async () => {
  const server = await startScriptedMqttServer();
  await server[Symbol.asyncDispose]();
  await expect(connect(server)).rejects.toThrow(
    expect.objectContaining({
      code: "FOGBANK_NOT_CONNECTED",
      message: expect.stringMatching(/mqtt:\/\/127\.0\.0\.1:\d+ \(.*ECONNREFUSED.*listen\.mqtt/),
    }),
  );
  await using refusing = await startScriptedMqttServer((_packet, { send }) => {
    send({ cmd: "connack", returnCode: 5, sessionPresent: false });
    return true;
  });
  await expect(connect(refusing)).rejects.toThrow("Not authorized");
});

test("an abort ends the attempt, the connection and what waits on it", async () => {
  const stop = new AbortController();
  await using server = await startScriptedMqttServer((packet, connection) => {
    if (packet.cmd === "publish") stop.abort("SIGINT");
    return silentOnPublish(packet, connection);
  });
  await using client = await connect(server, {}, stop.signal);
  await expect(client.publish(message("a", "1"))).rejects.toBe("SIGINT");
  await expect(connect(server, {}, stop.signal)).rejects.toBe("SIGINT");
});
