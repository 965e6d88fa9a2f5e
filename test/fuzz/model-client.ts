// A client that keeps its part of the protocol, also across connections: it confirms what it gets, knows a QoS 2 message again, and
// remembers everything in order.
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { generate, parser, type Packet } from "mqtt-packet";
import type { Qos } from "#shared/system/bus.ts";

export class ModelClient {
  readonly clientId: string;
  readonly #port: number;
  #socket: Socket | undefined;
  #answers = new Map<string, () => void>();
  #ended: (() => void) | undefined;
  /** QoS 2 messages that were received and not released. */
  readonly #unreleased = new Set<number>();
  #lastId = 0;
  /** Payloads in order of their arrival; a repeated one stands there again, unless it is known by its identifier. */
  readonly received: string[] = [];
  /** Payloads of its own that the broker has confirmed. */
  readonly confirmed = new Set<string>();
  readonly #waiting = new Map<number, string>();
  onReceived: () => void = () => {};
  /** What it will confirm when it speaks again; undefined: it confirms at once. */
  #held: Packet[] | undefined;

  constructor(port: number, clientId: string) {
    this.#port = port;
    this.clientId = clientId;
  }

  get isConnected(): boolean {
    return this.#socket !== undefined;
  }

  async connect(clean: boolean): Promise<void> {
    const socket = connectTcp({ port: this.#port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    socket.on("error", () => {});
    const one = parser({ protocolVersion: 4 });
    one.on("packet", (packet) => {
      if (this.#socket === socket) this.#take(packet);
    });
    socket.on("data", (bytes: Buffer) => void one.parse(bytes));
    socket.on("close", () => this.#ended?.());
    this.#socket = socket;
    this.#waiting.clear();
    this.#held = undefined;
    if (clean) this.#unreleased.clear();
    await this.#ask({ cmd: "connect", clientId: this.clientId, clean, keepalive: 0 }, "connack");
  }

  async subscribe(filter: string, qos: Qos): Promise<void> {
    const messageId = this.#nextId();
    await this.#ask({ cmd: "subscribe", messageId, subscriptions: [{ topic: filter, qos }] }, `suback ${messageId}`);
  }

  async unsubscribe(filter: string): Promise<void> {
    const messageId = this.#nextId();
    await this.#ask({ cmd: "unsubscribe", messageId, unsubscriptions: [filter] }, `unsuback ${messageId}`);
  }

  /** Does not wait for the answer. */
  publish(topic: string, payload: string, qos: Qos): void {
    const messageId = qos > 0 ? this.#nextId() : undefined;
    if (messageId !== undefined) this.#waiting.set(messageId, payload);
    this.#send({
      cmd: "publish",
      topic,
      payload,
      qos,
      dup: false,
      retain: false,
      ...(messageId !== undefined && { messageId }),
    });
  }

  /** Everything sent before has been handled by then. */
  ping(): Promise<void> {
    return this.#ask({ cmd: "pingreq" }, "pingresp");
  }

  /** Confirms nothing from here on. */
  hush(): void {
    this.#held ??= [];
  }

  speak(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const packet of held) this.#send(packet);
  }

  #confirm(packet: Packet): void {
    if (this.#held === undefined) this.#send(packet);
    else this.#held.push(packet);
  }

  /** DISCONNECT; the broker has closed the connection by then. */
  async disconnect(): Promise<void> {
    const ended = new Promise<void>((resolve) => (this.#ended = resolve));
    this.#send({ cmd: "disconnect" });
    await ended;
    this.#socket = undefined;
  }

  /** Breaks the connection, with RST. */
  drop(): void {
    this.#socket?.resetAndDestroy();
    this.#socket = undefined;
  }

  #take(packet: Packet): void {
    const { messageId = 0 } = packet;
    switch (packet.cmd) {
      case "publish":
        this.#publish(packet.qos, messageId, String(packet.payload));
        return;
      case "pubrel":
        this.#unreleased.delete(messageId);
        this.#confirm({ cmd: "pubcomp", messageId });
        return;
      case "puback":
      case "pubrec":
        this.confirmed.add(this.#waiting.get(messageId) ?? "unknown");
        if (packet.cmd === "pubrec") this.#send({ cmd: "pubrel", messageId });
        return;
      case "connack":
      case "pingresp":
        this.#answer(packet.cmd);
        return;
      default:
        this.#answer(`${packet.cmd} ${messageId}`);
    }
  }

  #publish(qos: Qos, messageId: number, payload: string): void {
    const isRepeated = qos === 2 && this.#unreleased.has(messageId);
    if (!isRepeated) this.received.push(payload);
    if (qos === 1) this.#confirm({ cmd: "puback", messageId });
    if (qos === 2) {
      this.#unreleased.add(messageId);
      this.#confirm({ cmd: "pubrec", messageId });
    }
    this.onReceived();
  }

  #ask(packet: Packet, answer: string): Promise<void> {
    const answered = new Promise<void>((resolve) => void this.#answers.set(answer, resolve));
    this.#send(packet);
    return answered;
  }

  #answer(name: string): void {
    this.#answers.get(name)?.();
    this.#answers.delete(name);
  }

  #send(packet: Packet): void {
    this.#socket?.write(generate(packet));
  }

  #nextId(): number {
    return ++this.#lastId;
  }
}
