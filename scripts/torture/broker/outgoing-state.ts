// What a client has published and not brought to its end: kept across connections, with packet identifiers, in the order of sending.
// Pure.
import type { FaultLog } from "./fault-log.ts";
import type { Publication } from "./record.ts";

export interface Outgoing {
  readonly packetId: number;
  readonly publication: Publication;
  readonly qos: 1 | 2;
  /** PUBREC has come: PUBREL is sent, and sent again. */
  isReleased: boolean;
}

export class OutgoingState {
  readonly #owner: string;
  readonly #faults: FaultLog;
  readonly #byId = new Map<number, Outgoing>();
  /** Packet identifiers whose first answer is awaited on this connection, in the order of their PUBLISH. */
  #awaited: number[] = [];
  #lastId = 0;

  constructor(owner: string, faults: FaultLog) {
    this.#owner = owner;
    this.#faults = faults;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Gives the message a packet identifier that is free. */
  begin(publication: Publication, qos: 1 | 2): Outgoing {
    do this.#lastId = (this.#lastId % 65_535) + 1;
    while (this.#byId.has(this.#lastId));
    const outgoing: Outgoing = { packetId: this.#lastId, publication, qos, isReleased: false };
    this.#byId.set(this.#lastId, outgoing);
    return outgoing;
  }

  sent(packetId: number): void {
    this.#awaited.push(packetId);
  }

  /** A connection begins: what is to be sent again on it, in order [MQTT-4.4.0-1], [MQTT-4.6.0-1]. */
  resumed(): readonly Outgoing[] {
    this.#awaited = [];
    return [...this.#byId.values()];
  }

  /** PUBACK. Undefined: nothing waited for it. */
  acknowledge(packetId: number): Outgoing | undefined {
    const outgoing = this.#answered(packetId, 1, "PUBACK");
    if (outgoing !== undefined) this.#byId.delete(packetId);
    return outgoing;
  }

  /** PUBREC, the first one for that message. */
  receive(packetId: number): Outgoing | undefined {
    if (this.#byId.get(packetId)?.isReleased === true) return undefined; // again: PUBREL goes out again
    const outgoing = this.#answered(packetId, 2, "PUBREC");
    if (outgoing !== undefined) outgoing.isReleased = true;
    return outgoing;
  }

  /** PUBCOMP. */
  complete(packetId: number): void {
    if (this.#byId.get(packetId)?.isReleased !== true)
      this.#faults.add("PUBCOMP without PUBREL", `${this.#owner} ${packetId}`);
    else this.#byId.delete(packetId);
  }

  /** The session is lost. */
  reset(): void {
    this.#byId.clear();
    this.#awaited = [];
  }

  /** The answers to PUBLISH come in its order [MQTT-4.6.0-2], [MQTT-4.6.0-3]. */
  #answered(packetId: number, qos: 1 | 2, what: string): Outgoing | undefined {
    const outgoing = this.#byId.get(packetId);
    const at = this.#awaited.indexOf(packetId);
    if (outgoing === undefined || outgoing.qos !== qos || at < 0) {
      this.#faults.add(`${what} for what was not sent`, `${this.#owner} ${packetId}`);
      return undefined;
    }
    if (at > 0)
      this.#faults.add(
        "acknowledged out of order [MQTT-4.6.0-2]",
        `${this.#owner} ${packetId} before ${this.#awaited[0]}`,
      );
    this.#awaited.splice(at, 1);
    return outgoing;
  }
}
