// What every DocumentStore does with blocks: each number once however messages are cut, spans of time, holdings.
import fc from "fast-check";
import { expect, test } from "vitest";
import { SegmentBuilder, segmentFlags } from "#shared/journal/segment.ts";
import { encodeCbor } from "#shared/cbor.ts";
import type { DataDocument, DataHolding, DataSpan, DocumentStore } from "#shared/system/document-store.ts";
import { blockOf, documentAt, insert } from "../fakes/made-documents.ts";
import { createMemoryDocumentStore } from "../fakes/memory-document-store.ts";
import type { Say } from "./document-store-contract.ts";

export function testBlocks(
  name: string,
  say: Say,
  withStore: (use: (store: DocumentStore) => Promise<void>) => Promise<void>,
): void {
  sayHowBlocksMeet(say);
  sayWhatBodiesAre(say);
  sayWhatSpansAre(say);

  test(`${name}: [O2] stores each number once with its payload, however messages are cut, repeated and mixed`, async () => {
    const compare = async (calls: readonly (readonly Piece[])[], askedAt: readonly [number, number]) => {
      await withStore(async (store) => {
        const model = createMemoryDocumentStore();
        for (const call of calls) {
          const messages = call.map(messagesOf);
          const { inserted, duplicates } = await store.insertBlocks(messages.map(blockOf));
          expect(await insert(model, messages.flat())).toEqual({ inserted, duplicates });
        }
        expect(await store.findData({ limit: 1_000 })).toEqual(await model.findData({ limit: 1_000 }));
        for (const query of [{ path: "room/1" }, { origin: "b", path: "room/#" }, { stream: "s", after: 2_050 }]) {
          expect(await store.findData({ ...query, limit: 7 })).toEqual(await model.findData({ ...query, limit: 7 }));
        }
        const [fromMs, toMs] = askedAt;
        const asked = { origin: "a", fromMs, toMs };
        expect(sorted(await store.spans(asked))).toEqual(sorted(await model.spans(asked)));
        expect(await store.spans({ ...asked, stream: "t" })).toEqual(await model.spans({ ...asked, stream: "t" }));
        expect(await holdingsOf(store)).toEqual(await holdingsOf(model));
      });
    };
    const anyCalls = fc.array(fc.array(anyPiece, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 });
    const anyTimes = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 }));
    await fc.assert(fc.asyncProperty(anyCalls, anyTimes, compare), { numRuns: 40 });
  }, 60_000);
}

function sayHowBlocksMeet(say: Say): void {
  const numbers = (first: number, last: number): readonly DataDocument[] =>
    Array.from({ length: last - first + 1 }, (_, index) => documentAt(first + index));

  say("stores of a block only what is new", async (store) => {
    await store.insertBlocks([blockOf(numbers(3, 5))]);
    expect(await store.insertBlocks([blockOf(numbers(1, 9))])).toEqual({ inserted: 6, duplicates: 3 });
    expect(await store.insertBlocks([blockOf(numbers(4, 7))])).toEqual({ inserted: 0, duplicates: 4 });
    expect(await store.findData({ limit: 20 })).toEqual(numbers(1, 9));
    expect(await holdingsOf(store)).toMatchObject([{ ranges: [[1, 9]] }]);
  });

  say("stores of blocks that come together each number once", async (store) => {
    const together = [numbers(1, 4), numbers(3, 6), numbers(1, 4), numbers(6, 6)].map(blockOf);
    expect(await store.insertBlocks(together)).toEqual({ inserted: 6, duplicates: 7 });
    expect(await store.findData({ limit: 20 })).toEqual(numbers(1, 6));
  });

  say("takes inserts that do not wait for each other", async (store) => {
    const outcomes = await Promise.all(
      [numbers(1, 5), numbers(4, 8), numbers(9, 9)].map((some) => insert(store, some)),
    );
    expect(outcomes.reduce((sum, { inserted }) => sum + inserted, 0)).toBe(9);
    expect(await store.findData({ limit: 20 })).toEqual(numbers(1, 9));
  });

  say("rejects arrivals inside a stored block, from either side, and goes on", async (store) => {
    await store.insertBlocks([blockOf(numbers(10, 19))]);
    const other = (arrival: number, count: number) =>
      blockOf(numbers(arrival, arrival + count - 1).map((one) => ({ ...one, origin: "plant-2" })));
    for (const clash of [other(15, 1), other(8, 3), other(19, 5), other(5, 30)]) {
      await expect(store.insertBlocks([other(100, 2), clash])).rejects.toMatchObject({ code: "FOGBANK_DATA_REFUSED" });
    }
    expect(await store.insertBlocks([other(100, 2), other(8, 2), other(20, 1)])).toEqual({
      inserted: 5,
      duplicates: 0,
    });
    expect(await store.countData("plant-2", 7, "data")).toBe(5);
  });

  say("tells what is a replay, what may have come before, and what has an uncertain time", async (store) => {
    const marks = [segmentFlags.historical, segmentFlags.maybeDuplicate, segmentFlags.unsynced, 0];
    await store.insertBlocks(marks.map((flags, index) => blockOf([documentAt(1 + index, { flags })])));
    expect((await store.findData({ limit: 5 })).map(({ flags }) => flags)).toEqual(marks);
  });

  say("keeps nothing of the memory that a block came in", async (store) => {
    const block = blockOf(numbers(1, 3));
    const wide = new Uint8Array(block.body.length + 20);
    wide.set(block.body, 10);
    await store.insertBlocks([{ ...block, body: wide.subarray(10, 10 + block.body.length) }]);
    wide.fill(0);
    expect(await store.findData({ limit: 5 })).toEqual(numbers(1, 3));
  });
}

function sayWhatBodiesAre(say: Say): void {
  const block = blockOf([documentAt(1), documentAt(2), documentAt(3)]);

  say("rejects a body that cannot be read, and stores nothing of that call", async (store) => {
    const bodies = [
      new Uint8Array(),
      block.body.subarray(0, -1),
      new Uint8Array([...block.body, 0]),
      new Uint8Array([...block.body, ...block.body]),
      new Uint8Array(50).fill(255),
    ];
    for (const body of bodies) {
      await expect(store.insertBlocks([blockOf([documentAt(9)]), { ...block, body }])).rejects.toMatchObject({
        code: "FOGBANK_DATA_REFUSED",
      });
    }
    expect(await store.lastArrival()).toBe(0);
    expect(await store.insertBlocks([block])).toEqual({ inserted: 3, duplicates: 0 });
  });

  say("reads a body that another program has written", async (store) => {
    const payload = new Uint8Array([1, 2]);
    const items = [5, 70_000, 1_700_000_000_000].map((timeMs) => encodeCbor([timeMs, "/data/x", payload, 1]));
    const body = new Uint8Array(items.flatMap((item) => [...item]));
    await store.insertBlocks([{ ...block, body }]);
    expect(await store.findData({ path: "x", limit: 5 })).toMatchObject(
      [5, 70_000, 1_700_000_000_000].map((timeMs) => ({ timeMs, topic: "/data/x", payload })),
    );
  });

  say("finds by every one of a thousand topics, long ones and deep ones", async (store) => {
    const deep = Array.from({ length: 40 }, (_, level) => `l${level}`).join("/");
    const topics = [`/data/${"x".repeat(300)}`, `/data/${deep}`, `/data/${deep}/y`];
    for (let index = 0; topics.length < 1_000; index++) topics.push(`/data/many/${index}`);
    const builder = new SegmentBuilder();
    for (const topic of topics) builder.add({ timeMs: 1, topic, payload: new Uint8Array(1), retain: true });
    await store.insertBlocks([{ ...block, ...builder.finish() }]);
    const found = async (path: string) => (await store.findData({ path, limit: 2_000 })).map(({ topic }) => topic);
    for (const topic of [...topics.slice(0, 3), "/data/many/996"]) expect(await found(topic.slice(6))).toEqual([topic]);
    expect(await found(`${deep}/#`)).toEqual(topics.slice(1, 3));
    expect(await found("l0/l1/#")).toEqual(topics.slice(1, 3));
    expect(await found("many/#")).toEqual(topics.slice(3));
  });
}

function sayWhatSpansAre(say: Say): void {
  say("counts what has its time in a span, to the message", async (store) => {
    const times = [10, 20, 15, 40, 30, 50];
    await insert(
      store,
      times.map((timeMs, index) => documentAt(index + 1, { timeMs })),
    );
    const spans = (fromMs: number, toMs: number) => store.spans({ origin: "plant-1", fromMs, toMs });
    const common = { epoch: 7, stream: "data" };
    expect(await spans(0, 100)).toEqual([{ ...common, stored: 6, first: 1, last: 6, ranges: [[1, 6]] }]);
    expect(await spans(15, 40)).toEqual([{ ...common, stored: 3, first: 2, last: 5, ranges: [[2, 5]] }]);
    expect(await spans(50, 51)).toEqual([{ ...common, stored: 1, first: 6, last: 6, ranges: [[6, 6]] }]);
    expect(await spans(51, 99)).toEqual([]);
    expect(await spans(20, 20)).toEqual([]);
    expect(await store.spans({ origin: "plant-2", fromMs: 0, toMs: 100 })).toEqual([]);
    expect(await store.spans({ origin: "plant-1", stream: "no", fromMs: 0, toMs: 100 })).toEqual([]);
  });

  say("names the numbers between the first and the last of a span that are stored", async (store) => {
    const at = (seq: number) => documentAt(seq, { timeMs: seq * 10 });
    await insert(store, [1, 2, 3, 6, 7, 9, 12].map(at));
    const [span] = await store.spans({ origin: "plant-1", fromMs: 20, toMs: 91 });
    expect(span).toMatchObject({
      stored: 5,
      first: 2,
      last: 9,
      ranges: [
        [2, 3],
        [6, 7],
        [9, 9],
      ],
    });
  });
}

async function holdingsOf(store: DocumentStore): Promise<readonly DataHolding[]> {
  const holdings: DataHolding[] = [];
  for await (const holding of store.holdings()) holdings.push(holding);
  return sorted(holdings);
}

function sorted<T extends DataSpan | DataHolding>(all: readonly T[]): readonly T[] {
  const key = (one: DataSpan | DataHolding): string =>
    JSON.stringify(["origin" in one ? one.origin : "", one.epoch, one.stream]);
  return all.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

type Place = Pick<DataDocument, "origin" | "epoch" | "stream">;

/** Numbers of one stream that come as one block. */
interface Piece {
  readonly place: number;
  readonly first: number;
  readonly items: number;
}

const places: readonly [Place, ...Place[]] = [
  { origin: "a", epoch: 1, stream: "s" },
  { origin: "a", epoch: 2, stream: "s" },
  { origin: "a", epoch: 1, stream: "t" },
  { origin: "b", epoch: 1, stream: "s" },
];

const anyPiece: fc.Arbitrary<Piece> = fc.record({
  place: fc.nat({ max: places.length - 1 }),
  first: fc.integer({ min: 1, max: 30 }),
  items: fc.integer({ min: 1, max: 12 }),
});

/** A message is the same whichever block it comes in. Times go back and forth. */
function messagesOf({ place, first, items }: Piece): readonly DataDocument[] {
  return Array.from({ length: items }, (_, index) => {
    const seq = first + index;
    const content = { timeMs: (seq * 7) % 53, topic: `/data/room/${seq % 3}`, payload: new Uint8Array([place, seq]) };
    return { ...(places[place] ?? places[0]), seq, arrival: (place + 1) * 1_024 + seq, ...content, flags: 0 };
  });
}
