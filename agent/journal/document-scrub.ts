// Reads the document store again, slowly and for ever: what is not what was stored is named as corrupt in the ledger, and then removed.
// A crash in between finds it again, and names nothing twice.
import { missingFrom } from "#shared/journal/interval-set.ts";
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { DamagedBlock, DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";

export interface DocumentScrubDeps {
  readonly store: Pick<NodeStore, "read" | "write">;
  readonly documents: Pick<DocumentStore, "checkBlocks" | "discardBlock" | "onDamaged">;
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Logger;
}

/** Between two portions, of a MiB at most: 8 GiB a day. */
const pauseMs = 10_000;
const roundMs = 3_600_000;

/** Works until it is disposed. */
export function startDocumentScrub(deps: DocumentScrubDeps): AsyncDisposable {
  const stop = new AbortController();
  let pause = new AbortController();
  let isMet = false;
  const met = deps.documents.onDamaged(() => {
    isMet = true;
    pause.abort();
  });
  const working = run(deps, stop.signal, () => {
    pause = new AbortController();
    // While the last portion was looked at: there is no pause.
    if (isMet) pause.abort();
    isMet = false;
    return pause.signal;
  });
  return {
    async [Symbol.asyncDispose]() {
      met[Symbol.dispose]();
      stop.abort();
      pause.abort();
      await working;
    },
  };
}

/** `nextPause`: a signal that ends the pause which begins now. */
async function run(deps: DocumentScrubDeps, signal: AbortSignal, nextPause: () => AbortSignal): Promise<void> {
  const { documents, clock, log } = deps;
  let after = 0;
  let idleMs = 0;
  let isFailing = false;
  while (!signal.aborted) {
    await clock.sleep(pauseMs, nextPause()).catch(() => undefined);
    if (signal.aborted) return;
    try {
      // At the end it goes on with what readers meet, and begins anew after a while.
      const { damaged, next } = await documents.checkBlocks(after);
      for (const block of damaged) await giveUp(deps, block);
      idleMs = next === undefined ? idleMs + pauseMs : 0;
      if (next !== undefined) after = next;
      else if (idleMs >= roundMs) after = 0;
      isFailing = false;
    } catch (error) {
      if (!(error instanceof FogbankError)) throw error;
      if (!isFailing) log.warn({ reason: error.message }, "documents cannot be checked");
      isFailing = true;
    }
  }
}

async function giveUp({ store, documents, log }: DocumentScrubDeps, block: DamagedBlock): Promise<void> {
  const { origin, epoch, stream, first, items, arrival } = block;
  const accounts = await store.read("accounting", { origin });
  const found = accounts.find(({ row }) => row.epoch === epoch && row.stream === stream);
  // Of a stream that only the documents know nothing can be named: it stays, and is looked at again in the next round.
  if (found === undefined || found.row.high === 0 || found.row.streamId === 0) return;
  const stored = missingFrom([[first, first + items - 1]], 1, Number.MAX_SAFE_INTEGER);
  const { streamId } = found.row;
  const messages = await store.write("nameUnstored", { origin, epoch, streamId, stored, reason: "corrupt" });
  await documents.discardBlock(arrival);
  log.error({ origin, epoch, stream, first, items, messages }, "stored messages are damaged: they are named as lost");
}
