import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openNodeStore, openNodeStoreInThread, type NodeStore } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { systemClock } from "#agent/system/system-clock.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";

const name = parseNodeName("device-1");
const start = {
  fresh: { uuid: "u", epoch: 5, instance: 6 },
  streams: [{ name: "data", priority: 2, class: "custody", order: "live-first", policy: "oldest" }],
  nowMs: 1,
  idsAbove: 0,
} as const;

async function inFolder(work: (file: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-store-"));
  try {
    await work(join(folder, "node.db"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function openThread(file: string, maxBytes = 1e8): Promise<NodeStore> {
  const onCrash = (error: unknown): void => {
    throw error;
  };
  return openNodeStore({ clock: systemClock, onCrash }, { name, file, maxBytes, isFinal: false });
}

function append(store: NodeStore, bytes = 10): Promise<unknown> {
  const body = encodeSegment([{ timeMs: 1, topic: "t", payload: new Uint8Array(bytes), retain: false }]);
  return store.write("append", { streamId: 1, items: 1, firstMs: 1, lastMs: 1, body });
}

test("what was written in the worker thread is read back, also after opening again", () =>
  inFolder(async (file) => {
    {
      await using store = await openThread(file);
      const stored: number[] = [];
      const listening = store.onStored((id) => stored.push(id));
      await store.write("open", start);
      expect(await append(store)).toEqual({ first: 1, newestId: 1 });
      expect(stored).toEqual([1]);
      listening[Symbol.dispose]();
      expect(await store.read("accounting", {})).toMatchObject([{ row: { high: 1, held: 1 } }]);
    }
    await using again = await openThread(file);
    await again.write("open", start);
    expect(await append(again)).toMatchObject({ first: 2 });
  }));

test("bodies that change threads are whole there, small or large, however often they are read", () =>
  inFolder(async (file) => {
    await using store = await openThread(file);
    await store.write("open", start);
    const bodies = [10, 50_000].map((bytes) =>
      encodeSegment([{ timeMs: 1, topic: "t", payload: new Uint8Array(bytes).fill(7), retain: false }]),
    );
    const copies = bodies.map((body) => new Uint8Array(body));
    const row = { streamId: 1, items: 1, firstMs: 1, lastMs: 1 };
    const writes = bodies.map((body) => store.write("append", { ...row, body }, undefined, [body.buffer]));
    expect(await Promise.all(writes)).toMatchObject([{ first: 1 }, { first: 2 }]);
    expect(bodies.map(({ length }) => length)).toEqual([0, 0]);
    for (let turn = 0; turn < 2; turn++) {
      const { segments } = await store.read("after", { id: 0, bytesMax: 1_000_000 });
      expect(segments.map(({ body }) => body)).toEqual(copies);
    }
  }));

test("a second process on the same data is kept out, with a message", () =>
  inFolder(async (file) => {
    await using store = await openThread(file);
    await store.write("open", start);
    const config = { name, file, maxBytes: 1e8, isFinal: false };
    expect(() => openNodeStoreInThread({ clock: systemClock, hasher: nodeHasher }, config)).toThrow(
      expect.objectContaining({
        code: "FOGBANK_DATA_DIR",
        message: expect.stringContaining("another process has it open"),
      }),
    );
  }));

test("a full file refuses appends, keeps the rest working, and takes data again after deletes", () =>
  inFolder(async (file) => {
    await using store = await openThread(file, 1_000_000);
    await store.write("open", { ...start, streams: [{ ...start.streams[0], policy: "newest" }] });
    let stored = 0;
    const failure = await (async () => {
      for (; stored < 100; stored++) await append(store, 50_000);
    })().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "FOGBANK_STORE_FULL" });
    expect(stored).toBeGreaterThan(10);
    expect(statSync(file).size).toBeLessThanOrEqual(1_000_000);
    const acked = [{ origin: "device-1", epoch: 5, streamId: 1, ranges: [[1, stored]] as const }];
    expect(await store.write("forget", { acked })).toBe(stored);
    expect(await append(store, 50_000)).toMatchObject({ first: stored + 1 });
  }));

test("writes of one turn that include a refused one: the others are stored", () =>
  inFolder(async (file) => {
    await using store = await openThread(file, 1_000_000);
    await store.write("open", start);
    const outcomes = await Promise.allSettled([append(store), append(store, 2_000_000), append(store)]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(await store.read("accounting", {})).toMatchObject([{ row: { high: 2, held: 2 } }]);
  }));
