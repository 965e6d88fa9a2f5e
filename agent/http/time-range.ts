// "Did everything of last night arrive?": what is stored, held and lost of a span of time, put together from the document store and
// the journal. A message that moves from one to the other while they are read would be counted twice or not at all: the document
// store is read again behind the journal, and all of it once more when it has changed.
import { isDeepStrictEqual } from "node:util";
import { countIntervals, missingFrom, type IntervalSet } from "#shared/journal/interval-set.ts";
import { elsewhereOf, missingOf, type LedgerRow } from "#shared/journal/ledger.ts";
import type { RangeReport, StoredRange } from "#shared/reports.ts";
import type { DataSpan, DocumentStore, SpanQuery } from "#shared/system/document-store.ts";
import type { NodeStore } from "../store/node-store.ts";
import type { JournalSpan } from "../store/span-reads.ts";
import { readJournalSpan } from "./journal-span.ts";

export interface TimeRangeDeps {
  readonly store: NodeStore;
  /** Where data ends up: at the root. */
  readonly documents: DocumentStore | undefined;
  /** Everything is expected here. */
  readonly isRoot: boolean;
  /** When the node of that name had its last word here, milliseconds since 1970; 0 when only others know. */
  readonly heardAtMs: (origin: string) => number;
}

const readingsMax = 3;
const rangesMax = 1_000;

/** One report for each stream of the origin that this node knows of. Rejects with what the stores reject. */
export async function rangeReports(
  { store, documents, isRoot, heardAtMs }: TimeRangeDeps,
  asked: SpanQuery,
): Promise<readonly RangeReport[]> {
  const accounts = await store.read("accounting", { origin: asked.origin });
  const { spans, journal, settled } = await readSettled({ store, documents }, asked);
  const rows = accounts
    .map(({ row }) => row)
    .filter(({ stream }) => asked.stream === undefined || stream === asked.stream);
  // Whoever spoke of one stream and not of another had nothing new to say of that one.
  const heardAt = iso(Math.max(heardAtMs(asked.origin), ...accounts.map(({ row }) => row.heardAtMs)));
  // What is stored of a stream that the ledger does not know comes from before this journal.
  const unknown = spans.filter((span) => !rows.some((row) => isSame(row, span)));
  return [...rows, ...unknown].map((stream) => {
    const { held = 0, lost = 0, gaps = [], accounted = [] } = journal.find((one) => isSame(one, stream)) ?? {};
    const span = spans.find((one) => isSame(one, stream));
    const row = "high" in stream ? stream : undefined;
    return {
      origin: asked.origin,
      epoch: stream.epoch,
      stream: stream.stream,
      from: iso(asked.fromMs),
      to: iso(asked.toMs),
      ...(documents === undefined ? {} : { stored: storedRange(span, accounted, settled) }),
      here: held,
      lost,
      lostRanges: gaps.map(lostRange),
      below: row === undefined ? 0 : belowOf(row, isRoot),
      heardAt,
    };
  });
}

interface Reading {
  readonly spans: readonly DataSpan[];
  readonly journal: readonly JournalSpan[];
  readonly settled: boolean;
}

async function readSettled(
  { store, documents }: Pick<TimeRangeDeps, "store" | "documents">,
  asked: SpanQuery,
): Promise<Reading> {
  const readSpans = async (): Promise<readonly DataSpan[]> => (await documents?.spans(asked)) ?? [];
  let before = await readSpans();
  for (let reading = 1; ; reading++) {
    const numbers = before.map(({ epoch, stream, ...span }) => ({ epoch, stream, ranges: holesOf(span) }));
    const journal = await readJournalSpan(store, asked, numbers);
    const spans = await readSpans();
    const settled = journal.isSteady && isDeepStrictEqual(before, spans);
    if (settled || reading === readingsMax) return { spans, journal: journal.spans, settled };
    before = spans;
  }
}

function holesOf({ ranges, first, last }: Pick<DataSpan, "ranges" | "first" | "last">): IntervalSet {
  return missingFrom(ranges, first, last);
}

function storedRange(span: DataSpan | undefined, accounted: IntervalSet, settled: boolean): StoredRange {
  if (span === undefined) return { messages: 0, missing: 0, missingRanges: [], settled };
  const { stored, first, last } = span;
  const missing = holesOf(span).flatMap(([from, to]) => missingFrom(accounted, from, to));
  const missingRanges = missing.slice(0, rangesMax).map(([from, to]) => ({ first: from, last: to }));
  return { messages: stored, numbers: { first, last }, missing: countIntervals(missing), missingRanges, settled };
}

function lostRange({
  first,
  last,
  reason,
  firstMs,
  lastMs,
}: JournalSpan["gaps"][number]): RangeReport["lostRanges"][number] {
  const times = lastMs === 0 ? {} : { from: iso(firstMs), to: iso(lastMs) };
  return { first, last, reason, ...times };
}

function belowOf(row: LedgerRow, isRoot: boolean): number {
  return missingOf(row) - (isRoot ? 0 : elsewhereOf(row));
}

function isSame(
  a: { readonly epoch: number; readonly stream: string },
  b: { readonly epoch: number; readonly stream: string },
): boolean {
  return a.epoch === b.epoch && a.stream === b.stream;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
