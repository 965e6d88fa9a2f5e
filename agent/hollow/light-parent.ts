// The parent connection of a hollow node: MQTT 3.1.1 over one TCP socket, nothing but what a link needs. The `mqtt` package keeps
// several streams, stores and timers for each connection, which is too much ten thousand times over.
import { connect, type Socket } from "node:net";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import { Framer } from "#shared/mqtt/framer.ts";
import { decodeText } from "#shared/mqtt/packet-reader.ts";
import { PacketWriter } from "#shared/mqtt/packet-writer.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { PublishView } from "#shared/mqtt/publish-packet.ts";
import type { UplinkAddress } from "../config/uplink-url.ts";
import type { DialOptions, DialParent, ParentConnection } from "../link/parent-connection.ts";

/** First bytes of the packets that are written, types of those that are read. */
const firstByte = { connect: 0x10, publish: 0x30, subscribe: 0x82, disconnect: 0xe0 } as const;
const packetType = { connack: 2, publish: 3, suback: 9 } as const;
const cleanSession = 0x02;
const withWill = 0x04;
const withUser = 0x80;
const subscribeId = 1;
/** SUBACK and CONNACK say so. */
const refusedFilter = 0x80;

/** What arrives on any socket is handed over before the next read, so that all share this. */
const readBuffer = new Uint8Array(64 * 1024);
const view = new PublishView();

/** Dials `address`, without TLS. The heartbeats of the link keep the connection alive: it sends no PINGREQ. */
export function lightParent({ host, port }: Pick<UplinkAddress, "host" | "port">): DialParent {
  return async (options, signal) => {
    signal.throwIfAborted();
    const connection = new LightConnection(options, host, port);
    const abort = (): void => connection.fail("the attempt was given up");
    signal.addEventListener("abort", abort, { once: true });
    try {
      await connection.ready;
    } finally {
      signal.removeEventListener("abort", abort);
    }
    return connection;
  };
}

class LightConnection implements ParentConnection {
  /** Rejects with FOGBANK_NOT_CONNECTED. */
  readonly ready: Promise<void>;
  readonly #options: DialOptions;
  readonly #socket: Socket;
  readonly #framer = new Framer(limits.packetBytes, (bytes, first, at, end) => this.#take(bytes, first, at, end));
  #ready: PromiseWithResolvers<void> | undefined = Promise.withResolvers();
  #isOver = false;

  constructor(options: DialOptions, host: string, port: number) {
    this.#options = options;
    this.ready = this.#ready?.promise ?? Promise.resolve();
    const onread = {
      buffer: readBuffer,
      callback: (count: number, bytes: Uint8Array): boolean => {
        this.#read(bytes.subarray(0, count));
        return true;
      },
    };
    this.#socket = connect({ host, port, noDelay: true, onread });
    this.#socket.on("error", (error) => this.fail(error.message));
    this.#socket.on("close", () => this.fail("the parent closed the connection"));
    this.#socket.write(connectPacket(options));
  }

  send(topic: string, payload: Uint8Array): void {
    if (this.#isOver) return;
    const packet = new PacketWriter();
    packet.text(topic);
    packet.raw(payload);
    this.#socket.write(packet.packet(firstByte.publish));
  }

  drop(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    this.#socket.end(new PacketWriter().packet(firstByte.disconnect));
    this.#socket.resume();
    await closed;
  }

  /** The connection is over. */
  fail(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket.destroy();
    const ready = this.#ready;
    this.#ready = undefined;
    if (ready === undefined) this.#options.onClosed(reason);
    else ready.reject(new FogbankError("FOGBANK_NOT_CONNECTED", reason));
  }

  #read(bytes: Uint8Array): void {
    if (this.#isOver) return;
    try {
      this.#framer.take(bytes);
    } catch (error) {
      if (!(error instanceof MqttProtocolError)) throw error;
      this.fail(`the parent sent what is no MQTT: ${error.message}`);
    }
  }

  #take(bytes: Uint8Array, first: number, at: number, end: number): boolean {
    switch (first >> 4) {
      case packetType.publish:
        view.read(bytes, first, at, end, false);
        this.#options.onMessage(
          decodeText(bytes.subarray(view.topicFrom, view.topicTo)),
          bytes.subarray(view.payloadFrom, view.payloadTo),
        );
        break;
      case packetType.connack:
        if (bytes[at + 1] !== 0) this.fail(`the parent refused the connection with code ${bytes[at + 1]}`);
        else if (this.#options.subscribe === undefined) this.#opened();
        else this.#socket.write(subscribePacket(this.#options.subscribe));
        break;
      case packetType.suback:
        if (bytes[end - 1] === refusedFilter) this.fail("the parent does not let this node subscribe");
        else this.#opened();
        break;
    }
    return !this.#isOver;
  }

  #opened(): void {
    this.#ready?.resolve();
    this.#ready = undefined;
  }
}

function connectPacket({ clientId, username, will }: DialOptions): Uint8Array {
  const packet = new PacketWriter();
  packet.text("MQTT");
  packet.byte(4);
  packet.byte(cleanSession | withUser | (will === undefined ? 0 : withWill));
  packet.twoBytes(limits.keepaliveSeconds);
  packet.text(clientId);
  if (will !== undefined) {
    packet.text(will.topic);
    packet.binary(will.payload);
  }
  packet.text(username);
  return packet.packet(firstByte.connect);
}

function subscribePacket(filter: string): Uint8Array {
  const packet = new PacketWriter();
  packet.twoBytes(subscribeId);
  packet.text(filter);
  packet.byte(0);
  return packet.packet(firstByte.subscribe);
}
