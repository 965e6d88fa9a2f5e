// Acknowledgements of one connection in the order of its publishes [MQTT-4.6.0-2], [MQTT-4.6.0-3]: one that waits holds up those behind it.
import type { FogbankError } from "#shared/errors.ts";
import type { StoreWaiter } from "#shared/system/bus.ts";
import type { Connection } from "./connection.ts";

/** How a publish of a client is answered. */
export type Outcome =
  | { readonly type: "accepted" }
  | { readonly type: "refused"; readonly reasonCode: number; readonly reason: string; readonly now: boolean };

const accepted: Outcome = { type: "accepted" };

export class PendingAcknowledgement implements StoreWaiter {
  readonly packetId: number;
  readonly qos: 0 | 1 | 2;
  readonly bytes: number;
  /** The connection that gets the answer: a newer one when the publish was repeated there. */
  connection: Connection;
  outcome: Outcome | undefined;
  /** Verdict, commits and receipts that must come first. */
  #waits = 1;
  #failure: Outcome | undefined;
  readonly #onFailed: (error: FogbankError) => Outcome;
  readonly #onDone: (acknowledgement: PendingAcknowledgement) => void;

  constructor(
    connection: Connection,
    packetId: number,
    qos: 0 | 1 | 2,
    bytes: number,
    onFailed: (error: FogbankError) => Outcome,
    onDone: (acknowledgement: PendingAcknowledgement) => void,
  ) {
    this.connection = connection;
    this.packetId = packetId;
    this.qos = qos;
    this.bytes = bytes;
    this.#onFailed = onFailed;
    this.#onDone = onDone;
  }

  /** One thing more must come first. */
  hold(): void {
    this.#waits++;
  }

  stored(error: FogbankError | null): void {
    if (error !== null) this.#failure ??= this.#onFailed(error);
    this.release();
  }

  /** One of the things that must come first has; a failure of any wins. */
  release(failure?: Outcome): void {
    this.#failure ??= failure;
    if (--this.#waits > 0) return;
    this.outcome = this.#failure ?? accepted;
    this.#onDone(this);
  }
}
