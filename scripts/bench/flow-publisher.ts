// One publisher of a flow: all messages that may leave at a time are one write.
import { AckBatch } from "./ack-batch.ts";
import type { Flow } from "./flow.ts";
import { openMqttSocket, type MqttSocket } from "./mqtt-socket.ts";
import { ackByte, encodePublish, packetType, readUint16, writeUint16 } from "./packets.ts";
import { PublishCycle } from "./publish-cycle.ts";
import { writeStamp } from "./payload-stamp.ts";
import { monotonicMs } from "./process-usage.ts";

const packetIds = 0xffff;
const nameDigits = 5;

/** Its packet identifiers are 1 to `outstanding`: each is used again when it is acknowledged. */
export class FlowPublisher {
  readonly #index: number;
  readonly #flow: Flow;
  readonly #cycle: PublishCycle;
  readonly #sentAtMs: Float64Array;
  /** Identifiers that wait for a message: the first `#freeCount` of it. */
  readonly #free: Uint16Array;
  #freeCount: number;
  /** Acknowledged in this chunk. */
  #acked = 0;
  #nowMs = 0;
  #isWaiting = false;
  #number = 0;
  readonly #releases = new AckBatch();
  #socket: MqttSocket | undefined;

  constructor(index: number, flow: Flow) {
    const { outstanding, payloadBytes, topics = 1 } = flow.order;
    this.#index = index;
    this.#flow = flow;
    const payload = new Uint8Array(payloadBytes).fill(120);
    const name = `${flow.topic}/${String(index).padStart(nameDigits, "0")}`;
    const options = { ...flow.connection, qos: flow.qos };
    const images = Array.from({ length: topics }, (_, i) =>
      encodePublish(topics === 1 ? name : `${name}/${String(i).padStart(nameDigits, "0")}`, payload, options),
    );
    this.#cycle = new PublishCycle(images);
    this.#freeCount = Math.min(outstanding, packetIds);
    this.#sentAtMs = new Float64Array(this.#freeCount + 1);
    this.#free = Uint16Array.from({ length: this.#freeCount }, (_, i) => i + 1);
  }

  async connect(): Promise<MqttSocket> {
    const { connection, clientPrefix } = this.#flow;
    this.#socket = await openMqttSocket(
      connection.port,
      `${clientPrefix}-${this.#index}`,
      {
        onPacket: (firstByte, bytes, bodyAt) => this.#onPacket(firstByte >> 4, bytes, bodyAt),
        onChunkEnd: () => this.#onChunkEnd(),
      },
      connection,
    );
    return this.#socket;
  }

  /** Sends what its window and the flow allow; the rest waits. */
  pump(nowMs: number): void {
    this.resume(Number.POSITIVE_INFINITY, nowMs);
  }

  /** The same, but at most `max` now. */
  resume(max: number, nowMs: number): void {
    this.#isWaiting = false;
    this.send(Math.min(max, this.#flow.room()), nowMs);
    if (this.#freeCount === 0 && this.#flow.qos > 0) return;
    this.#isWaiting = true;
    this.#flow.wait(this);
  }

  /** At most `max` messages in one write. Answers how many. */
  send(max: number, nowMs: number): number {
    const { qos, order } = this.#flow;
    const count = Math.min(max, qos === 0 ? order.outstanding : this.#freeCount);
    if (count <= 0) return 0;
    const { packetBytes, packetIdAt, payloadAt } = this.#cycle;
    const packets = Buffer.allocUnsafe(count * packetBytes);
    this.#cycle.copyTo(packets);
    for (let at = 0; at < packets.length; at += packetBytes) {
      if (qos > 0) {
        const id = this.#free[--this.#freeCount] ?? 0;
        writeUint16(packets, at + packetIdAt, id);
        this.#sentAtMs[id] = nowMs;
      }
      writeStamp(packets, at + payloadAt, this.#index, this.#number++, nowMs);
    }
    this.#flow.sent += count;
    this.#socket?.write(packets);
    return count;
  }

  #onPacket(type: number, bytes: Uint8Array, bodyAt: number): void {
    const id = readUint16(bytes, bodyAt);
    if (type === packetType.pubrec) this.#releases.add(ackByte.pubrel, id);
    if (type !== packetType.puback && type !== packetType.pubcomp) return;
    if (this.#acked++ === 0) this.#nowMs = monotonicMs();
    if (this.#flow.isMeasuring) this.#flow.ackMs.add(this.#nowMs - (this.#sentAtMs[id] ?? 0));
    this.#free[this.#freeCount++] = id;
  }

  #onChunkEnd(): void {
    const releases = this.#releases.take();
    if (releases !== undefined) this.#socket?.write(releases);
    if (this.#acked === 0) return;
    const flow = this.#flow;
    flow.acked += this.#acked;
    flow.ackedAtMs = this.#nowMs;
    flow.rest.note(this.#acked);
    if (flow.isMeasuring) flow.measured += this.#acked;
    this.#acked = 0;
    if (!this.#isWaiting && flow.order.perSecond === undefined) this.pump(this.#nowMs);
  }
}
