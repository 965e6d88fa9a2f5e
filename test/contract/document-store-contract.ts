// What every DocumentStore does. Called by the test of each implementation with a way to open an empty one.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { DataDocument, DataQuery, DocumentStore } from "#shared/system/document-store.ts";
import { createMemoryDocumentStore } from "../fakes/memory-document-store.ts";
import { testBlocks } from "./document-store-blocks-contract.ts";
import { documentAt, insert } from "../fakes/made-documents.ts";

export function testDocumentStore(name: string, openStore: () => Promise<DocumentStore>): void {
  const withStore = async (use: (store: DocumentStore) => Promise<void>): Promise<void> => {
    await using store = await openStore();
    await use(store);
  };
  const say = (behaviour: string, use: (store: DocumentStore) => Promise<void>): void => {
    test(`${name}: ${behaviour}`, () => withStore(use), 60_000);
  };
  sayWhatIsStored(say);
  sayHowPagesFollow(say);
  sayWhatFiltersTakeIn(say);
  sayWhatPathsAre(say);
  testBlocks(name, say, withStore);

  test(`${name}: finds what a plain model finds, whatever was inserted`, async () => {
    const compare = async (batches: readonly (readonly DataDocument[])[], queries: readonly DataQuery[]) => {
      await withStore(async (store) => {
        const model = createMemoryDocumentStore();
        for (const batch of batches) expect(await insert(store, batch)).toEqual(await insert(model, batch));
        for (const query of queries) expect(await store.findData(query)).toEqual(await model.findData(query));
        expect(await store.lastArrival()).toBe(await model.lastArrival());
        expect(await store.countData("a", 1, "s")).toBe(await model.countData("a", 1, "s"));
      });
    };
    await fc.assert(fc.asyncProperty(anyBatches, fc.array(anyQuery, { minLength: 1, maxLength: 20 }), compare), {
      numRuns: 25,
    });
  }, 60_000);
}

export type Say = (behaviour: string, use: (store: DocumentStore) => Promise<void>) => void;

function sayWhatIsStored(say: Say): void {
  say("is empty at first", async (store) => {
    expect(await store.findData({ limit: 10 })).toEqual([]);
    expect(await store.insertBlocks([])).toEqual({ inserted: 0, duplicates: 0 });
    expect(await store.lastArrival()).toBe(0);
    expect(await store.countData("plant-1", 7, "data")).toBe(0);
    expect(await store.instance()).toBeGreaterThan(0);
  });

  say("counts a repeat and leaves the first as it is", async (store) => {
    const first = documentAt(1);
    expect(await insert(store, [first, documentAt(2), first])).toEqual({ inserted: 2, duplicates: 1 });
    const repeat = documentAt(9, { seq: 1, topic: "/data/other", payload: new Uint8Array(3) });
    expect(await insert(store, [repeat, documentAt(3)])).toEqual({ inserted: 1, duplicates: 1 });
    expect(await store.findData({ limit: 10 })).toEqual([first, documentAt(2), documentAt(3)]);
  });

  say("tells documents apart by each part of the identity", async (store) => {
    const others: Partial<DataDocument>[] = [{ origin: "plant-2" }, { epoch: 8 }, { stream: "alarm" }, { seq: 99 }];
    const documents = [documentAt(1), ...others.map((parts, index) => documentAt(index + 2, { seq: 1, ...parts }))];
    expect(await insert(store, documents)).toEqual({ inserted: 5, duplicates: 0 });
    expect(await store.findData({ limit: 10 })).toEqual(documents);
  });

  say("rejects an arrival that is another document's, and stores nothing of that batch", async (store) => {
    await insert(store, [documentAt(1)]);
    const clash = documentAt(1, { seq: 5 });
    await expect(insert(store, [documentAt(2), clash])).rejects.toMatchObject({ code: "FOGBANK_DATA_REFUSED" });
    expect(await store.findData({ limit: 10 })).toEqual([documentAt(1)]);
    expect(await insert(store, [documentAt(2)])).toEqual({ inserted: 1, duplicates: 0 });
  });

  say("keeps payloads to the byte", async (store) => {
    const sizes = [0, 1, 255, 4096, 256 * 1024];
    const payloads = sizes.map((size) => Uint8Array.from({ length: size }, (_, index) => (index * 31 + size) & 255));
    const view = new Uint8Array(1000).fill(7).subarray(100, 103);
    const documents = [...payloads, view].map((payload, index) => documentAt(index + 1, { payload }));
    await insert(store, documents);
    const found = await store.findData({ limit: 10 });
    expect(found.map(({ payload }) => [payload.length, Array.from(payload)])).toEqual(
      [...payloads, view].map((payload) => [payload.length, Array.from(payload)]),
    );
    expect(view).toEqual(new Uint8Array([7, 7, 7]));
  });

  say("counts by origin, epoch and stream, and knows the last arrival", async (store) => {
    await insert(store, [documentAt(1), documentAt(20), documentAt(3, { epoch: 8 }), documentAt(4, { stream: "x" })]);
    expect(await store.countData("plant-1", 7, "data")).toBe(2);
    expect(await store.countData("plant-1", 8, "data")).toBe(1);
    expect(await store.countData("plant-2", 7, "data")).toBe(0);
    expect(await store.lastArrival()).toBe(20);
  });

  say("takes 10 000 documents at once, and again", async (store) => {
    const documents = Array.from({ length: 10_000 }, (_, index) => documentAt(index + 1));
    expect(await insert(store, documents)).toEqual({ inserted: 10_000, duplicates: 0 });
    expect(await insert(store, documents)).toEqual({ inserted: 0, duplicates: 10_000 });
    expect(await store.countData("plant-1", 7, "data")).toBe(10_000);
    expect((await store.findData({ limit: 20_000 })).map(({ arrival }) => arrival)).toEqual(
      documents.map((one) => one.arrival),
    );
  });
}

function sayHowPagesFollow(say: Say): void {
  say("answers in order of arrival, whatever the order of insertion", async (store) => {
    await insert(store, [documentAt(5), documentAt(2)]);
    await insert(store, [documentAt(9), documentAt(1)]);
    expect(await arrivals(store, { limit: 10 })).toEqual([1, 2, 5, 9]);
    expect(await arrivals(store, { limit: 2 })).toEqual([1, 2]);
    expect(await arrivals(store, { after: 2, limit: 10 })).toEqual([5, 9]);
    expect(await arrivals(store, { limit: 0 })).toEqual([]);
  });

  say("pages without a gap or a repeat while documents arrive", async (store) => {
    for (const filter of [{}, { origin: "a" }, { path: "x/#" }, { origin: "a", path: "x/#", stream: "data" }]) {
      const base = (await store.lastArrival()) + 1;
      let next = base;
      const insertSome = async () => {
        const documents = [0, 1, 2, 3].map((step) => {
          const parts = { origin: next % 2 === 0 ? "a" : "b", topic: `/data/${step < 3 ? "x" : "y"}/${next % 3}` };
          return documentAt(next++, parts);
        });
        await insert(store, documents);
      };
      await insertSome();
      const seen: number[] = [];
      for (let after = base - 1, turn = 0; ; turn++) {
        const page = await arrivals(store, { ...filter, after, limit: 3 });
        if (page.length === 0) break;
        seen.push(...page);
        after = page.at(-1) ?? after;
        if (turn < 10) await insertSome();
      }
      expect(seen.length).toBeGreaterThan(10);
      expect(seen).toEqual(await arrivals(store, { ...filter, after: base - 1, limit: 1000 }));
    }
  });
}

function sayWhatFiltersTakeIn(say: Say): void {
  say("filters by origin, stream and path, alone and together", async (store) => {
    const origins = ["a", "b"];
    const streams = ["s", "t"];
    const topics = ["/data/x", "/data/x/y", "/data/z"];
    const all = origins.flatMap((origin) =>
      streams.flatMap((stream) => topics.map((topic) => ({ origin, stream, topic }))),
    );
    await insert(
      store,
      all.map((parts, index) => documentAt(index + 1, parts)),
    );
    expect(await arrivals(store, { origin: "b", limit: 20 })).toEqual([7, 8, 9, 10, 11, 12]);
    expect(await arrivals(store, { stream: "t", limit: 20 })).toEqual([4, 5, 6, 10, 11, 12]);
    expect(await arrivals(store, { path: "x/y", limit: 20 })).toEqual([2, 5, 8, 11]);
    expect(await arrivals(store, { path: "x/#", limit: 20 })).toEqual([1, 2, 4, 5, 7, 8, 10, 11]);
    expect(await arrivals(store, { origin: "a", stream: "t", limit: 20 })).toEqual([4, 5, 6]);
    expect(await arrivals(store, { origin: "a", path: "x", limit: 20 })).toEqual([1, 4]);
    expect(await arrivals(store, { stream: "s", path: "x/#", limit: 20 })).toEqual([1, 2, 7, 8]);
    expect(await arrivals(store, { origin: "b", stream: "s", path: "x/#", after: 7, limit: 20 })).toEqual([8]);
    expect(await arrivals(store, { origin: "c", limit: 20 })).toEqual([]);
  });

  say("finds the few documents of a path among many others", async (store) => {
    const isRare = (arrival: number) => arrival % 500 === 0;
    const topicOf = (arrival: number) => (isRare(arrival) ? `/data/rare/${arrival}` : `/data/often/${arrival % 7}`);
    const documents = Array.from({ length: 3_000 }, (_, index) => documentAt(index + 1, { topic: topicOf(index + 1) }));
    await insert(store, documents);
    expect(await arrivals(store, { path: "rare/#", limit: 4 })).toEqual([500, 1000, 1500, 2000]);
    expect(await arrivals(store, { path: "rare/#", after: 2000, limit: 4 })).toEqual([2500, 3000]);
    expect(await arrivals(store, { origin: "plant-1", path: "rare/#", after: 500, limit: 1 })).toEqual([1000]);
    expect(await arrivals(store, { path: "often/#", after: 2990, limit: 100 })).toEqual([
      2991, 2992, 2993, 2994, 2995, 2996, 2997, 2998, 2999,
    ]);
  });
}

function sayWhatPathsAre(say: Say): void {
  say("takes every character of a path for what it is", async (store) => {
    const paths = [
      "a%",
      "a_",
      "a*",
      "a[b]",
      "ab",
      "a",
      "a/b",
      "a/",
      "a//b",
      "A/b",
      "a.b",
      "a0",
      "ä/ö",
      "日本/\u{1f32b}",
      "",
      "/",
      "a'b",
      "a/#b",
    ];
    await insert(
      store,
      paths.map((path, index) => documentAt(index + 1, { topic: `/data/${path}` })),
    );
    const found = async (path: string) =>
      (await arrivals(store, { path, limit: 50 })).map((arrival) => paths[arrival - 1]);
    for (const path of paths) expect(await found(path)).toEqual([path]);
    expect(await found("a/#")).toEqual(["a", "a/b", "a/", "a//b", "a/#b"]);
    expect(await found("a%/#")).toEqual(["a%"]);
    expect(await found("a//#")).toEqual(["a/", "a//b"]);
    expect(await found("/#")).toEqual(["", "/"]);
    expect(await found("日本/#")).toEqual(["日本/\u{1f32b}"]);
    expect(await found("a*/#")).toEqual(["a*"]);
    expect(await found("#")).toEqual(paths);
  });

  say("takes the whole topic for the path where it is not below /data/", async (store) => {
    const topics = ["/event/x", "data/x", "/data", "/data/event/x", "/datax"];
    await insert(
      store,
      topics.map((topic, index) => documentAt(index + 1, { topic })),
    );
    expect(await arrivals(store, { path: "/event/#", limit: 9 })).toEqual([1]);
    expect(await arrivals(store, { path: "data/x", limit: 9 })).toEqual([2]);
    expect(await arrivals(store, { path: "/data", limit: 9 })).toEqual([3]);
    expect(await arrivals(store, { path: "event/#", limit: 9 })).toEqual([4]);
    expect(await arrivals(store, { path: "/data/#", limit: 9 })).toEqual([3]);
  });
}

async function arrivals(store: DocumentStore, query: DataQuery): Promise<readonly number[]> {
  return (await store.findData(query)).map(({ arrival }) => arrival);
}

const anyLevel = fc.constantFrom("x", "y", "", "%", "x0", "é");
const anyPath = fc.array(anyLevel, { minLength: 1, maxLength: 3 }).map((all) => all.join("/"));

/** Few values each, so that documents meet; each arrival is used once, in any order. */
const anyParts = fc.record({
  origin: fc.constantFrom("a", "b", "é"),
  epoch: fc.constantFrom(1, 2),
  stream: fc.constantFrom("s", "t", "u"),
  seq: fc.integer({ min: 1, max: 12 }),
  topic: fc.oneof(
    anyPath.map((path) => `/data/${path}`),
    anyPath,
  ),
  payload: fc.uint8Array({ maxLength: 8 }),
});

const anyBatches = fc
  .array(anyParts, { maxLength: 60 })
  .map((all) => all.map((parts, index) => documentAt(index + 1, parts)))
  .chain((documents) => fc.shuffledSubarray(documents, { minLength: documents.length }))
  .map((documents) => [documents.slice(0, 20), documents.slice(20, 25), documents.slice(25)]);

const anyQuery: fc.Arbitrary<DataQuery> = fc.record(
  {
    origin: fc.constantFrom("a", "b", "é", "none"),
    stream: fc.constantFrom("s", "t", "none"),
    path: fc.oneof(
      anyPath,
      anyPath.map((path) => `${path}/#`),
      fc.constant("#"),
    ),
    after: fc.integer({ min: 0, max: 60 }),
    limit: fc.integer({ min: 1, max: 20 }),
  },
  { requiredKeys: ["limit"] },
);
