// What the broker's durable sessions keep when it dies, at moments that a torture of processes seldom hits: a store that takes nothing
// more stands for a process that is gone.
import { expect, test } from "vitest";
import { startCoreBroker } from "#agent/broker/core-broker.ts";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import type { Broker } from "#agent/broker/broker.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { limits } from "#shared/limits.ts";
import type { SessionChange, SessionStore } from "#shared/system/session-store.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { createMemorySessionStore, type MemorySessionStore } from "../fakes/memory-session-store.ts";
import { RawClient, type PacketOf, type ProtocolVersion } from "../fakes/raw-client.ts";
import { silentLogger } from "../fakes/silent-logger.ts";
import { message } from "./broker-contract.ts";

interface Life extends AsyncDisposable {
  readonly broker: Broker;
  readonly port: number;
  readonly clock: FakeClock;
  /** From now on nothing is stored; what is stored is what the next life finds. */
  freeze(): void;
  /** The same, as soon as a change of this type is stored. */
  freezeBehind(type: SessionChange["type"]): void;
}

async function live(stored: MemorySessionStore): Promise<Life> {
  let isFrozen = false;
  let last: SessionChange["type"] | undefined;
  const store: SessionStore = {
    ...stored,
    wake: () => void (isFrozen || stored.wake()),
    contribute: (source) =>
      stored.contribute({
        collect() {
          const batch = isFrozen ? undefined : source.collect();
          isFrozen ||= batch?.changes.some(({ type }) => type === last) === true;
          return batch;
        },
        settle: (outcome) => source.settle(outcome),
      }),
  };
  const clock = new FakeClock();
  const deps = { clock, log: silentLogger(), random: systemRandom, store };
  const broker = await startCoreBroker(deps, { authorizer: treeAuthorizer });
  const [address] = await broker.listen([{ host: "127.0.0.1", port: 0 }]);
  return {
    broker,
    port: address?.port ?? 0,
    clock,
    freeze: () => void (isFrozen = true),
    freezeBehind: (type) => void (last = type),
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}

async function opened(life: Life, clientId: string, protocolVersion: ProtocolVersion = 4): Promise<RawClient> {
  const client = await RawClient.open(life.port, { protocolVersion });
  const properties = protocolVersion === 5 ? { properties: { sessionExpiryInterval: 600 } } : {};
  await client.connect({ clientId, clean: false, ...properties });
  return client;
}

async function subscribe(client: RawClient, topic: string, qos: 1 | 2): Promise<void> {
  await client.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos }] });
  await client.answer("suback", 1);
}

/** The next messages, each answered with PUBACK when it comes. */
async function taken(client: RawClient, count: number): Promise<readonly PacketOf<"publish">[]> {
  const packets: PacketOf<"publish">[] = [];
  while (packets.length < count) {
    const packet = await client.answer("publish");
    packets.push(packet);
    if (packet.qos === 1) await client.sendPacket({ cmd: "puback", messageId: packet.messageId ?? 0 });
  }
  return packets;
}

test("core: whatever went out before a crash comes again with DUP, however much was confirmed meanwhile [MQTT-3.3.1-1]", async () => {
  const stored = createMemorySessionStore();
  const count = 3 * limits.inflightMessages;
  await using first = await live(stored);
  const before = await opened(first, "reader");
  await subscribe(before, "a", 1);
  await before.disconnect();
  for (let at = 0; at < count; at++) await first.broker.publish(message("a", String(at)));
  const reading = await opened(first, "reader");
  const sent = await taken(reading, count);
  first.freeze();
  reading.abort();
  await using second = await live(stored.reopen());
  const again = await opened(second, "reader");
  // What the store knows to be confirmed does not come again, and the rest in its order.
  const rest = await taken(again, 1);
  const from = Number(rest[0]?.payload.toString());
  const repeated = [...rest, ...(await taken(again, count - from - 1))];
  expect(repeated.filter(({ dup }) => !dup).map(({ payload }) => payload.toString())).toEqual([]);
  expect(repeated.map(({ messageId }) => messageId)).toEqual(sent.slice(from).map(({ messageId }) => messageId));
  await again.disconnect();
});

test("core: a client may have as many QoS 2 messages on their way as its receive maximum says [MQTT-3.3.4-7]", async () => {
  await using life = await live(createMemorySessionStore());
  const client = await RawClient.open(life.port, { protocolVersion: 5 });
  const connack = await client.connect({ clientId: "sender", clean: true });
  const receiveMaximum = connack.properties?.receiveMaximum ?? 0;
  const reader = await opened(life, "reader");
  await subscribe(reader, "a", 2);
  for (let messageId = 1; messageId <= receiveMaximum; messageId++)
    void client.sendPacket({ cmd: "publish", topic: "a", payload: "", qos: 2, dup: false, retain: false, messageId });
  for (let messageId = 1; messageId <= receiveMaximum; messageId++) await client.answer("pubrec", messageId);
  expect(life.broker.clients().map(({ clientId }) => clientId)).toContain("sender");
  await client.sendPacket({
    cmd: "publish",
    topic: "a",
    payload: "",
    qos: 2,
    dup: false,
    retain: false,
    messageId: receiveMaximum + 1,
  });
  expect(await client.answer("disconnect")).toMatchObject({ reasonCode: 0x93 });
});

test("core: a client that publishes faster than the store takes is left waiting in its socket", async () => {
  await using life = await live(createMemorySessionStore());
  const reader = await opened(life, "reader");
  await subscribe(reader, "a", 1);
  const sender = await RawClient.open(life.port);
  await sender.connect({ clientId: "sender" });
  life.freeze();
  const packets = limits.heldPublishes * 3;
  for (let messageId = 1; messageId <= packets; messageId++)
    void sender.sendPacket({ cmd: "publish", topic: "a", payload: "", qos: 1, dup: false, retain: false, messageId });
  await reader.ping();
  await reader.ping();
  expect(life.broker.stats().publishesIn).toBeLessThanOrEqual(limits.heldPublishes + 1);
});

test("core: retained messages of a stored session's new subscription outlast its connection [MQTT-3.3.1-6]", async () => {
  const stored = createMemorySessionStore();
  await using first = await live(stored);
  const count = 20;
  for (let at = 0; at < count; at++) await first.broker.publish(message(`r/${at}`, "kept", 1, true));
  const busy = await opened(first, "reader", 5);
  await subscribe(busy, "q", 1);
  // Its window is full: what is retained has to wait.
  for (let at = 0; at < limits.inflightMessages + 5; at++) await first.broker.publish(message("q", String(at)));
  await subscribe(busy, "r/#", 1);
  busy.abort();
  const back = await opened(first, "reader", 5);
  const all = await taken(back, limits.inflightMessages + 5 + count);
  expect(all.filter(({ topic, retain }) => retain && topic.startsWith("r/"))).toHaveLength(count);
  await back.disconnect();
});

test("core: retained messages of a stored session's new subscription outlast the broker [MQTT-3.3.1-6]", async () => {
  const stored = createMemorySessionStore();
  await using first = await live(stored);
  const count = 20;
  for (let at = 0; at < count; at++) await first.broker.publish(message(`r/${at}`, "kept", 1, true), "durable");
  const client = await opened(first, "reader", 5);
  first.freezeBehind("subscribe");
  await subscribe(client, "r/#", 1);
  client.abort();
  await using second = await live(stored.reopen());
  const back = await opened(second, "reader", 5);
  const all = await taken(back, count);
  expect(all.map(({ topic }) => topic).toSorted()).toEqual(
    Array.from({ length: count }, (_, at) => `r/${at}`).toSorted(),
  );
  await back.disconnect();
});
