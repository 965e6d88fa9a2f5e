import { expect, test } from "vitest";
import { lightParent } from "#agent/hollow/light-parent.ts";
import type { DialOptions } from "#agent/link/parent-connection.ts";
import { startScriptedMqttServer } from "../client/scripted-mqtt-server.ts";

const never = new AbortController().signal;

function options(given: Partial<DialOptions> = {}): DialOptions {
  return {
    clientId: "h-1",
    username: "uuid:1",
    subscribe: "$fog/dn/h-1/+",
    will: { topic: "$fog/up/h-1/w", payload: Uint8Array.of(1, 2) },
    onMessage: () => undefined,
    onClosed: () => undefined,
    ...given,
  };
}

const dial = (port: number, given: Partial<DialOptions> = {}, signal = never) =>
  lightParent({ host: "127.0.0.1", port })(options(given), signal);

test("connects with name, will and subscription, carries frames both ways, and says goodbye", async () => {
  await using server = await startScriptedMqttServer((packet, { send }) => {
    if (packet.cmd === "publish")
      send({
        cmd: "publish",
        topic: "$fog/dn/h-1/h",
        payload: Buffer.from(packet.payload),
        qos: 0,
        retain: false,
        dup: false,
      });
    return packet.cmd === "publish";
  });
  const heard = Promise.withResolvers<readonly [string, Uint8Array]>();
  const parent = await dial(server.port, {
    onMessage: (topic, bytes) => heard.resolve([topic, Uint8Array.from(bytes)]),
  });
  const body = Uint8Array.from({ length: 100_000 }, (_, index) => index);
  parent.send("$fog/up/h-1/h", body);
  expect(await heard.promise).toEqual(["$fog/dn/h-1/h", body]);
  await parent[Symbol.asyncDispose]();
  expect(server.packets).toMatchObject([
    {
      cmd: "connect",
      clientId: "h-1",
      username: "uuid:1",
      clean: true,
      keepalive: 10,
      will: { topic: "$fog/up/h-1/w", payload: Buffer.of(1, 2), qos: 0, retain: false },
    },
    { cmd: "subscribe", subscriptions: [{ topic: "$fog/dn/h-1/+", qos: 0 }] },
    { cmd: "publish", topic: "$fog/up/h-1/h" },
    { cmd: "disconnect" },
  ]);
});

test("a refusal, a refused subscription, a dead port and an attempt that is given up reject with the reason", async () => {
  await using refusing = await startScriptedMqttServer((packet, { send }) => {
    if (packet.cmd === "connect") send({ cmd: "connack", returnCode: 5, sessionPresent: false });
    return true;
  });
  await expect(dial(refusing.port)).rejects.toMatchObject({ code: "FOGBANK_NOT_CONNECTED", message: /code 5/ });
  await using deaf = await startScriptedMqttServer((packet, { send }) => {
    if (packet.cmd === "subscribe") send({ cmd: "suback", messageId: 1, granted: [128] });
    return packet.cmd === "subscribe";
  });
  await expect(dial(deaf.port)).rejects.toThrow(/subscribe/);
  await using silent = await startScriptedMqttServer(() => true);
  const stop = new AbortController();
  const given = dial(silent.port, {}, stop.signal);
  stop.abort();
  await expect(given).rejects.toThrow(/given up/);
  silent.close();
  await expect(dial(1)).rejects.toThrow(/ECONNREFUSED/);
});

test("a connection that breaks, or carries no MQTT, is told once", async () => {
  for (const end of ["drop", "garbage"] as const) {
    await using server = await startScriptedMqttServer((packet, { drop, send }) => {
      if (packet.cmd !== "publish") return false;
      if (end === "drop") drop();
      else send({ cmd: "publish", topic: "x", payload: Buffer.alloc(2_000_000), qos: 0, retain: false, dup: false });
      return true;
    });
    const reasons: string[] = [];
    const closed = Promise.withResolvers<void>();
    const onClosed = (reason: string): void => {
      reasons.push(reason);
      closed.resolve();
    };
    const parent = await dial(server.port, { onClosed });
    parent.send("x", Uint8Array.of(1));
    await closed.promise;
    parent.send("x", Uint8Array.of(1));
    expect(reasons).toEqual([expect.stringMatching(end === "drop" ? /closed the connection|ECONNRESET/ : /no MQTT/)]);
  }
});
