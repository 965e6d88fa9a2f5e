import { expect, test } from "vitest";
import { arrivalsPerSegment, startSink } from "#agent/journal/sink.ts";
import { openNodeStoreInThread } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import type { Backlog } from "#shared/system/backlog.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { createMemoryDocumentStore } from "../../fakes/memory-document-store.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

async function world() {
  const clock = new FakeClock();
  const log = silentLogger();
  const name = parseNodeName("cloud-1");
  const store = openNodeStoreInThread(
    { clock, hasher: nodeHasher },
    { name, file: ":memory:", maxBytes: 1e8, isFinal: false },
  );
  await store.write("open", {
    fresh: { uuid: "u", epoch: 5, instance: 6 },
    streams: [{ name: "data", priority: 2, class: "custody", order: "live-first", policy: "oldest" }],
    nowMs: 1,
    idsAbove: 0,
  });
  let releasedId = 0;
  const listeners = new Set<() => void>();
  const backlog: Backlog = {
    releasedId: () => releasedId,
    onReleased(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
  const release = (id: number): void => {
    releasedId = id;
    for (const listener of listeners) listener();
  };
  const append = (count: number) => {
    const items = Array.from({ length: count }, (_, index) => ({
      timeMs: index,
      topic: "/data/x",
      payload: Uint8Array.of(index),
      retain: false,
    }));
    return store.write("append", { streamId: 1, items: count, firstMs: 0, lastMs: 0, body: encodeSegment(items) });
  };
  const memory = createMemoryDocumentStore();
  const faults = { insert: false };
  const documents: DocumentStore = {
    ...memory,
    async insertData(batch) {
      if (faults.insert) throw new Error("away");
      return memory.insertData(batch);
    },
  };
  return { clock, log, store, backlog, release, append, documents, faults };
}

test("released segments are stored in order of arrival and leave the journal; others wait", async () => {
  const { clock, log, store, backlog, release, append, documents } = await world();
  await using sink = startSink({ store, documents, backlog, clock, log });
  await append(3);
  await append(2);
  release(1);
  await clock.advance(0);
  expect(await documents.findData({ limit: 100 })).toMatchObject(
    [1, 2, 3].map((seq) => ({ seq, arrival: arrivalsPerSegment + seq - 1, stream: "data", epoch: 5 })),
  );
  expect(await store.read("accounting", {})).toMatchObject([{ row: { delivered: 3, held: 2 } }]);
  release(2);
  await clock.advance(0);
  expect(sink.status()).toEqual({ drained: 5, failingSinceMs: undefined });
});

test("a document store that is away is told once, tried again with growing waits, and catches up", async () => {
  const { clock, log, store, backlog, release, append, documents, faults } = await world();
  faults.insert = true;
  await using sink = startSink({ store, documents, backlog, clock, log });
  await append(4);
  release(1);
  await clock.advance(120_000);
  expect(sink.status().failingSinceMs).toBeDefined();
  expect(await store.read("accounting", {})).toMatchObject([{ row: { delivered: 0, held: 4 } }]);
  faults.insert = false;
  await clock.advance(10_000);
  expect(await documents.lastArrival()).toBe(arrivalsPerSegment + 3);
  expect(log.lines.map(({ phrase }) => phrase)).toEqual([
    "document store does not take data",
    "document store takes data again",
  ]);
});

test("data that the document store refuses for good stays in the journal, and what comes behind it is stored", async () => {
  const { clock, log, store, backlog, release, append, documents } = await world();
  const picky: DocumentStore = {
    ...documents,
    async insertData(batch) {
      if (batch.some(({ seq }) => seq === 2)) throw new Error("not that one");
      return documents.insertData(batch);
    },
  };
  await using sink = startSink({ store, documents: picky, backlog, clock, log });
  for (let count = 0; count < 3; count++) await append(1);
  release(3);
  await clock.advance(0);
  expect((await documents.findData({ limit: 10 })).map(({ seq }) => seq)).toEqual([1, 3]);
  expect(await store.read("accounting", {})).toMatchObject([{ row: { delivered: 2, held: 1 } }]);
  expect(sink.status().failingSinceMs).toBeUndefined();
});

test("[O2] a crash between storing and deleting stores nothing twice", async () => {
  const { clock, log, store, backlog, release, append, documents } = await world();
  await append(3);
  const first = startSink({ store: { ...store, write: () => new Promise(() => {}) }, documents, backlog, clock, log });
  release(1);
  await clock.advance(0);
  expect(first.status().drained).toBe(0);
  await using second = startSink({ store, documents, backlog, clock, log });
  await clock.advance(0);
  expect(second.status().drained).toBe(3);
  expect(await documents.findData({ limit: 100 })).toHaveLength(3);
});
