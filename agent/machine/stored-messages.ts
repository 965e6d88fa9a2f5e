// What was open when the node stopped, read from its store.
import { limits } from "#shared/limits.ts";
import { bytesOfCallId } from "#shared/machine/call-id.ts";
import { decodeRecord, type MessageRecord } from "#shared/machine/message-record.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { NodeStore } from "../store/node-store.ts";

export interface RestoredMessagesDeps {
  readonly store: Pick<NodeStore, "read" | "write">;
  readonly clock: Pick<Clock, "sleep">;
  /** Whether tree time stems from a root. */
  readonly isSynced: () => boolean;
  readonly log: Logger;
}

/** Deadlines are in tree time: what was open waits for it, but not for ever. */
export class RestoredMessages {
  readonly #deps: RestoredMessagesDeps;
  readonly #goOn: (message: StoredMessage) => void;
  #waiting: readonly StoredMessage[] = [];

  /** `goOn` hears of each message once. */
  constructor(deps: RestoredMessagesDeps, goOn: (message: StoredMessage) => void) {
    this.#deps = deps;
    this.#goOn = goOn;
  }

  async read(): Promise<void> {
    this.#waiting = await storedMessages(this.#deps.store, this.#deps.log);
    this.look();
  }

  /** The time may be known now. */
  look(): void {
    if (this.#deps.isSynced()) this.#end();
  }

  /** Without a parent the clock of this machine has to do. Resolves when nothing waits any more, or `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.length === 0) return;
    await this.#deps.clock.sleep(limits.syncAwaitedMs, signal).catch(() => undefined);
    if (!signal.aborted) this.#end();
  }

  #end(): void {
    const messages = this.#waiting;
    this.#waiting = [];
    for (const message of messages) this.#goOn(message);
  }
}

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
