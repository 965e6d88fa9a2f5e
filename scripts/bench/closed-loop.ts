// The load of the generator: publishers that send the next message when one is acknowledged.
import { setTimeout as sleep } from "node:timers/promises";
import { openMqttSocket, type MqttSocket } from "./mqtt-socket.ts";
import { benchTopic, type LoadOrder, type LoadReport } from "./generator-protocol.ts";
import { encodePublish, packetType, readUint16, writeUint16, type PublishImage } from "./packets.ts";
import { writeStamp } from "./payload-stamp.ts";
import { Samples } from "./percentiles.ts";
import { monotonicMs, startCpuMeter } from "./process-usage.ts";

/** What all publishers of one load share. */
interface Load {
  /** Messages that may be sent in all. */
  messagesMax: number;
  sent: number;
  acked: number;
  /** Whether acknowledgements count now. */
  isMeasuring: boolean;
  readonly ackMs: Samples;
  /** Everything sent is acknowledged, and nothing more will be sent. */
  onDone(): void;
}

export async function runClosedLoop(order: LoadOrder): Promise<LoadReport> {
  const { until, pids } = order;
  const done = Promise.withResolvers<void>();
  const isCounted = "messages" in until;
  const load: Load = {
    messagesMax: isCounted ? until.messages : Number.POSITIVE_INFINITY,
    sent: 0,
    acked: 0,
    isMeasuring: isCounted,
    ackMs: new Samples(),
    onDone: done.resolve,
  };
  const publishers = Array.from({ length: order.publishers }, (_, i) => new Publisher(i, order, load));
  const sockets = await Promise.all(publishers.map((publisher) => publisher.connect(order.port)));
  const lost = Promise.race(sockets.map((socket) => socket.lost));
  const firstAtMs = monotonicMs();
  for (const publisher of publishers) publisher.start();
  if (!isCounted) await Promise.race([sleep(until.warmUpMs), lost]);
  const meter = startCpuMeter([...pids, process.pid]);
  const startMs = monotonicMs();
  load.isMeasuring = true;
  await Promise.race([isCounted ? done.promise : sleep(until.measureMs), lost]);
  const measuredMs = monotonicMs() - startMs;
  const cpu = meter();
  load.isMeasuring = false;
  load.messagesMax = load.sent;
  if (load.acked < load.sent) await Promise.race([done.promise, lost]);
  const lastAtMs = monotonicMs();
  for (const socket of sockets) socket.close();
  return {
    published: load.acked,
    measured: load.ackMs.count,
    measuredMs,
    ackMs: load.ackMs.latency(),
    cpu: cpu.slice(0, pids.length),
    generatorCpu: cpu.at(-1) ?? Number.NaN,
    firstAtMs,
    lastAtMs,
  };
}

/** Its packet identifiers are 1 to `outstanding`: each is used again when it is acknowledged. */
class Publisher {
  readonly #index: number;
  readonly #outstanding: number;
  readonly #load: Load;
  readonly #image: PublishImage;
  readonly #sentAtMs: Float64Array;
  /** Identifiers that wait for a message. */
  #free: number[] = [];
  #number = 0;
  #socket: MqttSocket | undefined;

  constructor(index: number, { outstanding, payloadBytes }: LoadOrder, load: Load) {
    this.#index = index;
    this.#outstanding = outstanding;
    this.#load = load;
    this.#image = encodePublish(`${benchTopic}/${index}`, new Uint8Array(payloadBytes).fill(120));
    this.#sentAtMs = new Float64Array(outstanding + 1);
  }

  async connect(port: number): Promise<MqttSocket> {
    this.#socket = await openMqttSocket(port, `bench-${this.#index}`, {
      onPacket: (firstByte, bytes, bodyAt) => {
        if (firstByte >> 4 === packetType.puback) this.#free.push(readUint16(bytes, bodyAt));
      },
      onChunkEnd: () => this.#acknowledged(),
    });
    return this.#socket;
  }

  start(): void {
    this.#free = Array.from({ length: this.#outstanding }, (_, i) => i + 1);
    this.#send(monotonicMs());
  }

  #acknowledged(): void {
    const load = this.#load;
    const nowMs = monotonicMs();
    load.acked += this.#free.length;
    if (load.isMeasuring) for (const id of this.#free) load.ackMs.add(nowMs - (this.#sentAtMs[id] ?? 0));
    this.#send(nowMs);
    if (load.acked === load.sent && load.sent >= load.messagesMax) load.onDone();
  }

  /** All that may be sent now, in one write. Identifiers that find no message are not needed again. */
  #send(nowMs: number): void {
    const { bytes, packetIdAt, payloadAt } = this.#image;
    const load = this.#load;
    const count = Math.min(this.#free.length, load.messagesMax - load.sent);
    const packets = Buffer.allocUnsafe(Math.max(0, count) * bytes.length);
    for (let i = 0; i < count; i++) {
      const id = this.#free[i] ?? 0;
      const at = i * bytes.length;
      packets.set(bytes, at);
      writeUint16(packets, at + packetIdAt, id);
      writeStamp(packets, at + payloadAt, this.#index, this.#number++, nowMs);
      this.#sentAtMs[id] = nowMs;
    }
    load.sent += Math.max(0, count);
    this.#free = [];
    if (packets.length > 0) this.#socket?.write(packets);
  }
}
