// A node starts without the server that its documents are at: it goes on by what its own database knows of them, and looks later.
import { FogbankError } from "#shared/errors.ts";
import type { DocumentStore } from "#shared/system/document-store.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";

/**
 * The highest arrival that is stored; of a server that is away, as far as this database knows. One that has never met it cannot number
 * what comes behind what is there: then it rejects with FOGBANK_STORE_AWAY.
 */
export async function lastArrivalOf(
  documents: Pick<DocumentStore, "lastArrival">,
  store: Pick<NodeStore, "read">,
): Promise<number> {
  try {
    return await documents.lastArrival();
  } catch (error) {
    const { known } = await store.read("checkedDocuments", {});
    if (known === undefined || !isAway(error)) throw error;
    return known.arrival;
  }
}

/** Of what is done again when the server is there; any other error is thrown on. */
export function unlessAway(log: Logger): (error: unknown) => void {
  return (error) => {
    if (!isAway(error)) throw error;
    log.warn({ error: String(error) }, "the document store cannot be reached: the journal holds what comes");
  };
}

function isAway(error: unknown): boolean {
  return error instanceof FogbankError && error.code === "FOGBANK_STORE_AWAY";
}
