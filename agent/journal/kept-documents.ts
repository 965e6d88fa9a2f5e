// A node that was a root has documents of its own, which stay where they are. The nodes above must not wait for those numbers: they are
// told, once, by gaps that say who has them. What the root had named as lost, to itself alone until then, is told with them.
import { countIntervals } from "#shared/journal/interval-set.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";

export interface KeptDocumentsDeps {
  readonly store: Pick<NodeStore, "read" | "write">;
  /** What this node stored when it was a root. */
  readonly documents: Pick<DocumentStore, "holdings" | "lastArrival">;
  readonly log: Logger;
}

/** When the node runs. Cut off by a crash it begins anew, which changes nothing of what it did. Rejects with what the stores reject. */
export async function tellKeptDocuments({ store, documents, log }: KeptDocumentsDeps): Promise<void> {
  const arrival = await documents.lastArrival();
  if (arrival === 0) return;
  log.warn({ arrival }, "this node was a root: what it stored as documents stays here, and is not handed on");
  if ((await store.read("keptTold", {})) >= arrival) return;
  const accounts = (await store.read("accounting", {})).map(({ row }) => row).filter(({ streamId }) => streamId > 0);
  let messages = 0;
  for await (const { origin, epoch, stream, ranges } of documents.holdings()) {
    const row = accounts.find((one) => one.origin === origin && one.epoch === epoch && one.stream === stream);
    if (row === undefined) continue;
    await store.write("nameKept", { origin, epoch, streamId: row.streamId, ranges });
    messages += countIntervals(ranges);
  }
  for (const { origin, epoch, streamId, lost } of accounts) {
    if (lost > 0) await store.write("repeatLost", { origin, epoch, streamId });
  }
  await store.write("keptToldTo", { arrival });
  log.info({ messages }, "the nodes above are told what is stored here");
}
