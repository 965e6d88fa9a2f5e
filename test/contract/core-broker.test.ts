import { connect as connectTcp, type Socket } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { startCoreBroker } from "#agent/broker/core-broker.ts";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import type { Authorizer } from "#agent/broker/broker.ts";
import { limits } from "#shared/limits.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { createMemorySessionStore } from "../fakes/memory-session-store.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { connectMqtt } from "../fakes/mqtt-test-client.ts";
import { silentLogger } from "../fakes/silent-logger.ts";
import { Inbox, message, subscribed, testBroker, type BrokerBench } from "./broker-contract.ts";
import { busQueriesContract } from "./bus-queries-contract.ts";

interface CoreBench extends BrokerBench {
  readonly port: number;
}

async function start(authorizer: Authorizer = treeAuthorizer): Promise<CoreBench> {
  const clock = new FakeClock();
  const log = silentLogger();
  const broker = await startCoreBroker(
    { clock, log, random: systemRandom, store: createMemorySessionStore() },
    { authorizer },
  );
  const [address] = await broker.listen([{ host: "127.0.0.1", port: 0 }]);
  const port = address?.port ?? 0;
  return {
    broker,
    port,
    clock,
    log,
    connect: (clientId, options) => connectMqtt(port, clientId, options),
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}

/** A bare connection; whatever ends it is no error of the test. */
async function openSocket({ port }: CoreBench): Promise<Socket> {
  const socket = connectTcp(port, "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => {});
  return socket;
}

async function expectAlive(bench: BrokerBench): Promise<void> {
  const client = await bench.connect("alive");
  const inbox = await subscribed(client, "alive");
  await client.publish(message("alive", "yes"));
  await inbox.until(1);
  expect(inbox.texts).toEqual(["yes"]);
}

const connectV311 = Uint8Array.from([0x10, 13, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 1, 0x72]);

testBroker("core", start);
busQueriesContract("core", start);

test("core: garbage on the port closes that connection only", async () => {
  await using bench = await start();
  const other = await bench.connect("other");
  const connected = Buffer.from(connectV311);
  const garbage: Uint8Array[] = [
    Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    Buffer.alloc(64, 0xff),
    Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    Buffer.from([0x10, 4, 0, 9, 0x4d, 0x51]),
    Buffer.concat([connected, Buffer.from([0x30, 1, 0])]),
    Buffer.concat([connected, Buffer.from([0x82, 3, 0, 1, 0])]),
    Buffer.concat([connected, Buffer.from([0x00, 0x00])]),
    Buffer.concat([connected, connected]),
    Buffer.concat([connected, Buffer.from([0x82, 8, 0, 1, 0, 3, 0x61, 0x23, 0x62, 0])]),
  ];
  for (const bytes of garbage) {
    const socket = await openSocket(bench);
    socket.resume();
    socket.end(bytes);
    await once(socket, "close");
  }
  expect(bench.broker.clients().map(({ clientId }) => clientId)).toContain("other");
  await other.publish(message("a", "1"));
  await expectAlive(bench);
});

test("core: a packet beyond the limit is noticed by its header, and its sender closed", async () => {
  await using bench = await start();
  const watcher = await subscribed(await bench.connect("watcher"), "a");
  const fits = await bench.connect("fits");
  const payload = new Uint8Array(limits.packetBytes - 100);
  await fits.publish({ topic: "a", payload, qos: 1, retain: false });
  await watcher.until(1);
  const socket = await openSocket(bench);
  socket.resume();
  socket.write(connectV311);
  socket.write(Uint8Array.from([0x32, 0x81, 0x80, 0x80, 0x02]));
  await once(socket, "close");
  await expectAlive(bench);
});

test("core: a port in use is an error that says what to do, and nothing stays behind", async () => {
  await using bench = await start();
  const taken = { host: "127.0.0.1", port: bench.port };
  const { clock, log } = bench;
  await using other = await startCoreBroker(
    { clock, log, random: systemRandom, store: createMemorySessionStore() },
    { authorizer: treeAuthorizer },
  );
  await expect(other.listen([{ host: "127.0.0.1", port: 0 }, taken])).rejects.toThrow(
    expect.objectContaining({
      code: "FOGBANK_LISTEN_FAILED",
      message: expect.stringContaining(`127.0.0.1:${taken.port} (EADDRINUSE): another program listens there`),
    }),
  );
  await expectAlive(bench);
});

test("core: a session that is offline counts as a subscriber and gets what it missed, in order", async () => {
  await using bench = await start();
  const keepSession = { keepSession: true } as const;
  const port = bench.port;
  const first = await connectMqtt(port, "keeper", keepSession);
  await first.subscribe("k/#", 1);
  await first.disconnect();
  for (let at = 0; at < 20; at++) await bench.broker.publish(message(`k/${at % 3}`, String(at), at % 2 === 0 ? 1 : 2));
  expect(bench.broker.hasSubscriber("k/x")).toBe(true);
  expect(bench.broker.stats()).toMatchObject({ sessions: 1, queuedMessages: 20 });
  const second = await connectMqtt(port, "keeper", keepSession);
  const inbox = new Inbox();
  second.onMessage(inbox.take);
  await inbox.until(20);
  expect(inbox.texts).toEqual(Array.from({ length: 20 }, (_, at) => String(at)));
  await second.publish(message("round/trip", ""));
  await bench.clock.advance(1_000); // what was confirmed is stored in its own time
  expect(bench.broker.stats().queuedMessages).toBe(0);
  await second.disconnect();
  const clean = await connectMqtt(port, "keeper");
  expect(bench.broker.stats().sessions).toBe(0);
  expect(bench.broker.hasSubscriber("k/x")).toBe(false);
  await clean.disconnect();
});

test("core: interceptors see a QoS 2 message once, however often it is repeated [MQTT-4.3.3-2]", async () => {
  await using bench = await start();
  const settles: (() => void)[] = [];
  const seen = Promise.withResolvers<void>();
  bench.broker.intercept("a", (_publish, settle) => {
    settles.push(() => settle({ type: "pass" }));
    seen.resolve();
  });
  const routed = new Inbox();
  bench.broker.subscribe("a", routed.take);
  const publish = (flags: number): Uint8Array => Uint8Array.from([0x30 | flags, 6, 0, 1, 0x61, 0, 7, 0x78]);
  const session = Uint8Array.from(connectV311.with(9, 0));
  const first = await openSocket(bench);
  first.write(Buffer.concat([session, publish(4)]));
  await seen.promise;
  first.destroy();
  const second = await openSocket(bench);
  const answers: Buffer[] = [];
  const confirmed = Promise.withResolvers<void>();
  second.on("data", (bytes: Buffer) => {
    answers.push(bytes);
    if (Buffer.concat(answers).includes(Buffer.from([0x50, 2, 0, 7]))) confirmed.resolve();
  });
  second.write(session);
  await once(second, "data");
  second.write(publish(12));
  second.write(Uint8Array.from([0xc0, 0]));
  await once(second, "data");
  expect(settles).toHaveLength(1);
  settles[0]?.();
  await confirmed.promise;
  const repeated = once(second, "data");
  second.write(publish(12));
  expect((await repeated)[0]).toEqual(Buffer.from([0x50, 2, 0, 7]));
  expect(settles).toHaveLength(1);
  expect(routed.texts).toEqual(["x"]);
  second.destroy();
});

test("core: a subscriber that stops reading costs bounded memory, is cut off, and stops nobody", async () => {
  await using bench = await start();
  const deaf = await openSocket(bench);
  deaf.write(Uint8Array.from([...connectV311, 0x82, 6, 0, 1, 0, 1, 0x61, 1]));
  await once(deaf, "data");
  deaf.pause();
  const gone = new Promise<void>((resolve) => {
    bench.broker.onClient(({ type, clientId }) => void (type === "disconnected" && clientId === "r" && resolve()));
  });
  const payload = new Uint8Array(limits.packetBytes - 100);
  for (let at = 0; at < 40; at++) {
    await bench.broker.publish({ topic: "a", payload, qos: 1, retain: false });
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(bench.broker.stats().queuedBytes).toBeLessThanOrEqual(limits.sessionQueueBytes);
  expect(bench.broker.stats().dropped).toBeGreaterThan(0);
  await bench.clock.advance(limits.stalledMs + 1_000);
  await gone;
  expect(bench.broker.stats()).toMatchObject({ slowClosed: 1, queuedBytes: 0 });
  await expectAlive(bench);
  deaf.destroy();
});
