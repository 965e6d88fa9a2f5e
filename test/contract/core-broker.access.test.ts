// The core with the real listeners and the real authorizer, and stock clients of both protocol versions over every transport.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectSocket } from "node:net";
import { connect as connectMqtt, connectAsync, MqttClient, type IClientOptions } from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { createAuthorizer, type AnonymousMode, type NodeAuthorizer } from "#agent/auth/authorizer.ts";
import { hashPassword } from "#agent/auth/password.ts";
import type { Users } from "#agent/auth/users-file.ts";
import type { Broker } from "#agent/broker/broker.ts";
import { startCoreBroker } from "#agent/broker/core-broker.ts";
import type { ListenSpec } from "#agent/net/listen-spec.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { createMemorySessionStore } from "../fakes/memory-session-store.ts";
import { silentLogger } from "../fakes/silent-logger.ts";
import { authority, serverCredentials } from "../agent/net/listen-bench.ts";

interface Bench {
  readonly broker: Broker;
  readonly authorizer: NodeAuthorizer;
  readonly port: number;
  users: Users;
}

async function start(spec: ListenSpec, users: Users, anonymous: AnonymousMode = "local"): Promise<Bench> {
  const clock = new FakeClock();
  const log = silentLogger();
  const state = { users };
  const authorizer = createAuthorizer({ clock, log, readUsers: () => state.users, admitChild: () => true }, anonymous);
  const store = createMemorySessionStore();
  const broker = await startCoreBroker({ clock, log, random: systemRandom, store }, { authorizer });
  onTestFinished(() => broker[Symbol.asyncDispose]());
  const [address] = await broker.listen([spec]);
  return Object.assign(state, { broker, authorizer, port: address?.port ?? 0 });
}

const tcp: ListenSpec = { transport: "tcp", host: "127.0.0.1", port: 0 };
const nobody: Users = { users: [], children: [] };

async function connect(options: IClientOptions): Promise<MqttClient> {
  const client = await connectAsync({ reconnectPeriod: 0, connectTimeout: 5_000, ...options });
  client.on("error", () => {});
  onTestFinished(() => void client.end(true));
  return client;
}

/** The code of the refusal. */
async function refusal(options: IClientOptions): Promise<unknown> {
  const client = connectMqtt({ reconnectPeriod: 0, connectTimeout: 5_000, ...options });
  onTestFinished(() => void client.end(true));
  const error = await new Promise<Error>((resolve) => void client.once("error", resolve));
  return "code" in error ? error.code : error;
}

async function exchange(publisher: MqttClient, subscriber: MqttClient): Promise<void> {
  await subscriber.subscribeAsync("a/#", { qos: 2 });
  const arrived: string[] = [];
  const all = Promise.withResolvers<void>();
  subscriber.on("message", (topic, payload) => {
    if (arrived.push(`${topic} ${payload.length}`) === 3) all.resolve();
  });
  for (const qos of [0, 1, 2] as const) await publisher.publishAsync(`a/${qos}`, Buffer.alloc(200_000), { qos });
  await all.promise;
  expect(arrived).toEqual(["a/0 200000", "a/1 200000", "a/2 200000"]);
}

const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), "fogbank-access-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
};

for (const protocolVersion of [4, 5] as const) {
  test(`TCP, version ${protocolVersion}: every QoS, large payloads`, async () => {
    const { port } = await start(tcp, nobody);
    const options: IClientOptions = { host: "127.0.0.1", port, protocolVersion };
    await exchange(await connect(options), await connect(options));
  });

  test(`[MQTT-6.0.0-2] WebSocket, version ${protocolVersion}: packets that span frames, and several in one`, async () => {
    const { port } = await start({ ...tcp, transport: "ws" }, nobody);
    const options: IClientOptions = { protocol: "ws", host: "127.0.0.1", port, path: "/mqtt", protocolVersion };
    await exchange(await connect(options), await connect(options));
  });

  test(`TLS, version ${protocolVersion}`, async () => {
    const { port } = await start({ ...tcp, transport: "tls", tls: serverCredentials() }, nobody);
    const options: IClientOptions = {
      protocol: "mqtts",
      host: "127.0.0.1",
      port,
      ca: authority.cert,
      servername: "localhost",
      protocolVersion,
    };
    await exchange(await connect(options), await connect(options));
  });

  test(`Unix socket, version ${protocolVersion}`, async () => {
    const path = join(folder(), "mqtt.sock");
    await start({ transport: "unix", host: path, port: 0 }, nobody);
    const open = async (): Promise<MqttClient> => {
      const client = new MqttClient(() => connectSocket(path), { protocolVersion, reconnectPeriod: 0 });
      onTestFinished(() => void client.end(true));
      await new Promise<void>((resolve) => void client.once("connect", () => resolve()));
      return client;
    };
    await exchange(await open(), await open());
  });
}

async function somebody(): Promise<Users> {
  const password = async (text: string): Promise<string> => hashPassword(new TextEncoder().encode(text));
  return {
    users: [
      {
        name: "pump",
        password: await password("wet"),
        access: [
          { filter: "/pump/#", allow: "both" },
          { filter: "/all/#", allow: "subscribe" },
        ],
      },
      { name: "panel", password: await password("bright"), access: [] },
    ],
    children: [],
  };
}

test("a wrong password is answered with 4 or 0x86, no password with the same", async () => {
  const { port } = await start(tcp, await somebody(), "never");
  const wrong = { host: "127.0.0.1", port, username: "pump", password: "dry" };
  expect(await refusal({ ...wrong, protocolVersion: 4 })).toBe(4);
  expect(await refusal({ ...wrong, protocolVersion: 5 })).toBe(0x86);
  expect(await refusal({ host: "127.0.0.1", port, protocolVersion: 4 })).toBe(4);
});

test("rules hold for publishing and subscribing: 0x87 for MQTT 5, a closed connection and 0x80 before", async () => {
  const { port, broker } = await start(tcp, await somebody());
  const pump = { host: "127.0.0.1", port, username: "pump", password: "wet" };
  const five = await connect({ ...pump, clientId: "five", protocolVersion: 5 });
  await five.publishAsync("/pump/1", "", { qos: 1 });
  await expect(five.publishAsync("/all/1", "", { qos: 1 })).rejects.toMatchObject({ code: 0x87 });
  expect(await five.subscribeAsync("/pump/+")).toMatchObject([{ qos: 0 }]);
  await expect(five.subscribeAsync("/+/x")).rejects.toThrow(/not authorized/i);
  const four = await connect({ ...pump, clientId: "four", protocolVersion: 4 });
  await expect(four.subscribeAsync("/+/x")).rejects.toThrow(/error/i);
  const closed = new Promise<void>((resolve) => void four.once("close", () => resolve()));
  four.publish("/all/1", "", { qos: 1 }, () => {});
  await closed;
  expect(broker.stats().publishesRefused).toBe(2);
});

test("what waits for one user's session is not for another user with the same client id", async () => {
  const { port, broker } = await start(tcp, await somebody());
  const options: IClientOptions = { host: "127.0.0.1", port, clientId: "tank", clean: false, protocolVersion: 4 };
  const owner = await connect({ ...options, username: "pump", password: "wet" });
  await owner.subscribeAsync("/pump/#", { qos: 1 });
  await owner.endAsync();
  await broker.publish({ topic: "/pump/1", payload: new TextEncoder().encode("secret"), qos: 1, retain: false });
  expect(await refusal({ ...options, username: "panel", password: "bright" })).toBe(5);
  const back = connectMqtt({ ...options, username: "pump", password: "wet", reconnectPeriod: 0 });
  onTestFinished(() => void back.end(true));
  const payload = await new Promise<Buffer>((resolve) => void back.on("message", (_topic, bytes) => resolve(bytes)));
  expect(payload.toString()).toBe("secret");
});

test("new rules hold at once: held subscriptions that are not allowed any more end, connections stand", async () => {
  const bench = await start(tcp, await somebody());
  const client = await connect({
    host: "127.0.0.1",
    port: bench.port,
    username: "pump",
    password: "wet",
    protocolVersion: 5,
  });
  await client.subscribeAsync("/all/#");
  await client.publishAsync("/pump/1", "", { qos: 1 });
  expect(bench.broker.hasSubscriber("/all/x")).toBe(true);
  const [pump, ...others] = bench.users.users;
  if (pump === undefined) throw new Error("there is a user");
  bench.users = { ...bench.users, users: [{ ...pump, access: [{ filter: "/new/#", allow: "both" }] }, ...others] };
  bench.authorizer.reload();
  bench.broker.reauthorize();
  expect(bench.broker.hasSubscriber("/all/x")).toBe(false);
  await expect(client.publishAsync("/pump/1", "", { qos: 1 })).rejects.toMatchObject({ code: 0x87 });
  await client.publishAsync("/new/1", "", { qos: 1 });
});
