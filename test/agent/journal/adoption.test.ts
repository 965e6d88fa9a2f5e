import { expect, test } from "vitest";
import { adoptHoldings } from "#agent/journal/adoption.ts";
import type { NodeStore } from "#agent/store/node-store.ts";
import type { DataHolding } from "#shared/system/document-store.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

function world(holdings: readonly DataHolding[], msEach = 0) {
  const clock = new FakeClock();
  const log = silentLogger();
  const pages: { readonly holdings: readonly DataHolding[]; readonly isLast: boolean }[] = [];
  const store = { write: async (_name: string, page: (typeof pages)[number]) => void pages.push(page) };
  const documents = {
    async *holdings() {
      for (const holding of holdings) {
        await clock.advance(msEach);
        yield holding;
      }
    },
  };
  const adopt = () => adoptHoldings({ store: store as unknown as NodeStore, documents, clock, log });
  return { adopt, pages, phrases: () => log.lines.map(({ phrase }) => phrase) };
}

const holdingsOf = (streams: number, ranges = 1): readonly DataHolding[] =>
  Array.from({ length: streams }, (_, index) => ({
    origin: `node-${index}`,
    epoch: 7,
    stream: "data",
    ranges: Array.from({ length: ranges }, (_one, at) => [2 * at + 1, 2 * at + 1] as const),
  }));

test("holdings are taken over in pages bounded by streams and by ranges, and the last one says so", async () => {
  const many = world(holdingsOf(600));
  await many.adopt();
  expect(many.pages.map(({ holdings, isLast }) => [holdings.length, isLast])).toEqual([
    [256, false],
    [256, false],
    [88, true],
  ]);
  expect(many.pages.flatMap(({ holdings }) => holdings)).toEqual(holdingsOf(600));
  const wide = world(holdingsOf(20, 5_000));
  await wide.adopt();
  expect(Math.max(...wide.pages.map(({ holdings }) => holdings.length))).toBe(4);
});

test("an empty document store is one empty page and no word; a slow one tells how far it is", async () => {
  const empty = world([]);
  await empty.adopt();
  expect(empty.pages).toEqual([{ holdings: [], isLast: true }]);
  expect(empty.phrases()).toEqual([]);
  const slow = world(holdingsOf(1_024), 50);
  await slow.adopt();
  const progress = slow.phrases().filter((phrase) => phrase === "taking over what the document store has");
  expect(progress).toHaveLength(4);
});
