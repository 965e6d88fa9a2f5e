// One subscriber of a flow: it counts what comes, and acknowledges all messages of a chunk in one write.
import { AckBatch } from "./ack-batch.ts";
import type { Flow } from "./flow.ts";
import { openMqttSocket, type MqttSocket } from "./mqtt-socket.ts";
import { ackByte, encodeSubscribe, packetIdStart, packetType, payloadStart, readUint16 } from "./packets.ts";
import { readStamp } from "./payload-stamp.ts";
import { monotonicMs } from "./process-usage.ts";
import { SequenceTally } from "./sequence-tally.ts";

export class FlowSubscriber {
  readonly tally = new SequenceTally();
  readonly #index: number;
  readonly #flow: Flow;
  readonly #acks = new AckBatch();
  readonly #subscribed = Promise.withResolvers<void>();
  /** Received in this chunk. */
  #received = 0;
  #nowMs = 0;
  #socket: MqttSocket | undefined;

  constructor(index: number, flow: Flow) {
    this.#index = index;
    this.#flow = flow;
  }

  /** Resolves when the broker has confirmed the subscription. */
  async connect(): Promise<MqttSocket> {
    const { connection, clientPrefix, topic, qos, protocol, order } = this.#flow;
    const socket = await openMqttSocket(
      connection.port,
      `${clientPrefix}-sub-${this.#index}`,
      {
        onPacket: (firstByte, bytes, bodyAt) => this.#onPacket(firstByte, bytes, bodyAt),
        onChunkEnd: () => this.#onChunkEnd(),
      },
      { ...connection, ...(order.receiveMaximum === undefined ? {} : { receiveMaximum: order.receiveMaximum }) },
    );
    this.#socket = socket;
    socket.write(encodeSubscribe(1, `${topic}/#`, qos, protocol));
    await Promise.race([this.#subscribed.promise, socket.lost]);
    if (order.isStalled === true) socket.stall();
    return socket;
  }

  #onPacket(firstByte: number, bytes: Uint8Array, bodyAt: number): void {
    switch (firstByte >> 4) {
      case packetType.publish:
        this.#onPublish(firstByte, bytes, bodyAt);
        break;
      case packetType.pubrel:
        this.#acks.add(ackByte.pubcomp, readUint16(bytes, bodyAt));
        break;
      case packetType.suback:
        this.#subscribed.resolve();
        break;
    }
  }

  #onPublish(firstByte: number, bytes: Uint8Array, bodyAt: number): void {
    const flow = this.#flow;
    const qos = (firstByte >> 1) & 3;
    if (qos > 0)
      this.#acks.add(qos === 1 ? ackByte.puback : ackByte.pubrec, readUint16(bytes, packetIdStart(bytes, bodyAt)));
    const { publisher, number, timeMs } = readStamp(bytes, payloadStart(firstByte, bytes, bodyAt, flow.protocol));
    this.tally.note(publisher, number);
    if (this.#received++ === 0) this.#nowMs = monotonicMs();
    if (flow.isMeasuring) flow.arrivalMs.add(this.#nowMs - timeMs);
  }

  #onChunkEnd(): void {
    const acks = this.#acks.take();
    if (acks !== undefined) this.#socket?.write(acks);
    if (this.#received === 0) return;
    const flow = this.#flow;
    flow.deliveries += this.#received;
    flow.rest.note(this.#received);
    if (flow.isMeasuring) flow.received += this.#received;
    this.#received = 0;
    if (flow.order.perSecond === undefined) flow.resume(this.#nowMs);
  }
}
