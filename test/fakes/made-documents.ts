// Messages as a document store gives them, and as blocks to put in.
import { encodeSegment } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";
import type { DataBlock, DataDocument, DocumentStore } from "#shared/system/document-store.ts";

/** Message number `arrival` of stream `data` of node `plant-1`, unless told otherwise. */
export function documentAt(arrival: number, parts: Partial<DataDocument> = {}): DataDocument {
  const identity = { origin: "plant-1", epoch: 7, stream: "data", seq: arrival };
  const content = {
    timeMs: 1_700_000_000_000 + arrival,
    topic: "/data/room/temp",
    payload: new Uint8Array([arrival & 255]),
    flags: 0,
  };
  return { ...identity, arrival, ...content, ...parts };
}

/** Neighbours by number and by arrival as one block. */
function blocksOf(documents: readonly DataDocument[]): readonly DataBlock[] {
  const groups: DataDocument[][] = [];
  for (const document of documents) {
    const group = groups.at(-1);
    const before = group?.at(-1);
    const hasRoom = group !== undefined && group.length < limits.segmentItems;
    if (hasRoom && before !== undefined && isNext(before, document)) group.push(document);
    else groups.push([document]);
  }
  return groups.map(blockOf);
}

/** One block of neighbours. */
export function blockOf(documents: readonly DataDocument[]): DataBlock {
  const [head] = documents;
  if (head === undefined) throw new Error("a block has messages");
  const { origin, epoch, stream, seq, arrival, timeMs, flags } = head;
  const body = encodeSegment(
    documents.map(({ timeMs: at, topic, payload }) => ({ timeMs: at, topic, payload, retain: false })),
  );
  const times = { firstMs: timeMs, lastMs: documents.at(-1)?.timeMs ?? timeMs };
  return { origin, epoch, stream, first: seq, items: documents.length, arrival, ...times, flags, body };
}

function isNext(before: DataDocument, after: DataDocument): boolean {
  const { origin, epoch, stream, flags } = before;
  const isSame = after.origin === origin && after.epoch === epoch && after.stream === stream;
  return isSame && after.flags === flags && after.seq === before.seq + 1 && after.arrival === before.arrival + 1;
}

/** Stores messages, neighbours together. */
export function insert(
  store: DocumentStore,
  documents: readonly DataDocument[],
): ReturnType<DocumentStore["insertBlocks"]> {
  return store.insertBlocks(blocksOf(documents));
}
