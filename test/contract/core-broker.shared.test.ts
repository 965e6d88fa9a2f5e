// What waits for a member of a shared subscription whose session ends is for the others.
import { expect, test } from "vitest";
import { SpoolBuilder } from "#shared/mqtt/spool.ts";
import type { Qos } from "#shared/system/bus.ts";
import { CoreBench } from "../fakes/core-bench.ts";
import { createMemorySessionStore, type MemorySessionStore } from "../fakes/memory-session-store.ts";
import type { RawClient } from "../fakes/raw-client.ts";
import { Committer, messageOf, progress, put, subscribe } from "../fakes/session-store-scene.ts";

const filter = "$share/group/a/b";
const texts = Array.from({ length: 20 }, (_, index) => String(index)).toSorted();

/** A client of MQTT 5 whose session is kept for so many seconds. */
function kept(bench: CoreBench, clientId: string, seconds: number, clean = false): Promise<RawClient> {
  return bench.client(clientId, 5, { clean, properties: { sessionExpiryInterval: seconds } });
}

async function subscribeTo(client: RawClient, topic: string, qos: Qos): Promise<void> {
  await client.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos }] });
  await client.answer("suback");
}

/** Two members that have been there and left, one for ten seconds and one for long. */
async function twoAbsentMembers(bench: CoreBench, qos: Qos): Promise<void> {
  for (const [clientId, seconds] of [
    ["short", 10],
    ["long", 1_000],
  ] as const) {
    const member = await kept(bench, clientId, seconds);
    await subscribeTo(member, filter, qos);
    await member.disconnect();
  }
}

async function publishAll(bench: CoreBench, qos: 1 | 2): Promise<void> {
  for (let index = 0; index < texts.length; index++) {
    const payload = Buffer.from(String(index));
    await bench.broker.publish({ topic: "a/b", payload, qos, retain: false });
  }
}

function textsOf(client: RawClient): readonly string[] {
  return client.received.flatMap((packet) => (packet.cmd === "publish" ? [String(packet.payload)] : [])).toSorted();
}

/** Everything that came, when as many came as there are, and nothing else follows. */
async function allTexts(client: RawClient): Promise<readonly string[]> {
  await expect.poll(() => textsOf(client).length).toBeGreaterThanOrEqual(texts.length);
  await client.ping();
  return textsOf(client);
}

/** Until only so many sessions are stored. */
async function untilStored(store: MemorySessionStore, clientIds: readonly string[]): Promise<void> {
  await expect.poll(async () => (await store.sessions()).map(({ clientId }) => clientId)).toEqual(clientIds);
}

test.each([1, 2] as const)("one member's session expires: the other gets all of QoS %i, each once", async (qos) => {
  const store = createMemorySessionStore();
  await using bench = await CoreBench.start({ store });
  await twoAbsentMembers(bench, qos);
  await publishAll(bench, qos);
  expect(bench.broker.stats().queuedMessages).toBe(20);
  await bench.clock.advance(11_000);
  await untilStored(store, ["long"]);
  expect(bench.broker.stats()).toMatchObject({ sessions: 1, queuedMessages: 20 });
  expect(await allTexts(await kept(bench, "long", 1_000))).toEqual(texts);
});

test("a clean start ends the member's session as well, and a connected member gets what it had", async () => {
  const store = createMemorySessionStore();
  await using bench = await CoreBench.start({ store });
  await twoAbsentMembers(bench, 1);
  await publishAll(bench, 1);
  const other = await kept(bench, "long", 1_000);
  const again = await kept(bench, "short", 10, true);
  expect(await allTexts(other)).toEqual(texts);
  await again.silent();
  await untilStored(store, ["long", "short"]);
});

test("a page that cannot be stored is handed on later, each message once", async () => {
  const store = createMemorySessionStore();
  let reads = 0;
  const failing: MemorySessionStore = {
    ...store,
    async queue(...args) {
      const page = await store.queue(...args);
      if (reads++ === 0) store.failNext();
      return page;
    },
  };
  await using bench = await CoreBench.start({ store: failing });
  await twoAbsentMembers(bench, 2);
  await publishAll(bench, 2);
  await bench.clock.advance(11_000);
  for (let round = 0; round < 3; round++) await bench.clock.advance(1_000);
  await untilStored(store, ["long"]);
  expect(await allTexts(await kept(bench, "long", 1_000))).toEqual(texts);
});

test("what was not handed on when the node died is handed on at its next start", async () => {
  const store = createMemorySessionStore();
  const builder = new SpoolBuilder();
  for (let number = 1; number <= 30; number++) {
    builder.add({ ...messageOf(0), qos: 2, payload: Buffer.from(String(number)) });
    builder.enqueue(1, number, number % 3 === 0 ? 2 : 1, false, [], 0, number > 20 ? "" : filter);
  }
  const session = { ...put(1, "ended").session, expirySeconds: 0, disconnectedAtMs: 5 };
  await new Committer(store).commit({
    changes: [
      { type: "put", session },
      put(2, "long"),
      subscribe(1, filter, { qos: 2 }),
      subscribe(2, filter, { qos: 2 }),
      progress(1, { cursor: 4, done: [[6, 6]], sent: 13 }),
    ],
    spools: builder.finish(),
  });
  const opened = store.reopen();
  await using bench = await CoreBench.start({ store: opened });
  await untilStored(opened, ["long"]);
  expect(bench.broker.stats()).toMatchObject({ sessions: 1 });
  const other = await kept(bench, "long", 1_000);
  // Sent at QoS 2, and so perhaps received: 9 and 12. Not of the group: above 20.
  const expected = [5, 7, 8, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20];
  await expect.poll(() => textsOf(other).length).toBeGreaterThanOrEqual(expected.length);
  await other.ping();
  expect(textsOf(other)).toEqual(expected.map(String).toSorted());
});

test("without another member the messages go with the session", async () => {
  const store = createMemorySessionStore();
  await using bench = await CoreBench.start({ store });
  const member = await kept(bench, "short", 10);
  await subscribeTo(member, filter, 1);
  await member.disconnect();
  await publishAll(bench, 1);
  await bench.clock.advance(11_000);
  await untilStored(store, []);
  expect(bench.broker.stats()).toMatchObject({ sessions: 0, queuedMessages: 0 });
});

test("of those that share a topic the exact subscriber is the one whose turn it is, while it is connected", async () => {
  await using bench = await CoreBench.start();
  const { broker } = bench;
  const leaving = await kept(bench, "leaving", 1_000);
  const staying = await bench.client("staying", 5);
  for (const client of [leaving, staying]) await subscribeTo(client, filter, 1);
  const told = Array.from({ length: 4 }, () => {
    const asked = [broker.exactSubscribers("a/b"), broker.exactSubscribers("a/b")];
    void broker.publish({ topic: "a/b", payload: new Uint8Array(), qos: 0, retain: false });
    return asked.flat();
  });
  const each = [
    ["leaving", "leaving"],
    ["staying", "staying"],
  ];
  expect(told).toEqual([...each, ...each]);
  await leaving.disconnect();
  await expect.poll(() => broker.exactSubscribers("a/b")).toEqual(["staying"]);
});
