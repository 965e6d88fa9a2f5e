import { expect, test } from "vitest";
import { rangeReports, type TimeRangeDeps } from "#agent/http/time-range.ts";
import type { JournalSpan, NumbersAsked } from "#agent/store/span-reads.ts";
import type { NodeStore } from "#agent/store/node-store.ts";
import type { LedgerRow } from "#shared/journal/ledger.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import { documentAt, insert } from "../../fakes/made-documents.ts";
import { createMemoryDocumentStore } from "../../fakes/memory-document-store.ts";

const asked = { origin: "plant-1", fromMs: 0, toMs: 1_000 };

function ledgerRow(changed: Partial<LedgerRow> = {}): LedgerRow {
  const counts = { high: 20, ranges: [], low: 1, delivered: 0, lost: 0, held: 0, heldBytes: 0, heardAtMs: 5_000 };
  return { origin: "plant-1", epoch: 7, streamId: 1, stream: "data", ...counts, ...changed };
}

/** A node's store that knows what it is given. `onSpan`: what happens while the journal is read. */
function storeOf(
  rows: readonly LedgerRow[],
  journal: readonly Partial<JournalSpan>[],
  onSpan: (numbers: readonly NumbersAsked[]) => Promise<unknown> = async () => undefined,
): NodeStore {
  const spans = journal.map((one) => ({
    epoch: 7,
    stream: "data",
    held: 0,
    lost: 0,
    gaps: [],
    accounted: [],
    lostInAll: 0,
    ...one,
  }));
  const read = async (name: string, args: { readonly numbers: readonly NumbersAsked[] }): Promise<unknown> => {
    if (name === "accounting") return rows.map((row) => ({ row, gaps: [] }));
    await onSpan(args.numbers);
    return { parts: spans, next: null };
  };
  return { read } as unknown as NodeStore;
}

async function documentsWith(numbers: readonly number[]): Promise<DocumentStore> {
  const documents = createMemoryDocumentStore();
  await insert(documents, numbers.map(at));
  return documents;
}

function at(seq: number) {
  return documentAt(seq, { timeMs: seq * 10 });
}

function root(store: NodeStore, documents: DocumentStore): TimeRangeDeps {
  return { store, documents, isRoot: true, heardAtMs: () => 0 };
}

test("a root tells what is stored, held, lost and missing in a span", async () => {
  const documents = await documentsWith([1, 2, 3, 5, 9, 10, 15]);
  const gap = { first: 6, last: 6, reason: "evicted" as const, firstMs: 60, lastMs: 60 };
  const seen: (readonly NumbersAsked[])[] = [];
  const store = storeOf(
    [
      ledgerRow({
        ranges: [
          [1, 3],
          [5, 6],
          [8, 10],
          [15, 15],
        ],
      }),
    ],
    [
      {
        held: 1,
        lost: 1,
        gaps: [gap],
        accounted: [
          [6, 6],
          [8, 8],
        ],
      },
    ],
    async (numbers) => seen.push(numbers),
  );
  expect(await rangeReports(root(store, documents), { ...asked, fromMs: 20, toMs: 120 })).toEqual([
    {
      origin: "plant-1",
      epoch: 7,
      stream: "data",
      from: "1970-01-01T00:00:00.020Z",
      to: "1970-01-01T00:00:00.120Z",
      stored: {
        messages: 5,
        numbers: { first: 2, last: 10 },
        missing: 2,
        missingRanges: [
          { first: 4, last: 4 },
          { first: 7, last: 7 },
        ],
        settled: true,
      },
      here: 1,
      lost: 1,
      lostRanges: [
        { first: 6, last: 6, reason: "evicted", from: "1970-01-01T00:00:00.060Z", to: "1970-01-01T00:00:00.060Z" },
      ],
      below: 11,
      heardAt: "1970-01-01T00:00:05.000Z",
    },
  ]);
  expect(seen).toEqual([
    [
      {
        epoch: 7,
        stream: "data",
        ranges: [
          [4, 4],
          [6, 8],
        ],
      },
    ],
  ]);
});

test("a message that moves into the store while it is counted is counted once, after another look", async () => {
  const documents = await documentsWith([1]);
  let reads = 0;
  const store = storeOf([ledgerRow()], [], async () => {
    if (++reads === 1) await insert(documents, [at(2)]);
  });
  const [report] = await rangeReports(root(store, documents), asked);
  expect(report?.stored).toMatchObject({ messages: 2, settled: true });
  expect(reads).toBe(2);
});

test("a span that never comes to rest is said to be unsettled", async () => {
  const documents = await documentsWith([1]);
  let next = 2;
  const store = storeOf([ledgerRow()], [], () => insert(documents, [at(next++)]));
  const [report] = await rangeReports(root(store, documents), asked);
  expect(report?.stored).toMatchObject({ messages: 4, settled: false });
});

test("what is stored of a stream that this journal never knew is told too", async () => {
  const documents = await documentsWith([4, 5]);
  expect(await rangeReports(root(storeOf([], []), documents), asked)).toMatchObject([
    { stream: "data", epoch: 7, stored: { messages: 2, missing: 0 }, below: 0, heardAt: "1970-01-01T00:00:00.000Z" },
  ]);
});

test("a node below tells what it holds, and nothing of what it has handed on", async () => {
  const store = storeOf(
    [ledgerRow({ ranges: [[11, 20]], low: 6 }), ledgerRow({ stream: "alarms", high: 0, heardAtMs: 9_000 })],
    [{ held: 3, lost: 2, gaps: [{ first: 1, last: 2, reason: "corrupt", firstMs: 0, lastMs: 0 }] }],
  );
  const deps = { store, documents: undefined, isRoot: false, heardAtMs: () => 12_000 };
  const [data, alarms] = await rangeReports(deps, asked);
  expect(data).toMatchObject({ here: 3, lost: 2, lostRanges: [{ first: 1, last: 2, reason: "corrupt" }], below: 5 });
  expect(data).not.toHaveProperty("stored");
  expect(data?.lostRanges[0]).not.toHaveProperty("from");
  expect(alarms).toMatchObject({ here: 0, lost: 0, below: 0, heardAt: "1970-01-01T00:00:12.000Z" });
  expect(await rangeReports(deps, { ...asked, stream: "alarms" })).toHaveLength(1);
});
