import { expect, test } from "vitest";
import { createNodeView, type TreeReport } from "#agent/http/node-view.ts";
import { startSink } from "#agent/journal/sink.ts";
import { openNodeStoreInThread } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import { NetworkState } from "#shared/presence/network.ts";
import type { Backlog } from "#shared/system/backlog.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { createMemoryDocumentStore } from "../../fakes/memory-document-store.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const noon = Date.parse("2026-07-10T12:00:00Z");

/** A root with a stream of its own, and its view. */
async function rootAt(clock: FakeClock) {
  const name = parseNodeName("cloud-1");
  const config = { name, file: ":memory:", maxBytes: 1e8, isFinal: true };
  const store = openNodeStoreInThread({ clock, hasher: nodeHasher }, config);
  const identity = { uuid: "u", epoch: 5, instance: 6 };
  const streams = [{ name: "data", priority: 2, class: "custody", order: "live-first", policy: "oldest" } as const];
  await store.write("open", { fresh: identity, streams, nowMs: clock.now(), idsAbove: 0 });
  const documents = createMemoryDocumentStore();
  const uplink = { state: "none" as const, sinceMs: 0, url: undefined, reason: undefined, path: [] };
  const tree: TreeReport = { uplink: () => uplink, children: () => [], child: () => undefined, alarms: () => [] };
  const health = { state: "accepting" as const, sinceMs: noon, reason: undefined, givenUp: [], scattered: [] };
  const explain = (condition: string) => ({ condition, nodes: [] });
  const root = { state: "none", cause: "lost", reason: undefined } as const;
  const network = new NetworkState({ nowMs: 0, monotonicMs: 0 }, root);
  const told = { journal: () => health, network: () => network.conclude({ nowMs: 0, monotonicMs: 0 }) };
  const parts = { store, tree, clock, documents, explain, counters: () => ({}), ...told, sink: () => undefined };
  const place = { level: "cloud" as const, zone: undefined, tags: [] };
  const view = createNodeView(parts, {
    name,
    place,
    identity: () => identity,
    version: "1",
    pid: 1,
    startedAtMs: noon,
  });
  const append = (times: readonly number[]) => {
    const items = times.map((timeMs) => ({ timeMs, topic: "/data/x", payload: new Uint8Array(1), retain: false }));
    const [firstMs = 0, lastMs = 0] = [times[0], times.at(-1)];
    return store.write("append", { streamId: 1, items: items.length, firstMs, lastMs, body: encodeSegment(items) });
  };
  const drain = async () => {
    const backlog: Backlog = { releasedId: () => 1_000, onReleased: () => ({ [Symbol.dispose]: () => undefined }) };
    await using sink = startSink({ store, documents, backlog, clock, log: silentLogger() });
    await clock.advance(0);
    expect(sink.status().failingSinceMs).toBeUndefined();
  };
  return { view, store, append, drain };
}

test("a message is in one place of a span's account at a time: held, then stored", async () => {
  const clock = new FakeClock(noon);
  const { view, append, drain } = await rootAt(clock);
  const asked = { origin: "cloud-1", fromMs: noon, toMs: noon + 1_000 };
  await append([noon - 5, noon, noon + 10]);
  expect(await view.timeRange(asked)).toMatchObject([{ stored: { messages: 0, missing: 0 }, here: 2, lost: 0 }]);
  await drain();
  await append([noon + 20, noon + 2_000]);
  expect(await view.timeRange(asked)).toMatchObject([
    { stored: { messages: 2, numbers: { first: 2, last: 3 }, missing: 0, settled: true }, here: 1, lost: 0, below: 0 },
  ]);
  expect(await view.timeRange({ ...asked, origin: "nobody" })).toEqual([]);
});

test("the status tells since when the oldest message waits, the metrics how long", async () => {
  const clock = new FakeClock(noon);
  const { view, append, drain } = await rootAt(clock);
  expect(await view.status()).not.toHaveProperty("oldestPendingAt");
  await append([noon, noon + 10]);
  await append([noon + 3_000]);
  await clock.advance(5_000);
  expect(await view.status()).toMatchObject({ oldestPendingAt: "2026-07-10T12:00:00.000Z", streams: [{ here: 3 }] });
  expect(await view.ledgerMetrics()).toContain("fogbank_journal_oldest_seconds 5\n");
  await drain();
  expect(await view.status()).not.toHaveProperty("oldestPendingAt");
  const metrics = await view.ledgerMetrics();
  expect(metrics).toContain('fogbank_stream_messages{origin="cloud-1",stream="data",state="stored"} 3\n');
  expect(metrics).toContain("fogbank_journal_oldest_seconds 0\n");
});

test("[O6] a root tells what its child has handed on and it does not have: it was put back older than it was", async () => {
  const { view, store } = await rootAt(new FakeClock(noon));
  const stream = { origin: "device-1", epoch: 9, streamId: 1 };
  const traits = { priority: 2, class: "custody", order: "live-first", policy: "oldest" } as const;
  const streams = [{ ...stream, ...traits, name: "data", high: 30 }];
  const batch = { streams, lows: [{ epoch: 9, streamId: 1, low: 21 }], segments: [] };
  await store.write("ingest", { child: "device-1", batch, nowMs: 1 });
  expect(await view.accounting({ origin: "device-1" })).toMatchObject([{ below: 30, overdue: 20, balanced: true }]);
  expect((await view.accounting({ origin: "cloud-1" }))[0]).not.toHaveProperty("overdue");
});
