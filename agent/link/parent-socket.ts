// A socket to the parent's broker, as a client of MQTT 3.1.1 that publishes and hears at QoS 0. Nothing is queued, kept or dialled
// again here: that is the link's.
import type { Socket } from "node:net";
import {
  encodeConnect,
  encodePublishHead,
  encodeSubscribe,
  goodbye,
  pingRequest,
  readConnack,
  readSuback,
} from "#shared/mqtt/client-packets.ts";
import { Framer } from "#shared/mqtt/framer.ts";
import { decodeText, protocolError } from "#shared/mqtt/packet-reader.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { PublishView } from "#shared/mqtt/publish-packet.ts";
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { DialOptions, ParentConnection } from "./parent-connection.ts";

/** What is already written may still leave for this long. */
const flushMs = 500;
const keepaliveMs = limits.keepaliveSeconds * 1000;
/** A parent that is silent for longer than it may be (MQTT 3.1.1, section 3.1.2.10) has gone. */
const silenceMsMax = 1.5 * keepaliveMs;
const subscribePacketId = 1;

/** Types of packets, from the upper half of their first byte. */
const connack = 2;
const publish = 3;
const suback = 9;
const pingResponse = 13;

/** The CONNACK's return code, when it is a refusal. */
export class Refused extends Error {
  readonly returnCode: number;

  constructor(returnCode: number) {
    super(`the parent refused the connection with code ${returnCode}`);
    this.returnCode = returnCode;
  }
}

export class ParentSocket implements ParentConnection {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #options: DialOptions;
  readonly #framer = new Framer(limits.packetBytes, (...packet) => this.#onPacket(...packet));
  readonly #view = new PublishView();
  readonly #ended = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  #awaited: typeof connack | typeof suback | undefined = connack;
  #isClosed = false;
  #isFailed = false;
  #reason = "the parent closed the connection";
  #sentMs: number;
  #heardMs: number;

  /** `socket` is connected, and secured if it is to be. */
  constructor(clock: Clock, socket: Socket, options: DialOptions) {
    this.#clock = clock;
    this.#socket = socket;
    this.#options = options;
    this.#sentMs = this.#heardMs = clock.monotonic();
    // A small frame must not wait for the acknowledgement of the one before it: with delayed acknowledgements that costs 40 ms.
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#onData(chunk));
    socket.on("error", (error) => this.#fail(error));
    socket.once("close", () => this.#onClose());
  }

  /** Resolves when the parent has let this node in, and let it subscribe. Rejects with a Refused or another error, and is closed then. */
  async open(password: string | undefined, signal: AbortSignal): Promise<void> {
    const { clientId, username, will } = this.#options;
    const abort = (): void => this.#fail(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    this.#write(encodeConnect({ clientId, username, password, will, keepAliveSeconds: limits.keepaliveSeconds }));
    try {
      await this.#ready.promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
    void this.#keepAlive().catch(() => undefined);
  }

  send(topic: string, payload: Uint8Array): void {
    if (this.#isClosed) return;
    this.#socket.cork(); // one segment for all that is sent in this turn
    this.#write(encodePublishHead(topic, payload.length));
    this.#write(payload);
    process.nextTick(() => this.#socket.uncork());
  }

  drop(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    if (this.#socket.destroyed) return;
    this.#socket.end(goodbye);
    await this.#clock.sleep(flushMs, this.#ended.signal).catch(() => undefined);
    this.#socket.destroy();
  }

  #write(bytes: Uint8Array): void {
    this.#sentMs = this.#clock.monotonic();
    this.#socket.write(bytes);
  }

  #onData(chunk: Uint8Array): void {
    this.#heardMs = this.#clock.monotonic();
    try {
      this.#framer.take(chunk);
    } catch (error) {
      if (!(error instanceof MqttProtocolError)) throw error;
      this.#fail(error);
    }
  }

  #onPacket(bytes: Uint8Array, firstByte: number, at: number, end: number): boolean {
    const type = firstByte >> 4;
    if (this.#awaited === connack) {
      if (type !== connack) throw protocolError("the parent's first packet is not CONNACK");
      this.#onConnack(readConnack(bytes, at, end));
    } else if (type === publish) this.#onPublish(bytes, firstByte, at, end);
    else if (type === suback && this.#awaited === suback) this.#onSuback(readSuback(bytes, at, end));
    else if (type !== pingResponse) throw protocolError(`the parent sent a packet of type ${type}`);
    return !this.#socket.destroyed;
  }

  #onConnack(returnCode: number): void {
    const { subscribe } = this.#options;
    if (returnCode !== 0) this.#fail(new Refused(returnCode));
    else if (subscribe === undefined) this.#becomeReady();
    else {
      this.#awaited = suback;
      this.#write(encodeSubscribe(subscribePacketId, subscribe));
    }
  }

  #onSuback({ packetId, code }: { readonly packetId: number; readonly code: number }): void {
    if (packetId !== subscribePacketId) throw protocolError("SUBACK for what was not subscribed");
    if (code > 2) this.#fail(new Error("the parent does not let this node subscribe"));
    else this.#becomeReady();
  }

  #becomeReady(): void {
    this.#awaited = undefined;
    this.#ready.resolve();
  }

  #onPublish(bytes: Uint8Array, firstByte: number, at: number, end: number): void {
    if (this.#isClosed) return;
    const view = this.#view;
    view.read(bytes, firstByte, at, end, false);
    if (view.qos > 0) throw protocolError("the parent published above the QoS that was subscribed");
    const topic = decodeText(bytes.subarray(view.topicFrom, view.topicTo));
    this.#options.onMessage(topic, bytes.subarray(view.payloadFrom, view.payloadTo));
  }

  /** Closes it; the first reason counts. */
  #fail(error: Error): void {
    if (this.#isFailed) return;
    this.#isFailed = true;
    this.#reason = error.message === "" && "code" in error ? String(error.code) : error.message;
    this.#ready.reject(error);
    this.#socket.destroy();
  }

  #onClose(): void {
    this.#ended.abort();
    this.#ready.reject(new Error(this.#reason));
    if (this.#isClosed || this.#awaited !== undefined) return;
    this.#isClosed = true;
    // Whoever dialled may not have heard yet that the dial has succeeded.
    setImmediate(() => this.#options.onClosed(this.#reason));
  }

  /** Until the end: pings when nothing else is written, and breaks the connection when nothing is heard. Rejects at the end. */
  async #keepAlive(): Promise<never> {
    for (;;) {
      await this.#clock.sleep(keepaliveMs / 2, this.#ended.signal);
      const nowMs = this.#clock.monotonic();
      if (nowMs - this.#heardMs >= silenceMsMax) this.#fail(new Error("the parent is silent"));
      // Also to a parent that is only read from: what it answers shows that it is there.
      else if (Math.max(nowMs - this.#sentMs, nowMs - this.#heardMs) >= keepaliveMs / 2) this.#write(pingRequest);
    }
  }
}
