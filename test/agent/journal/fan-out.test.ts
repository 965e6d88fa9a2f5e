import { expect, test } from "vitest";
import { startFanOut } from "#agent/journal/fan-out.ts";
import { openNodeStoreInThread, type NodeStore } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment, segmentFlags } from "#shared/journal/segment.ts";
import { PacketReader } from "#shared/mqtt/packet-reader.ts";
import { PacketWriter } from "#shared/mqtt/packet-writer.ts";
import { readProperties } from "#shared/mqtt/properties.ts";
import type { Message } from "#shared/system/bus.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const stream = {
  origin: "device-1",
  epoch: 9,
  streamId: 1,
  name: "data",
  priority: 2,
  class: "custody",
  order: "live-first",
  policy: "oldest",
  high: 0,
} as const;

async function world() {
  const clock = new FakeClock();
  const name = parseNodeName("fog-1");
  const store = openNodeStoreInThread(
    { clock, hasher: nodeHasher },
    { name, file: ":memory:", maxBytes: 1e8, isFinal: false },
  );
  const args = {
    fresh: { uuid: "u", epoch: 5, instance: 6 },
    streams: [{ name: "data", priority: 2, class: "custody", order: "live-first", policy: "oldest" }],
    nowMs: 1,
    idsAbove: 0,
  } as const;
  await store.write("open", args);
  const published: Message[] = [];
  const subscribed = { is: true, stuck: false };
  const bus = {
    hasSubscriber: () => subscribed.is,
    hasSubscriberBelow: () => subscribed.is,
    publish: async (message: Message) => {
      if (subscribed.stuck) await new Promise(() => {});
      published.push({ ...message, payload: message.payload.slice() });
    },
  };
  return {
    clock,
    store,
    published,
    subscribed,
    deps: { bus, store, clock, log: silentLogger() },
    reopen: () => store.write("open", args),
  };
}

async function ingest(store: NodeStore, first: number, retain = false, flags = 0): Promise<void> {
  const body = encodeSegment([{ timeMs: first, topic: "/data/x", payload: Uint8Array.of(first), retain }]);
  const segment = {
    origin: "device-1",
    epoch: 9,
    streamId: 1,
    first,
    items: 1,
    firstMs: 1,
    lastMs: 1,
    flags,
    crc: nodeHasher.crc32(body),
    body,
    gap: undefined,
  };
  await store.write("ingest", {
    child: "device-1",
    batch: { streams: [stream], lows: [], segments: [segment] },
    nowMs: 1,
  });
}

test("what came from below is published after its commit, in order, and only then released", async () => {
  const { clock, store, published, deps } = await world();
  await using fanOut = startFanOut(deps, { name: "fog-1", cursor: 0, newestId: 0 });
  await ingest(store, 1);
  await ingest(store, 2);
  await clock.advance(0);
  expect(published).toMatchObject(
    [1, 2].map((value) => ({ topic: "/from/device-1/data/x", payload: Uint8Array.of(value), qos: 1, retain: false })),
  );
  expect(fanOut.releasedId()).toBe(2);
});

test("MQTT 5 subscribers are told identity, time, and whether a message is a replay", async () => {
  const { clock, store, published, deps } = await world();
  await using fanOut = startFanOut(deps, { name: "fog-1", cursor: 0, newestId: 0 });
  await ingest(store, 7);
  await ingest(store, 8, false, segmentFlags.historical);
  await clock.advance(0);
  const told = published.map(({ properties = new Uint8Array() }) => {
    const packet = new PacketWriter();
    packet.variableInteger(properties.length);
    packet.raw(properties);
    const bytes = packet.fields();
    const reader = new PacketReader(bytes, 0, bytes.length);
    return Object.fromEntries(readProperties(reader, new Set(["userProperties"])).userProperties ?? []);
  });
  const common = { origin: "device-1", epoch: "9", stream: "data" };
  expect(told).toEqual([
    { ...common, seq: "7", time: "1970-01-01T00:00:00.007Z", historical: "false" },
    { ...common, seq: "8", time: "1970-01-01T00:00:00.008Z", historical: "true" },
  ]);
  expect(fanOut.releasedId()).toBe(2);
});

test("own messages are released without being published again", async () => {
  const { clock, store, published, deps } = await world();
  await using fanOut = startFanOut(deps, { name: "fog-1", cursor: 0, newestId: 0 });
  const body = encodeSegment([{ timeMs: 1, topic: "/data/x", payload: Uint8Array.of(1), retain: false }]);
  await store.write("append", { streamId: 1, items: 1, firstMs: 1, lastMs: 1, body });
  await clock.advance(0);
  expect([published, fanOut.releasedId()]).toEqual([[], 1]);
});

test("without a subscriber the cursor moves on without reading, and is stored", async () => {
  const { clock, store, published, subscribed, deps, reopen } = await world();
  subscribed.is = false;
  await using fanOut = startFanOut(
    { ...deps, store: { ...store, read: () => Promise.reject(new Error("was read")) } },
    { name: "fog-1", cursor: 0, newestId: 0 },
  );
  await ingest(store, 1);
  await clock.advance(1_500);
  expect([published, fanOut.releasedId()]).toEqual([[], 1]);
  expect((await reopen()).cursors["fan-out"]).toBe(1);
});

test("after a crash it goes on behind the stored cursor: the backlog included, nothing skipped", async () => {
  const { clock, store, published, deps } = await world();
  await ingest(store, 1);
  await ingest(store, 2);
  await ingest(store, 3);
  await using fanOut = startFanOut(deps, { name: "fog-1", cursor: 1, newestId: 3 });
  await clock.advance(0);
  expect(published.map(({ payload }) => payload[0])).toEqual([2, 3]);
  expect(fanOut.releasedId()).toBe(3);
});

test("a subscriber that takes nothing does not hold up what goes further", async () => {
  const { clock, store, published, subscribed, deps } = await world();
  subscribed.stuck = true;
  await using fanOut = startFanOut(deps, { name: "fog-1", cursor: 0, newestId: 0 });
  for (let value = 1; value <= 5; value++) await ingest(store, value);
  await clock.advance(0);
  expect([published, fanOut.releasedId()]).toEqual([[], 5]);
});

test("a retained message is published retained, also when nobody subscribes to just that topic", async () => {
  const { clock, store, published, deps } = await world();
  await using fanOut = startFanOut(
    { ...deps, bus: { ...deps.bus, hasSubscriber: () => false } },
    { name: "fog-1", cursor: 0, newestId: 0 },
  );
  await ingest(store, 1, true);
  await ingest(store, 2);
  await clock.advance(0);
  expect(published).toMatchObject([{ retain: true, payload: Uint8Array.of(1) }]);
  expect(fanOut.releasedId()).toBe(2);
});
