// What a client knows of the messages that came to it at QoS 1 and 2, across connections, and what the broker may not do with their
// packet identifiers. Pure.
import type { FaultLog } from "./fault-log.ts";

interface Known {
  readonly key: string;
  readonly at: number;
  /** Not answered for good: PUBACK or PUBCOMP has not gone out. */
  isOpen: boolean;
}

export interface Arrival {
  readonly packetId: number;
  /** What tells messages apart. */
  readonly key: string;
  readonly qos: 1 | 2;
  readonly dup: boolean;
}

/** Identifiers come round after 65 535 messages: what is further back than this says nothing about the present. */
const horizon = 32_768;

export class IncomingState {
  readonly #owner: string;
  readonly #faults: FaultLog;
  readonly #known = new Map<number, Known>();
  /** QoS 2: received, PUBREL awaited. */
  readonly #received = new Set<number>();
  #arrivals = 0;

  constructor(owner: string, faults: FaultLog) {
    this.#owner = owner;
    this.#faults = faults;
  }

  /** A PUBLISH has come. False: at QoS 2 it is here already [MQTT-4.3.3-10]. */
  take({ packetId, key, qos, dup }: Arrival): boolean {
    this.#check({ packetId, key, qos, dup });
    this.#known.set(packetId, { key, at: ++this.#arrivals, isOpen: true });
    if (qos === 1) return true;
    if (this.#received.has(packetId)) return false;
    this.#received.add(packetId);
    return true;
  }

  /** PUBACK goes out. */
  acknowledged(packetId: number): void {
    const known = this.#known.get(packetId);
    if (known !== undefined) known.isOpen = false;
  }

  /** PUBREL has come; PUBCOMP goes out. False: nothing waited for it. */
  release(packetId: number): boolean {
    const known = this.#known.get(packetId);
    if (known === undefined) this.#faults.add("PUBREL for what never came", `${this.#owner} ${packetId}`);
    else known.isOpen = false;
    return this.#received.delete(packetId);
  }

  /** A new session. */
  reset(): void {
    this.#known.clear();
    this.#received.clear();
  }

  #check({ packetId, key, qos, dup }: Arrival): void {
    const known = this.#known.get(packetId);
    if (known === undefined || this.#arrivals - known.at > horizon) return;
    const example = `${this.#owner}: ${key} as ${packetId} at QoS ${qos}`;
    if (known.key === key) {
      if (!dup) this.#faults.add("redelivered without DUP [MQTT-3.3.1-1]", example);
    } else if (known.isOpen)
      this.#faults.add("a packet identifier given twice [MQTT-2.2.1-4]", `${example}, in use for ${known.key}`);
    else if (dup) this.#faults.add("DUP on another message than before", `${example}, which was ${known.key}`);
  }
}
