import { expect, test } from "vitest";
import { readJournalSpan } from "#agent/http/journal-span.ts";
import type { NodeStore } from "#agent/store/node-store.ts";
import type { SpanPart, SpanPortion } from "#agent/store/span-reads.ts";

const asked = { origin: "plant-1", fromMs: 0, toMs: 1_000 };

function part(changed: Partial<SpanPart>): SpanPart {
  return { epoch: 7, stream: "data", held: 0, lost: 0, gaps: [], accounted: [], lostInAll: 0, ...changed };
}

/** A store that answers these portions, and only in their order. */
function storeOf(portions: readonly (readonly SpanPart[])[]): Pick<NodeStore, "read"> {
  const read = async (_name: string, { from }: { readonly from: SpanPortion["next"] }): Promise<SpanPortion> => {
    const at = from?.first ?? 0;
    return {
      parts: portions[at] ?? [],
      next: at + 1 < portions.length ? { epoch: 7, streamId: 1, first: at + 1 } : null,
    };
  };
  return { read } as unknown as Pick<NodeStore, "read">;
}

test("parts of one stream are put together, each stream for itself", async () => {
  const gap = { first: 9, last: 9, reason: "evicted" as const, firstMs: 1, lastMs: 1 };
  const store = storeOf([
    [
      part({ stream: "alarms", held: 4 }),
      part({
        held: 2,
        lost: 1,
        gaps: [gap],
        accounted: [
          [1, 2],
          [9, 9],
        ],
        lostInAll: 1,
      }),
    ],
    [part({ held: 3, accounted: [[3, 3]], lostInAll: 1 }), part({ epoch: 8, held: 1 })],
  ]);
  expect(await readJournalSpan(store, asked, [])).toEqual({
    isSteady: true,
    spans: [
      { epoch: 7, stream: "alarms", held: 4, lost: 0, gaps: [], accounted: [] },
      {
        epoch: 7,
        stream: "data",
        held: 5,
        lost: 1,
        gaps: [gap],
        accounted: [
          [1, 3],
          [9, 9],
        ],
      },
      { epoch: 8, stream: "data", held: 1, lost: 0, gaps: [], accounted: [] },
    ],
  });
});

test("what was lost between two parts may stand in both: that is said", async () => {
  const store = storeOf([[part({ held: 2 })], [part({ held: 3, lostInAll: 2 })]]);
  expect(await readJournalSpan(store, asked, [])).toMatchObject({ isSteady: false });
});
