// Publishers and subscribers of one kind of message, and what bounds the messages on their way.
//
//   publisher --may it send?--> flow --room--> it sends; the rest of it waits here until subscribers have received more
import { benchTopic, type FlowOrder, type FlowReport, type LoadOrder } from "./generator-protocol.ts";
import { FlowPublisher } from "./flow-publisher.ts";
import { FlowSubscriber } from "./flow-subscriber.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import type { MqttSocket } from "./mqtt-socket.ts";
import type { ProtocolVersion, Qos } from "./packets.ts";
import type { TurnRest } from "./turn-rest.ts";

export type FlowConnection = Pick<LoadOrder, "port" | "protocol" | "userPropertyBytes" | "user">;

const connectAtOnce = 100;

export class Flow {
  readonly topic: string;
  readonly qos: Qos;
  readonly protocol: ProtocolVersion;
  readonly order: FlowOrder;
  readonly connection: FlowConnection;
  readonly clientPrefix: string;
  readonly rest: TurnRest;
  /** Messages that may be sent in all. */
  messagesMax = Number.POSITIVE_INFINITY;
  sent = 0;
  acked = 0;
  /** When the last acknowledgement came. */
  ackedAtMs = Number.NaN;
  /** Of all subscribers together. */
  deliveries = 0;
  isMeasuring = false;
  measured = 0;
  received = 0;
  readonly ackMs = new LatencyHistogram();
  readonly arrivalMs = new LatencyHistogram();
  readonly #backlogMax: number;
  /** How many subscribers must receive each message before it counts as arrived; 0 when nobody looks. */
  readonly #readers: number;
  readonly #publishers: readonly FlowPublisher[];
  readonly #subscribers: readonly FlowSubscriber[];
  /** Publishers that could send more than there was room for. */
  readonly #waiting: FlowPublisher[] = [];
  #sockets: readonly MqttSocket[] = [];

  constructor(order: FlowOrder, connection: FlowConnection, clientPrefix: string, rest: TurnRest) {
    const { topic = benchTopic, qos = 1, subscribers = 0, publishers, firstPublisher = 0, outstanding } = order;
    this.order = order;
    this.connection = connection;
    this.clientPrefix = clientPrefix;
    this.rest = rest;
    this.topic = topic;
    this.qos = qos;
    this.protocol = connection.protocol ?? 4;
    this.#readers = order.isStalled === true ? 0 : subscribers;
    if (qos === 0 && this.#readers === 0) throw new Error("nothing bounds messages of QoS 0 that nobody receives");
    this.#backlogMax = order.backlogMax ?? (qos === 0 ? 1 : 2) * publishers * outstanding;
    this.#publishers = Array.from({ length: publishers }, (_, i) => new FlowPublisher(firstPublisher + i, this));
    this.#subscribers = Array.from({ length: subscribers }, (_, i) => new FlowSubscriber(i, this));
  }

  /** Resolves when all are connected and subscribed. */
  async connect(): Promise<void> {
    const all = [...this.#subscribers, ...this.#publishers];
    for (let at = 0; at < all.length; at += connectAtOnce) {
      const some = await Promise.all(all.slice(at, at + connectAtOnce).map((client) => client.connect()));
      this.#sockets = [...this.#sockets, ...some];
    }
  }

  /** Rejects when a connection is lost, but for that of a stalled subscriber: a broker may have enough of it. */
  lost(): Promise<never> {
    const counted = this.order.isStalled === true ? this.#sockets.slice(this.#subscribers.length) : this.#sockets;
    return Promise.race(counted.map((socket) => socket.lost));
  }

  start(nowMs: number): void {
    for (const publisher of this.#publishers) publisher.pump(nowMs);
  }

  /** For a paced flow: one message of each publisher in turn, until `total` are sent or a window is full. */
  sendUpTo(total: number, nowMs: number): void {
    while (this.sent < Math.min(total, this.messagesMax)) {
      if (this.#publishers[this.sent % this.#publishers.length]?.send(1, nowMs) !== 1) return;
    }
  }

  /** How many more may be sent now. */
  room(): number {
    const unread = this.#readers === 0 ? 0 : this.sent - Math.floor(this.deliveries / this.#readers);
    const backlogRoom = this.#readers === 0 ? Number.POSITIVE_INFINITY : this.#backlogMax - unread;
    return Math.max(0, Math.min(this.messagesMax - this.sent, backlogRoom));
  }

  /** `publisher` goes on when there is room. */
  wait(publisher: FlowPublisher): void {
    this.#waiting.push(publisher);
  }

  /** Subscribers have received more. */
  resume(nowMs: number): void {
    for (let left = this.#waiting.length, room = this.room(); left > 0 && room > 0; left--, room = this.room()) {
      const publisher = this.#waiting.shift();
      publisher?.resume(Math.max(Math.ceil(room / left), Math.ceil(this.order.outstanding / 2)), nowMs);
    }
  }

  /** Nothing more is sent from now on. */
  endMeasure(): void {
    this.isMeasuring = false;
    this.messagesMax = this.sent;
  }

  /** Whether everything that was sent is acknowledged and received. */
  isDrained(): boolean {
    if (this.order.isStalled === true) return true;
    return (this.qos === 0 || this.acked >= this.sent) && this.deliveries >= this.sent * this.#readers;
  }

  /** What is on its way will not come any more: the loop goes on without it. */
  forgiveLost(nowMs: number): void {
    if (this.#readers === 0) return;
    this.deliveries = Math.max(this.deliveries, this.sent * this.#readers);
    this.resume(nowMs);
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  report(measuredMs: number): FlowReport {
    const readers = this.order.isStalled === true ? [] : this.#subscribers;
    const sum = (of: (subscriber: FlowSubscriber) => number): number =>
      readers.reduce((total, reader) => total + of(reader), 0);
    return {
      published: this.qos === 0 ? this.sent : this.acked,
      measured: this.measured,
      measuredMs,
      ackMs: this.ackMs.latency(),
      received: this.received,
      arrivalMs: this.arrivalMs.latency(),
      lost: sum(({ tally }) => tally.lostOf(this.sent)),
      duplicates: sum(({ tally }) => tally.duplicates),
      overtaken: sum(({ tally }) => tally.overtaken),
      gaps: sum(({ tally }) => tally.gaps),
    };
  }
}
