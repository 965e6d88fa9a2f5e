// A database does not shrink: a limit below the size of the file is not kept, and whoever has set it should hear of it.
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";

/** `maxBytes`: the limit that was asked for, in bytes. */
export async function checkLimit(
  { store, log }: { readonly store: Pick<NodeStore, "read">; readonly log: Pick<Logger, "warn"> },
  maxBytes: number,
): Promise<void> {
  const usage = await store.read("usage", {});
  if (usage.maxBytes <= maxBytes) return;
  log.warn(
    { limitBytes: maxBytes, fileBytes: usage.maxBytes },
    "journal.max-bytes is below the size of the database, which does not shrink: its size is the limit",
  );
}
