// What of a span of time is held or lost in a node's journal, put together from the portions in which its store tells it.
import { unionOf } from "#shared/journal/interval-set.ts";
import type { SpanQuery } from "#shared/system/document-store.ts";
import type { NodeStore } from "../store/node-store.ts";
import type { JournalSpan, NumbersAsked, SpanPart, SpanPlace } from "../store/span-reads.ts";

export interface JournalReading {
  /** One entry for each stream of the origin that this node knows. */
  readonly spans: readonly JournalSpan[];
  /** Nothing was lost while it was read. Else some of it may stand among what is held, too. */
  readonly isSteady: boolean;
}

/** `numbers`: whose whereabouts are asked for besides. Rejects with what the store rejects. */
export async function readJournalSpan(
  store: Pick<NodeStore, "read">,
  asked: SpanQuery,
  numbers: readonly NumbersAsked[],
): Promise<JournalReading> {
  const parts = new Map<string, SpanPart>();
  let isSteady = true;
  let from: SpanPlace | null = null;
  do {
    const portion: Awaited<ReturnType<typeof read>> = await read(from);
    for (const part of portion.parts) {
      const key = `${part.epoch} ${part.stream}`;
      const before = parts.get(key);
      if (before !== undefined && before.lostInAll !== part.lostInAll) isSteady = false;
      parts.set(key, before === undefined ? part : together(before, part));
    }
    from = portion.next;
  } while (from !== null);
  return { spans: [...parts.values()].map(({ lostInAll: _, ...span }) => span), isSteady };

  function read(place: SpanPlace | null) {
    return store.read("span", { ...asked, numbers, from: place });
  }
}

function together(a: SpanPart, b: SpanPart): SpanPart {
  const accounted = unionOf([...a.accounted, ...b.accounted]);
  return { ...b, held: a.held + b.held, lost: a.lost + b.lost, gaps: [...a.gaps, ...b.gaps], accounted };
}
