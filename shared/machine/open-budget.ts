// What may be open at one node, and what of it may be kept on disk: whoever goes beyond is refused with the reason.
import { limits } from "../limits.ts";
import type { Effect } from "./effect.ts";
import { isEvent, type Envelope } from "./envelope.ts";
import { encodeRecord } from "./message-record.ts";
import type { OpenMessage } from "./open-message.ts";

export class OpenBudget {
  /** Bytes that open messages may take in the store. */
  readonly #keptBytesMax: number;
  #openCalls = 0;
  #openEvents = 0;
  #bareCancels = 0;
  #keptBytes = 0;

  constructor(keptBytesMax: number) {
    this.#keptBytesMax = keptBytesMax;
  }

  get open(): number {
    return this.#openCalls + this.#openEvents;
  }

  /** Why nothing more of that kind is followed. */
  tooMany(envelope: Envelope): string | undefined {
    if (envelope.kind === "cancel") {
      const isFull = this.#bareCancels >= limits.bareCancels;
      return isFull ? `this node looks for ${limits.bareCancels} calls that are called off already` : undefined;
    }
    const [open, what] = isEvent(envelope) ? [this.#openEvents, "events"] : [this.#openCalls, "calls"];
    return open < limits.openCalls ? undefined : `this node follows ${limits.openCalls} ${what} already`;
  }

  /** Why nothing more is kept. */
  tooMuch(): string | undefined {
    if (this.#keptBytes < this.#keptBytesMax) return undefined;
    return `the calls and events that wait here take ${this.#keptBytes} bytes already`;
  }

  /** One more is open, or one less. */
  count({ envelope }: OpenMessage, by: 1 | -1): void {
    if (envelope.kind === "cancel") this.#bareCancels += by;
    else if (isEvent(envelope)) this.#openEvents += by;
    else this.#openCalls += by;
  }

  keep(message: OpenMessage): Effect {
    const { envelope, caller, cancelled, id } = message;
    const body = encodeRecord({ envelope, caller, cancelled });
    message.kept = "asked";
    this.#weigh(message, body.length);
    return { type: "keep", id, deadlineMs: envelope.deadlineMs, body };
  }

  /** Its row has been on disk since an earlier life. */
  isKept(message: OpenMessage, bytes: number): void {
    message.kept = "yes";
    this.#weigh(message, bytes);
  }

  drop(message: OpenMessage): Effect {
    this.release(message);
    message.kept = "no";
    return { type: "drop", id: message.id };
  }

  release(message: OpenMessage): void {
    this.#weigh(message, 0);
  }

  #weigh(message: OpenMessage, bytes: number): void {
    this.#keptBytes += bytes - message.keptBytes;
    message.keptBytes = bytes;
  }
}
