// What was open when the node stopped, read from its store.
import { bytesOfCallId } from "#shared/machine/call-id.ts";
import { decodeRecord, type MessageRecord } from "#shared/machine/message-record.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";

export interface StoredMessage {
  readonly record: MessageRecord;
  /** What it takes in the store. */
  readonly bytes: number;
}

/** All that can be read. A row that cannot is logged, and goes: nobody would ever end it. */
export async function storedMessages(
  store: Pick<NodeStore, "read" | "write">,
  log: Logger,
): Promise<readonly StoredMessage[]> {
  const messages: StoredMessage[] = [];
  let after: Uint8Array = new Uint8Array(0);
  for (;;) {
    const rows = await store.read("openMessages", { after });
    if (rows.length === 0) return messages;
    for (const { id, body } of rows) {
      after = Uint8Array.from(id);
      const record = decodeRecord(Uint8Array.from(body));
      if (record !== undefined && isSame(after, bytesOfCallId(record.envelope.id))) {
        messages.push({ record, bytes: body.length });
        continue;
      }
      log.error({ bytes: body.length }, "an open call in the store cannot be read: it is dropped");
      await store.write("dropMessage", { id: after }, "lazy");
    }
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
