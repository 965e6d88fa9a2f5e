// A root whose journal is new, while its documents are not: their numbers are taken over, so that what children send again is known
// to be there, and "did I get everything?" has its exact answer at once.
import { countIntervals } from "#shared/journal/interval-set.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { DataHolding, DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";

export interface AdoptionDeps {
  readonly store: Pick<NodeStore, "write">;
  readonly documents: Pick<DocumentStore, "holdings">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Logger;
}

/** One transaction takes over so much at most, and by one stream more. */
const streamsPerPage = 256;
const rangesPerPage = 16_384;
const progressMs = 10_000;

/** Cut off by a crash it begins anew at the next start, which changes nothing of what it did. Rejects with what the stores reject. */
export async function adoptHoldings({ store, documents, clock, log }: AdoptionDeps): Promise<void> {
  let page: DataHolding[] = [];
  let ranges = 0;
  let streams = 0;
  let messages = 0;
  let toldMs = clock.monotonic();
  for await (const holding of documents.holdings()) {
    page.push(holding);
    ranges += holding.ranges.length;
    streams++;
    messages += countIntervals(holding.ranges);
    if (page.length < streamsPerPage && ranges < rangesPerPage) continue;
    await store.write("adopt", { holdings: page, isLast: false });
    page = [];
    ranges = 0;
    if (clock.monotonic() - toldMs < progressMs) continue;
    toldMs = clock.monotonic();
    log.info({ streams, messages }, "taking over what the document store has");
  }
  await store.write("adopt", { holdings: page, isLast: true });
  if (streams > 0) {
    log.warn({ streams, messages }, "the journal knew less than the document store: it counts what is there as stored");
  }
}
