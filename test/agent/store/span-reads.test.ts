import { expect, test } from "vitest";
import { readJournalSpan } from "#agent/http/journal-span.ts";
import type { NodeStore } from "#agent/store/node-store.ts";
import type { NumbersAsked } from "#agent/store/span-reads.ts";
import { limits } from "#shared/limits.ts";
import type { SpanQuery } from "#shared/system/document-store.ts";
import { gap, held, openRoot } from "./root-scene.ts";

/** With reads of spans as the HTTP API does them, portion by portion. */
function openReadRoot() {
  const { reads, ...root } = openRoot();
  const portions = { read: 0 };
  const read = async (_name: string, args: Parameters<typeof reads.span>[0]) => {
    portions.read++;
    return reads.span(args);
  };
  /** All of it. */
  const spanOf = async ({ numbers = [], ...asked }: SpanQuery & { readonly numbers?: readonly NumbersAsked[] }) =>
    (await readJournalSpan({ read } as unknown as NodeStore, asked, numbers)).spans;
  return { ...root, portions, spanOf };
}

test("what is held of a span is counted by the times of the messages", async () => {
  const { spanOf, ingest } = openReadRoot();
  ingest(held(1, [10, 20, 30]), held(4, [40, 50]), held(6, [60, 70, 80]), held(1, [45], 2));
  const count = async (fromMs: number, toMs: number) =>
    (await spanOf({ origin: "device-1", fromMs, toMs })).map(({ stream, held: n }) => [stream, n]);
  const expected = (data: number, alarms: number) => [
    ["data", data],
    ["alarms", alarms],
  ];
  expect(await count(0, 100)).toEqual(expected(8, 1));
  expect(await count(20, 70)).toEqual(expected(5, 1));
  expect(await count(30, 40)).toEqual(expected(1, 0));
  expect(await count(31, 40)).toEqual(expected(0, 0));
  expect(await count(45, 46)).toEqual(expected(0, 1));
  expect(await spanOf({ origin: "device-1", stream: "alarms", fromMs: 0, toMs: 99 })).toMatchObject([
    { stream: "alarms", held: 1 },
  ]);
  expect(await spanOf({ origin: "nobody", fromMs: 0, toMs: 99 })).toEqual([]);
});

test("a segment whose clock was set back is counted all the same", async () => {
  const { spanOf, ingest } = openReadRoot();
  ingest(held(1, [60, 50, 20]));
  const [inside] = await spanOf({ origin: "device-1", fromMs: 15, toMs: 55 });
  expect(inside?.held).toBe(2);
});

test("gaps are named when their times touch the span, or are not known", async () => {
  const { spanOf, ingest } = openReadRoot();
  ingest(
    gap(1, 5, [10, 20], "evicted"),
    gap(6, 6, [21, 30], "expired"),
    gap(7, 9, [31, 40], "corrupt"),
    gap(10, 11, [0, 0], "rejected"),
  );
  const [data] = await spanOf({ origin: "device-1", stream: "data", fromMs: 20, toMs: 31 });
  expect(data).toMatchObject({ held: 0, lost: 8 });
  expect(data?.gaps).toEqual([
    { first: 1, last: 5, reason: "evicted", firstMs: 10, lastMs: 20 },
    { first: 6, last: 6, reason: "expired", firstMs: 21, lastMs: 30 },
    { first: 10, last: 11, reason: "rejected", firstMs: 0, lastMs: 0 },
  ]);
});

test("of the numbers asked for it says which are here or lost, whatever their times", async () => {
  const { spanOf, ingest } = openReadRoot();
  ingest(held(1, [1, 2, 3]), gap(6, 9, [1, 2], "evicted"), held(12, [9, 9]), held(50, [9]));
  const numbers = [
    {
      epoch: 9,
      stream: "data",
      ranges: [
        [2, 4],
        [9, 13],
      ] as const,
    },
  ];
  const [data] = await spanOf({ origin: "device-1", stream: "data", fromMs: 500, toMs: 600, numbers });
  expect(data).toMatchObject({
    held: 0,
    lost: 0,
    accounted: [
      [1, 3],
      [6, 9],
      [12, 13],
    ],
  });
});

test("a long backlog is walked in bounded portions, and the sum is the same", async () => {
  const { spanOf, ingest, portions } = openReadRoot();
  const count = 2 * limits.spanLooks + 100;
  ingest(...Array.from({ length: count }, (_, index) => held(index + 1, [index])));
  ingest(gap(count + 3, count + 5, [5, 5], "expired"), held(1, [1, 2, 3], 2));
  const ranges = [
    [5, 7],
    [limits.spanLooks, 4 * limits.spanLooks],
  ] as const;
  const numbers = [{ epoch: 9, stream: "data", ranges }];
  expect(await spanOf({ origin: "device-1", fromMs: 10, toMs: count - 10, numbers })).toMatchObject([
    {
      stream: "data",
      held: count - 20,
      lost: 0,
      accounted: [
        [5, 7],
        [limits.spanLooks, count],
        [count + 3, count + 5],
      ],
    },
    { stream: "alarms", held: 0 },
  ]);
  expect(portions.read).toBe(3);
});

test("bodies are read up to a bound in each portion", async () => {
  const { spanOf, ingest, portions } = openReadRoot();
  const count = 1_000;
  const times = Array.from({ length: count }, (_, index) => (index === 0 ? 0 : 100));
  for (let first = 1; first < 500 * count; first += count) ingest(held(first, times));
  const bytes = held(1, times).body?.length ?? 0;
  const [data] = await spanOf({ origin: "device-1", fromMs: 0, toMs: 50 });
  expect(data?.held).toBe(500);
  expect(portions.read).toBe(Math.ceil(500 / Math.ceil(limits.spanBytes / bytes)));
});

test("more streams than one portion lists, and one alone of them", async () => {
  const { database, spanOf, portions } = openReadRoot();
  database.exec(
    `WITH RECURSIVE n(epoch) AS (SELECT 1 UNION ALL SELECT epoch + 1 FROM n WHERE epoch < 500)
     INSERT INTO origin(node, epoch) SELECT 'device-1', epoch FROM n;
     INSERT INTO stream(origin, stream, name, priority, class, high, ranges, low, delivered, lost, held, held_bytes, final_mark, digest, heard_ms)
     SELECT id, 1, IIF(epoch = 450, 'odd', 'data'), 2, 0, 0, x'80', 1, 0, 0, 0, 0, 0, 0, 0 FROM origin`,
  );
  expect(await spanOf({ origin: "device-1", fromMs: 0, toMs: 1 })).toHaveLength(500);
  expect(portions.read).toBe(3);
  expect(await spanOf({ origin: "device-1", stream: "odd", fromMs: 0, toMs: 1 })).toMatchObject([{ epoch: 450 }]);
});
