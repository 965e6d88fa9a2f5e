// Whether the document store still has what the root's ledger calls stored: not after a salvage of it, and not when its file is gone,
// was put back from a backup, or is another one. What it has no more is named as lost. To be done before anything is drained or taken
// in. A crash on the way begins it anew: what is named already stays as it is.
import type { IntervalSet } from "#shared/journal/interval-set.ts";
import type { LossReason } from "#shared/journal/segment.ts";
import { placeholderName } from "#shared/journal/stream.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { DocumentsChecked, DocumentsState } from "../store/document-operations.ts";
import type { NodeStore } from "../store/node-store.ts";

export interface DocumentCheckDeps {
  readonly store: Pick<NodeStore, "read" | "write">;
  readonly documents: Pick<DocumentStore, "holdings" | "instance" | "lastArrival">;
  readonly log: Logger;
}

type Doubt = "damaged" | "another store" | "older than the journal" | "never compared";

/**
 * `damaged`: name of the newest damaged file that a salvage of the document store has put aside; undefined when there is none. Rejects
 * with what the stores reject.
 */
export async function nameLostDocuments(deps: DocumentCheckDeps, damaged: string | undefined): Promise<void> {
  const { store, documents, log } = deps;
  const state = { instance: await documents.instance(), arrival: await documents.lastArrival() };
  const checked = await store.read("checkedDocuments", {});
  const doubt = doubtOf(checked, state, damaged);
  if (doubt !== undefined && checked.hasHadParent) {
    if (doubt !== "never compared")
      log.warn({ doubt, damaged }, "what the document store has lost cannot be told: this root once had a parent");
  } else if (doubt !== undefined) {
    const messages = await nameAll(store, documents, doubt === "damaged" ? "corrupt" : "store-lost");
    if (messages > 0) log.error({ doubt, damaged, messages }, "what the document store has lost is named");
  }
  const { known } = checked;
  const isNews = known?.instance !== state.instance || known.arrival !== state.arrival;
  if (doubt !== undefined || isNews) await store.write("documentsChecked", { damaged, state });
}

/** Why the store may lack what it is said to have; undefined: it goes as far as the journal knows. */
function doubtOf(
  { damaged: checked, known }: DocumentsChecked,
  state: DocumentsState,
  damaged: string | undefined,
): Doubt | undefined {
  if (damaged !== undefined && damaged !== checked) return "damaged";
  if (known === undefined) return "never compared";
  if (known.instance !== state.instance) return "another store";
  return state.arrival < known.arrival ? "older than the journal" : undefined;
}

async function nameAll(
  store: DocumentCheckDeps["store"],
  documents: DocumentCheckDeps["documents"],
  reason: LossReason,
): Promise<number> {
  const accounts = await store.read("accounting", {});
  if (accounts.every(({ row }) => row.delivered === 0)) return 0;
  const stored = new Map<string, IntervalSet>();
  for await (const { origin, epoch, stream, ranges } of documents.holdings()) {
    stored.set(titleOf(origin, epoch, stream), ranges);
  }
  let messages = 0;
  for (const { row } of accounts) {
    const { origin, epoch, stream, streamId } = row;
    // Which documents are of this stream cannot be told without its name.
    if (stream === placeholderName(streamId)) continue;
    const ranges = stored.get(titleOf(origin, epoch, stream)) ?? [];
    messages += await store.write("nameUnstored", { origin, epoch, streamId, stored: ranges, reason });
  }
  return messages;
}

function titleOf(origin: string, epoch: number, stream: string): string {
  return `${origin} ${epoch} ${stream}`;
}
