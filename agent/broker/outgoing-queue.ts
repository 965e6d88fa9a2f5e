// Messages on their way to one session at QoS 1 and 2, oldest first, until they are acknowledged.
import type { Qos } from "#shared/system/bus.ts";

/** A packet as aedes hands it over and wants it back. */
export interface QueuedPacket {
  /** `pubrel` stands for a QoS 2 message that the client has received and not completed yet. */
  readonly cmd: "publish" | "pubrel";
  readonly brokerId: string | undefined;
  /** Number of the publish within this broker: the identity of the message in the queue. */
  readonly brokerCounter: number;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** Packet identifier on the wire, once it was sent. */
  readonly messageId?: number | undefined;
}

/** Bytes that an entry costs beside its topic and payload. */
const entryBytes = 200;
const noPayload = new Uint8Array(0);

export class OutgoingQueue {
  readonly #packets = new Map<number, QueuedPacket>();
  readonly #counterByMessageId = new Map<number, number>();
  #bytes = 0;

  get size(): number {
    return this.#packets.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A snapshot, oldest first. */
  packets(): QueuedPacket[] {
    return [...this.#packets.values()];
  }

  push(packet: QueuedPacket): void {
    this.#remove(packet.brokerCounter);
    this.#packets.set(packet.brokerCounter, packet);
    this.#bytes += queueCostOf(packet);
  }

  dropOldest(): void {
    for (const counter of this.#packets.keys()) {
      this.#remove(counter);
      return;
    }
  }

  clear(): void {
    this.#packets.clear();
    this.#counterByMessageId.clear();
    this.#bytes = 0;
  }

  /** The message was sent under `messageId`. */
  assignId(counter: number, messageId: number): void {
    const packet = this.#packets.get(counter);
    if (packet === undefined) return;
    this.#forgetId(packet);
    this.#packets.set(counter, { ...packet, messageId });
    this.#counterByMessageId.set(messageId, counter);
  }

  /** The client has the QoS 2 message: only its release is left to be repeated. */
  release(messageId: number | undefined): void {
    const counter = messageId === undefined ? undefined : this.#counterByMessageId.get(messageId);
    const packet = counter === undefined ? undefined : this.#packets.get(counter);
    if (counter === undefined || packet === undefined) return;
    const release: QueuedPacket = { ...packet, cmd: "pubrel", payload: noPayload };
    this.#packets.set(counter, release);
    this.#bytes += queueCostOf(release) - queueCostOf(packet);
  }

  acknowledge(messageId: number | undefined): QueuedPacket | undefined {
    const counter = messageId === undefined ? undefined : this.#counterByMessageId.get(messageId);
    return counter === undefined ? undefined : this.#remove(counter);
  }

  #remove(counter: number): QueuedPacket | undefined {
    const packet = this.#packets.get(counter);
    if (packet === undefined) return undefined;
    this.#packets.delete(counter);
    this.#forgetId(packet);
    this.#bytes -= queueCostOf(packet);
    return packet;
  }

  #forgetId(packet: QueuedPacket): void {
    const { messageId } = packet;
    if (messageId === undefined || this.#counterByMessageId.get(messageId) !== packet.brokerCounter) return;
    this.#counterByMessageId.delete(messageId);
  }
}

/** Bytes that a kept packet counts for. */
export function queueCostOf(packet: QueuedPacket): number {
  return packet.payload.length + packet.topic.length + entryBytes;
}
