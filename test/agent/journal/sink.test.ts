import { expect, test } from "vitest";
import { arrivalsPerSegment, startSink } from "#agent/journal/sink.ts";
import { openNodeStoreInThread, type NodeStore } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { FogbankError } from "#shared/errors.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import type { Backlog } from "#shared/system/backlog.ts";
import type { DataBlock, DocumentStore } from "#shared/system/document-store.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { createMemoryDocumentStore } from "../../fakes/memory-document-store.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

interface Faults {
  away: Error | undefined;
  refused: (block: DataBlock) => boolean;
  /** What it says then. */
  refusal: Error;
}

const dataRefused = new FogbankError("FOGBANK_DATA_REFUSED", "not as it is");

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
  const append = (count: number, bytes = 1) => {
    const items = Array.from({ length: count }, (_, index) => ({
      timeMs: index,
      topic: "/data/x",
      payload: new Uint8Array(bytes).fill(index),
      retain: false,
    }));
    return store.write("append", { streamId: 1, items: count, firstMs: 0, lastMs: 0, body: encodeSegment(items) });
  };
  const memory = createMemoryDocumentStore();
  const faults: Faults = { away: undefined, refused: () => false, refusal: new Error("not that one") };
  const calls: number[][] = [];
  const documents: DocumentStore = {
    ...memory,
    async insertBlocks(blocks) {
      calls.push(blocks.map(({ first }) => first));
      if (faults.away !== undefined) throw faults.away;
      if (blocks.some(faults.refused)) throw faults.refusal;
      return memory.insertBlocks(blocks);
    },
  };
  const stored = async () => (await documents.findData({ limit: 5_000 })).map(({ seq }) => seq);
  const held = async () => (await store.read("accounting", {}))[0]?.row.held;
  return { clock, log, store, backlog, release, append, documents, faults, calls, stored, held };
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
  expect(sink.status()).toEqual({ drained: 5, failingSinceMs: undefined, quarantined: 0 });
});

test("the journal remembers how far the document store goes", async () => {
  const { clock, log, store, backlog, release, append, documents } = await world();
  await store.write("documentsChecked", { damaged: undefined, state: { instance: 1, arrival: 0 } });
  await using _ = startSink({ store, documents, backlog, clock, log });
  await append(3);
  await append(2);
  release(2);
  await clock.advance(0);
  const known = { instance: 1, arrival: 2 * arrivalsPerSegment + 1 };
  expect(await store.read("checkedDocuments", {})).toMatchObject({ known });
  expect(await documents.lastArrival()).toBe(known.arrival);
});

test("a document store that is away is told once, tried again with growing waits, and catches up", async () => {
  const { clock, log, store, backlog, release, append, documents, faults, calls, held } = await world();
  faults.away = new Error("away");
  await using sink = startSink({ store, documents, backlog, clock, log });
  await append(4);
  release(1);
  await clock.advance(120_000);
  expect(sink.status().failingSinceMs).toBeDefined();
  expect(calls.length).toBeLessThan(20);
  expect(await held()).toBe(4);
  faults.away = undefined;
  await clock.advance(10_000);
  expect(await documents.lastArrival()).toBe(arrivalsPerSegment + 3);
  expect(sink.status()).toEqual({ drained: 4, failingSinceMs: undefined, quarantined: 0 });
  expect(log.lines.map(({ phrase }) => phrase)).toEqual([
    "document store does not take data",
    "document store takes data again",
  ]);
});

test("[O9] many refused segments at the head do not pass for a store that is away", async () => {
  const { clock, log, store, backlog, release, append, documents, faults, stored } = await world();
  faults.refused = ({ first }) => first <= 40;
  await using sink = startSink({ store, documents, backlog, clock, log });
  for (let count = 0; count < 43; count++) await append(1);
  release(43);
  for (let turn = 0; turn < 20; turn++) await clock.advance(0);
  expect(await stored()).toEqual([41, 42, 43]);
  expect(sink.status().failingSinceMs).toBeUndefined();
});

test("[O9] refused segments that fill a whole read do not hold up those behind, wherever the good ones are", async () => {
  const { clock, log, store, backlog, release, append, documents, faults, stored } = await world();
  const isBad = (seq: number): boolean => seq <= 12 || seq > 22;
  faults.refused = ({ first }) => isBad(first);
  await using sink = startSink({ store, documents, backlog, clock, log });
  for (let count = 0; count < 24; count++) await append(1, 250_000);
  release(24);
  for (let turn = 0; turn < 60; turn++) await clock.advance(1_000);
  expect(await stored()).toEqual([13, 14, 15, 16, 17, 18, 19, 20, 21, 22]);
  expect(sink.status().failingSinceMs).toBeUndefined();
});

test("[O9] more refused segments than may be aside at once are quarantined, and no other stays behind", async () => {
  const { clock, log, store, backlog, release, append, documents, faults, calls, stored, held } = await world();
  const isBad = (seq: number): boolean => seq <= 1_200 && seq % 10 !== 0;
  faults.refused = ({ first }) => isBad(first);
  await using sink = startSink({ store, documents, backlog, clock, log });
  const settled = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    for (let before = -1; before < calls.length;) {
      before = calls.length;
      await clock.advance(0);
    }
  };
  for (let count = 0; count < 1_200; count++) await append(1);
  release(1_200);
  await settled(0);
  for (let count = 0; count < 10; count++) {
    const { newestId } = await append(1);
    release(newestId);
    await settled(0);
    await settled(1_000);
  }
  expect(sink.status()).toEqual({ drained: 130, failingSinceMs: undefined, quarantined: 1_080 });
  expect(await stored()).toEqual(Array.from({ length: 1_210 }, (_, index) => index + 1).filter((seq) => !isBad(seq)));
  expect(await held()).toBe(0);
});

test("[O9] a segment that has rotted in the journal is put away, named as corrupt, and never stored", async () => {
  const { clock, log, store, backlog, release, append, documents, stored, held } = await world();
  const { node, quarantined } = withQuarantine(store);
  const rotten: NodeStore = {
    ...node,
    async read(name, args) {
      const answer = await node.read(name, args);
      return name === "after" ? Object.assign(answer, { damaged: [2] }) : answer;
    },
  };
  await using sink = startSink({ store: rotten, documents, backlog, clock, log });
  for (let count = 0; count < 3; count++) await append(1);
  release(3);
  await clock.advance(0);
  expect(await stored()).toEqual([1, 3]);
  expect(quarantined).toMatchObject([{ first: 2, reason: "corrupt" }]);
  expect(await held()).toBe(0);
  expect(sink.status()).toMatchObject({ drained: 2, quarantined: 1 });
});

test("[O9] a segment that is refused three times while others are taken is quarantined, and blocks nobody", async () => {
  const { clock, log, store, backlog, release, append, documents, faults, stored, held } = await world();
  const { node, quarantined } = withQuarantine(store);
  faults.refused = ({ first }) => first === 2;
  await using sink = startSink({ store: node, documents, backlog, clock, log });
  for (let count = 0; count < 3; count++) await append(1);
  release(3);
  await clock.advance(0);
  expect(await stored()).toEqual([1, 3]);
  expect(await held()).toBe(1);
  for (let id = 4; id <= 5; id++) {
    expect(quarantined).toEqual([]);
    await append(1);
    await clock.advance(1_000);
    release(id);
    await clock.advance(0);
  }
  expect(quarantined).toEqual([
    { origin: "cloud-1", epoch: 5, streamId: 1, first: 2, reason: "rejected", nowMs: expect.any(Number) },
  ]);
  expect(await stored()).toEqual([1, 3, 4, 5]);
  expect(sink.status()).toEqual({ drained: 4, failingSinceMs: undefined, quarantined: 1 });
  expect(await held()).toBe(0);
  const [entry] = await store.read("accounting", {});
  expect(entry).toMatchObject({ row: { delivered: 4, lost: 1 }, gaps: [{ first: 2, last: 2, reason: "rejected" }] });
});

test("a segment that is refused while nothing else is stored is kept: the store may be away", async () => {
  const { clock, log, store, backlog, release, append, documents, faults, stored, held } = await world();
  const { node, quarantined } = withQuarantine(store);
  faults.refused = () => true;
  await using sink = startSink({ store: node, documents, backlog, clock, log });
  await append(1);
  release(1);
  await clock.advance(600_000);
  expect(quarantined).toEqual([]);
  expect(await held()).toBe(1);
  expect(sink.status().failingSinceMs).toBeDefined();
  faults.refused = () => false;
  await clock.advance(10_000);
  expect(await stored()).toEqual([1]);
});

test("[O9] a segment that is refused for its data is quarantined after three tries, also where nothing else is to be stored", async () => {
  const { clock, log, store, backlog, release, append, documents, faults, stored, held, calls } = await world();
  faults.refused = ({ first }) => first === 1;
  faults.refusal = dataRefused;
  await using sink = startSink({ store, documents, backlog, clock, log });
  await append(1);
  release(1);
  await clock.advance(60_000);
  expect(calls).toEqual([[1], [1], [1]]);
  expect(sink.status()).toEqual({ drained: 0, failingSinceMs: undefined, quarantined: 1 });
  expect(await held()).toBe(0);
  expect(await store.read("accounting", {})).toMatchObject([{ gaps: [{ first: 1, last: 1, reason: "rejected" }] }]);
  const { newestId } = await append(1);
  release(newestId);
  await clock.advance(1_000);
  expect(await stored()).toEqual([2]);
});

test.each([
  ["refused for its data, all at once", 200, 0],
  ["refused for its data, one after the other", 1, 8],
])("a store that refuses whatever it is given has to be mended: %s", async (_, atOnce, quarantined) => {
  const { clock, log, store, backlog, release, append, documents, faults, stored, held } = await world();
  faults.refused = () => true;
  faults.refusal = dataRefused;
  await using sink = startSink({ store, documents, backlog, clock, log });
  for (let id = 1; id <= 200; id++) {
    const { newestId } = await append(1);
    if (id % atOnce !== 0) continue;
    release(newestId);
    await clock.advance(60_000);
  }
  expect(sink.status()).toMatchObject({ drained: 0, quarantined, failingSinceMs: expect.any(Number) });
  expect(await held()).toBe(200 - quarantined);
  faults.refused = () => false;
  await clock.advance(60_000);
  expect(await stored()).toHaveLength(200 - quarantined);
  expect(sink.status()).toMatchObject({ quarantined, failingSinceMs: undefined });
});

test("a segment that is refused twice and then taken is stored, and a full store refuses nobody's data", async () => {
  const { clock, log, store, backlog, release, append, documents, faults, stored } = await world();
  const { node, quarantined } = withQuarantine(store);
  faults.refused = ({ first }) => first === 1;
  await using sink = startSink({ store: node, documents, backlog, clock, log });
  await append(1);
  await append(1);
  release(2);
  await clock.advance(1_000);
  await append(1);
  release(3);
  await clock.advance(0);
  faults.away = new FogbankError("FOGBANK_STORE_FULL", "full");
  await append(1);
  release(4);
  await clock.advance(60_000);
  expect(await stored()).toEqual([2, 3]);
  faults.away = undefined;
  faults.refused = () => false;
  await clock.advance(20_000);
  expect(await stored()).toEqual([1, 2, 3, 4]);
  expect(quarantined).toEqual([]);
  expect(sink.status()).toMatchObject({ drained: 4, failingSinceMs: undefined });
});

test("[O9] a body that cannot be read is quarantined at once, also beside one that is refused", async () => {
  const { clock, log, store, backlog, release, append, documents, faults, stored } = await world();
  const { node, quarantined } = withQuarantine(store);
  await using sink = startSink({ store: node, documents, backlog, clock, log });
  await store.write("append", { streamId: 1, items: 2, firstMs: 0, lastMs: 0, body: new Uint8Array(9).fill(255) });
  await append(1);
  release(2);
  await clock.advance(0);
  expect(await stored()).toEqual([3]);
  faults.refused = () => true;
  await store.write("append", { streamId: 1, items: 1, firstMs: 0, lastMs: 0, body: new Uint8Array(1) });
  await append(1);
  release(4);
  await clock.advance(0);
  expect(quarantined.map(({ first, reason }) => [first, reason])).toEqual([
    [1, "corrupt"],
    [4, "corrupt"],
  ]);
  expect(sink.status()).toMatchObject({ drained: 1, quarantined: 2 });
});

test("one bad segment among a thousand is found by halving", async () => {
  const { clock, log, store, backlog, release, append, documents, faults, calls, stored } = await world();
  faults.refused = ({ first }) => first === 700;
  for (let count = 0; count < 1_000; count++) await append(1);
  await using sink = startSink({ store, documents, backlog, clock, log });
  release(1_000);
  for (let round = 0; round < 20; round++) await clock.advance(0);
  expect(await stored()).toHaveLength(999);
  expect(calls.length).toBeLessThan(25);
  expect(sink.status()).toMatchObject({ drained: 999, failingSinceMs: undefined });
});

test("what is stored while a delete is under way is deleted together, and a delete that fails is repeated", async () => {
  const { clock, log, store, backlog, release, append, documents, held } = await world();
  const forgets: { readonly ranges: unknown }[][] = [];
  const gates: (() => void)[] = [];
  let failing = true;
  const slow = {
    ...store,
    async write(name: "forget", args: { readonly acked: { readonly ranges: unknown }[] }) {
      forgets.push(args.acked);
      await new Promise<void>((resolve) => gates.push(resolve));
      if (failing) throw new Error("no room");
      return store.write(name, args as never);
    },
  } as unknown as NodeStore;
  await using sink = startSink({ store: slow, documents, backlog, clock, log });
  for (let id = 1; id <= 4; id++) {
    await append(2);
    release(id);
    await clock.advance(0);
  }
  expect(forgets.map(([entry]) => entry?.ranges)).toEqual([[[1, 2]]]);
  gates.shift()?.();
  await clock.advance(500);
  expect(forgets.map(([entry]) => entry?.ranges)).toEqual([[[1, 2]], [[1, 8]]]);
  failing = false;
  gates.shift()?.();
  await clock.advance(0);
  expect(await held()).toBe(0);
  expect(sink.status().drained).toBe(8);
});

test("[O1] messages that come after the gap of their numbers was read are drained too, before they leave the journal", async () => {
  const { clock, log, store, backlog, release, append, documents, stored, held } = await world();
  await append(3);
  const [segment] = (await store.read("after", { id: 0, bytesMax: 1 })).segments;
  if (segment === undefined) throw new Error("nothing is stored");
  const { origin, epoch, streamId, first } = segment;
  const { newestId } = await store.write("quarantine", {
    origin,
    epoch,
    streamId,
    first,
    reason: "rejected",
    nowMs: 1,
  });
  // They come back from below between the read and the write that deletes the gap.
  const batch = { streams: [], lows: [], relays: [parseNodeName("cloud-1")], segments: [segment] };
  const ingest = { child: "fog-1", batch, nowMs: 1 } as const;
  let lastId = 0;
  const late = {
    ...store,
    async write(name: "forget", args: never) {
      if (lastId === 0) lastId = (await store.write("ingest", ingest)).newestId;
      return store.write(name, args);
    },
  } as unknown as NodeStore;
  await using sink = startSink({ store: late, documents, backlog, clock, log });
  release(newestId);
  await clock.advance(0);
  expect(await held()).toBe(3);
  release(lastId);
  await clock.advance(0);
  expect(await stored()).toEqual([1, 2, 3]);
  expect(await held()).toBe(0);
  expect(sink.status()).toMatchObject({ drained: 3 });
});

test("[O2] a crash between storing and deleting stores nothing twice, and arrivals stay the same", async () => {
  const { clock, log, store, backlog, release, append, documents } = await world();
  await append(3);
  const first = startSink({ store: { ...store, write: () => new Promise(() => {}) }, documents, backlog, clock, log });
  release(1);
  await clock.advance(0);
  expect(first.status().drained).toBe(0);
  const before = await documents.findData({ limit: 100 });
  await using second = startSink({ store, documents, backlog, clock, log });
  await clock.advance(0);
  expect(second.status().drained).toBe(3);
  expect(before).toHaveLength(3);
  expect(await documents.findData({ limit: 100 })).toEqual(before);
});

/** The node's store with a quarantine that only notes what it is given. */
function withQuarantine(store: NodeStore) {
  const quarantined: { readonly first: number; readonly reason: string }[] = [];
  const write = (name: string, args: never): Promise<unknown> => {
    if (name === "quarantine") quarantined.push(args);
    return store.write(name as "forget", args);
  };
  return { node: { ...store, write } as unknown as NodeStore, quarantined };
}

test("[O3] the store is compared with the ledger before the first insert, and again after each failure", async () => {
  const { clock, log, store, backlog, release, append, documents, faults } = await world();
  const order: string[] = [];
  let checkFails = true;
  const told: typeof documents = {
    ...documents,
    insertBlocks(blocks) {
      order.push("insert");
      return documents.insertBlocks(blocks);
    },
  };
  const check = async (): Promise<void> => {
    order.push("check");
    if (checkFails) throw new FogbankError("FOGBANK_STORE_AWAY", "nobody answers");
  };
  await append(3);
  release(1);
  await using sink = startSink({ store, documents: told, backlog, clock, log, check });
  await clock.advance(0);
  expect(order).toEqual(["check"]);
  expect(sink.status().failingSinceMs).toBeDefined();
  checkFails = false;
  await clock.advance(500);
  expect(order).toEqual(["check", "check", "insert"]);
  expect(sink.status()).toMatchObject({ drained: 3, failingSinceMs: undefined });
  await append(1);
  faults.away = new FogbankError("FOGBANK_STORE_AWAY", "nobody answers");
  release(2);
  await clock.advance(0);
  faults.away = undefined;
  await clock.advance(500);
  expect(order.slice(3)).toEqual(["insert", "check", "insert"]);
  await append(1);
  release(3);
  await clock.advance(0);
  expect(order.slice(6)).toEqual(["insert"]);
});
