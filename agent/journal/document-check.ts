// After the document store was salvaged: what the root's ledger calls stored and the store has no more is named as lost. To be done
// before anything is drained or taken in. A crash on the way begins it anew: what is named already stays as it is.
import type { IntervalSet } from "#shared/journal/interval-set.ts";
import { placeholderName } from "#shared/journal/stream.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";

export interface DocumentCheckDeps {
  readonly store: Pick<NodeStore, "read" | "write">;
  readonly documents: Pick<DocumentStore, "holdings">;
  readonly log: Logger;
}

/** `damaged`: name of the newest damaged file that a salvage of the document store has put aside; undefined when there is none. */
export async function nameLostDocuments(deps: DocumentCheckDeps, damaged: string | undefined): Promise<void> {
  const { store, documents, log } = deps;
  if (damaged === undefined) return;
  const checked = await store.read("checkedDocuments", {});
  if (checked.damaged === damaged) return;
  if (checked.hasHadParent) {
    log.warn({ damaged }, "what the damaged document store has lost cannot be told: this root once had a parent");
  } else {
    const messages = await nameAll(store, documents);
    log.error({ damaged, messages }, "what the damaged document store has lost is named");
  }
  await store.write("documentsChecked", { damaged });
}

async function nameAll(store: DocumentCheckDeps["store"], documents: DocumentCheckDeps["documents"]): Promise<number> {
  const stored = new Map<string, IntervalSet>();
  for await (const { origin, epoch, stream, ranges } of documents.holdings()) {
    stored.set(titleOf(origin, epoch, stream), ranges);
  }
  let messages = 0;
  for (const { row } of await store.read("accounting", {})) {
    const { origin, epoch, stream, streamId } = row;
    // Which documents are of this stream cannot be told without its name.
    if (stream === placeholderName(streamId)) continue;
    const ranges = stored.get(titleOf(origin, epoch, stream)) ?? [];
    messages += await store.write("nameUnstored", { origin, epoch, streamId, stored: ranges });
  }
  return messages;
}

function titleOf(origin: string, epoch: number, stream: string): string {
  return `${origin} ${epoch} ${stream}`;
}
