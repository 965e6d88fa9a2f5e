// Whose calls they are: users at one node, which has a child that sends what it may not.
import { expect, test } from "vitest";
import { maySubscribeInTree, mayPublishInTree } from "#agent/broker/authorize.ts";
import type { Authorizer } from "#agent/broker/broker.ts";
import { startMachineMessages, type MachineDeps } from "#agent/machine/machine-messages.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeEnvelope } from "#shared/machine/envelope.ts";
import { noParent } from "#shared/system/parent-link.ts";
import { upTopic } from "#shared/topics.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { envelopeOf } from "../../fakes/machine-scene.ts";
import { MemoryBroker, type MemoryClient } from "../../fakes/memory-broker.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const id = "00112233445566778899aabbccddeeff";
const self = parseNodeName("fog-1");
const device = parseNodeName("device-1");

/** Each is the user that its client id begins with, and may publish on its own topics and make calls. */
const authorizer: Authorizer = {
  connect: () => true,
  publish: ({ clientId }, topic) =>
    mayPublishInTree(topic, clientId) && (!topic.startsWith("/data/") || clientId.startsWith("sensor")),
  subscribe: ({ clientId }, filter) => maySubscribeInTree(filter, clientId),
  roleOf: () => undefined,
  userOf: ({ clientId }) => clientId.split("-")[0] ?? "",
};

function createNode() {
  const clock = new FakeClock();
  const log = silentLogger();
  const bus = new MemoryBroker({ clock, log }, { authorizer });
  const view = { name: device, state: "online", sinceMs: 0, session: 1, descendants: [] } as const;
  const store = { write: async () => null, read: async () => [] } as unknown as MachineDeps["store"];
  const random = { unit: () => 0.5, uint32: () => 7, uuid: () => "" };
  const deps: MachineDeps = {
    bus,
    store,
    parent: noParent,
    tree: {
      children: () => [view],
      child: (name) => (name === device ? view : undefined),
      version: () => ({ below: 1 }),
      uplink: () => ({ state: "none", sinceMs: 0 }),
    },
    runner: { offers: () => false, start: () => undefined, cancel: () => undefined, [Symbol.dispose]: () => undefined },
    conditions: { check: () => ({ holds: false }), mayHoldBelow: () => true },
    clock,
    treeNow: () => clock.now(),
    isSynced: () => true,
    offers: { isAwaited: () => false },
    random,
    log,
  };
  return { bus, log, start: () => startMachineMessages(deps, { name: self, keptBytesMax: 1_000_000 }) };
}

async function hear(
  client: MemoryClient,
  filter: string,
): Promise<{ readonly topic: string; readonly body: object }[]> {
  const heard: { readonly topic: string; readonly body: object }[] = [];
  client.onMessage(({ topic, payload }) =>
    heard.push({ topic, body: JSON.parse(new TextDecoder().decode(payload)) as object }),
  );
  await client.subscribe(filter, 1);
  return heard;
}

function publish(client: MemoryClient, topic: string, body: unknown): Promise<void> {
  return client.publish({ topic, payload: new TextEncoder().encode(JSON.stringify(body)), qos: 1, retain: false });
}

test("a call is called off by the user who made it, and by nobody else; its caller hears nothing of the attempt", async () => {
  const { bus, start } = createNode();
  await using machine = await start();
  const anna = await bus.connect("anna-1");
  const heard = await hear(anna, "/machine/replies/#");
  await publish(anna, "/machine/functions/ping", { id });
  const bert = await bus.connect("bert-1");
  await expect(publish(bert, `/machine/calls/${id}/cancel`, "")).rejects.toThrow();
  expect(heard.filter(({ body }) => "error" in body)).toEqual([]);
  expect(machine.stats()).toMatchObject({ open: 1, refused: 1 });
  const again = await bus.connect("anna-2");
  await publish(again, `/machine/calls/${id}/cancel`, "");
  expect(machine.stats().refused).toBe(1);
});

test("what a call is answered goes nowhere where its caller may not publish", async () => {
  const { bus, start } = createNode();
  await using machine = await start();
  const anna = await bus.connect("anna-1");
  const refusals = await hear(anna, `/machine/replies/${id}`);
  const data = await hear(await bus.connect("sensor-1"), "/data/#");
  for (const wish of [{ results: "/data/x" }, { reply: "/data/x" }, { reply: "/level/replies/bert-1/7" }])
    await publish(anna, "/machine/functions/ping", { id, ...wish });
  expect(data).toEqual([]);
  expect(refusals.map(({ body }) => body)).toMatchObject(
    Array.from({ length: 3 }, () => ({ error: { message: expect.stringContaining("you may not publish there") } })),
  );
  expect(machine.stats()).toMatchObject({ open: 0, refused: 3 });
  await publish(await bus.connect("sensor-2"), "/machine/functions/ping", { id, reply: "/data/x", results: "/data/y" });
  expect(machine.stats()).toMatchObject({ open: 1, refused: 3 });
});

test("[J12] what a neighbour may not send is counted, and logged once for each", async () => {
  const { bus, log, start } = createNode();
  await using machine = await start();
  const link = await bus.connect(device);
  for (let number = 1; number <= 3; number++) {
    const payload = encodeEnvelope(envelopeOf({ id: number.toString(16).padStart(32, "0"), deadlineMs: 2 ** 42 }));
    await link.publish({ topic: upTopic(device, "c"), payload, qos: 0, retain: false });
  }
  expect(machine.stats().refused).toBe(3);
  expect(log.lines.filter(({ phrase }) => phrase === "machine message refused")).toMatchObject([
    { level: "warn", fields: { sender: device, reason: "it is not for nodes above the caller" } },
  ]);
});
