// An MQTT client without manners: it sends the bytes it is told to, and hands out what comes back, packet by packet.
// For protocol levels 3 (3.1), 4 (3.1.1) and 5; encodes and decodes by mqtt-packet.
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import {
  generate,
  parser as createParser,
  type IConnectPacket,
  type Packet,
  type PacketCmd,
  type Parser,
} from "mqtt-packet";
import { expect } from "vitest";

export type { Packet } from "mqtt-packet";
export type PacketOf<C extends PacketCmd> = Extract<Packet, { cmd: C }>;

/** MQTT 3.1, 3.1.1 and 5. */
export type ProtocolVersion = 3 | 4 | 5;

export interface RawClientOptions {
  /** How packets are encoded and decoded; 4 unless told. */
  readonly protocolVersion?: ProtocolVersion;
  /** How long to wait for a packet or the end before that is a failure. */
  readonly waitMs?: number;
}

export class RawClient implements AsyncDisposable {
  readonly protocolVersion: ProtocolVersion;
  readonly #socket: Socket;
  readonly #waitMs: number;
  readonly #parser: Parser;
  readonly #received: Packet[] = [];
  readonly #bytesOf = new WeakMap<Packet, Uint8Array>();
  /** Of those, the ones that no method has handed out yet. */
  readonly #unread: Packet[] = [];
  readonly #clientIds: string[] = [];
  #pending: Buffer = Buffer.alloc(0);
  #failure: Error | undefined;
  #wake = Promise.withResolvers<void>();

  private constructor(socket: Socket, { protocolVersion = 4, waitMs = 30_000 }: RawClientOptions) {
    this.#socket = socket;
    this.protocolVersion = protocolVersion;
    this.#waitMs = waitMs;
    this.#parser = createParser({ protocolVersion });
    this.#parser.on("packet", (packet) => {
      this.#received.push(packet);
      this.#unread.push(packet);
    });
    this.#parser.on("error", (error: unknown) =>
      this.#fail(new Error("the broker sent a bad packet", { cause: error })),
    );
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", () => {}); // a reset is an end like any other
    socket.on("close", () => this.#fail(new Error("the broker closed the connection")));
    socket.on("end", () => this.#fail(new Error("the broker closed the connection")));
  }

  /** A TCP connection that has sent nothing yet. */
  static async open(port: number, options: RawClientOptions = {}): Promise<RawClient> {
    const socket = connectTcp({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return new RawClient(socket, options);
  }

  /** Everything that arrived, also what was handed out. */
  get received(): readonly Packet[] {
    return this.#received;
  }

  /** What arrived and was not handed out yet. */
  get unread(): readonly Packet[] {
    return this.#unread;
  }

  /** Those that `connect` has named. */
  get clientIds(): readonly string[] {
    return this.#clientIds;
  }

  /** The bytes of a packet that arrived, with its header. */
  bytesOf(packet: Packet): Uint8Array {
    const bytes = this.#bytesOf.get(packet);
    if (bytes === undefined) throw new Error("that packet did not arrive here");
    return bytes;
  }

  /** Resolves when the bytes were given to the system. What the broker refuses to read is no failure here. */
  send(...parts: readonly Uint8Array[]): Promise<void> {
    return new Promise((resolve) => void this.#socket.write(Buffer.concat(parts), () => resolve()));
  }

  sendPacket(packet: Packet, { protocolVersion = this.protocolVersion }: RawClientOptions = {}): Promise<void> {
    return this.send(generate(packet, { protocolVersion }));
  }

  /** The next packet. Rejects when the connection ends first, or nothing comes for long. */
  next(): Promise<Packet> {
    return this.#first(() => true, "packet");
  }

  /** The next packet, which has to be of this type. */
  async expect<C extends PacketCmd>(cmd: C): Promise<PacketOf<C>> {
    const packet = await this.next();
    if (packet.cmd !== cmd) throw new Error(`${cmd} expected, but ${JSON.stringify(packet)} came`);
    return packet as PacketOf<C>;
  }

  /** The next packet of this type (and id, if given). What arrives before it stays to be read. */
  async answer<C extends PacketCmd>(cmd: C, messageId?: number): Promise<PacketOf<C>> {
    const isIt = (packet: Packet): boolean =>
      packet.cmd === cmd && (messageId === undefined || packet.messageId === messageId);
    return (await this.#first(isIt, cmd)) as PacketOf<C>;
  }

  /** Waits for the broker to close the connection, and answers what it sent before. */
  async untilClosed(): Promise<readonly Packet[]> {
    const timeout = this.#timeout("the connection is still open");
    try {
      while (this.#failure === undefined) await Promise.race([this.#wake.promise, timeout.expired]);
    } finally {
      timeout.clear();
    }
    if (this.#failure.cause !== undefined) throw this.#failure;
    return this.#unread.splice(0);
  }

  /** Waits for the broker to close the connection without another packet. */
  async expectClosed(): Promise<void> {
    expect(await this.untilClosed(), "what came before the connection closed").toEqual([]);
  }

  /** Sends CONNECT and waits for CONNACK, whatever its code. A clean session without keepalive unless told. */
  async connect(options: Partial<Omit<IConnectPacket, "cmd">> = {}): Promise<PacketOf<"connack">> {
    this.#clientIds.push(options.clientId ?? "raw");
    const protocolId = this.protocolVersion === 3 ? "MQIsdp" : "MQTT";
    await this.sendPacket({
      cmd: "connect",
      protocolId,
      protocolVersion: this.protocolVersion,
      clientId: "raw",
      clean: true,
      keepalive: 0,
      ...options,
    });
    return this.expect("connack");
  }

  /** A round trip of PINGREQ: what was sent before is read by then. What arrives before PINGRESP stays to be read. */
  async ping(): Promise<void> {
    await this.sendPacket({ cmd: "pingreq" });
    await this.answer("pingresp");
  }

  /** Proves by a round trip of PINGREQ that nothing is unread and nothing was on its way. */
  async silent(): Promise<void> {
    await this.ping();
    expect(this.#unread, "what came into the silence").toEqual([]);
  }

  /** Breaks the connection, with RST. */
  abort(): void {
    this.#socket.resetAndDestroy();
  }

  /** Closes this end without DISCONNECT, and waits for the other. */
  async end(): Promise<void> {
    if (this.#socket.closed) return;
    const closed = once(this.#socket, "close");
    this.#socket.end();
    const timeout = this.#timeout("the connection is still open");
    try {
      await Promise.race([closed, timeout.expired]);
    } finally {
      timeout.clear();
    }
  }

  /** Sends DISCONNECT, closes this end, and waits for the other. */
  async disconnect(): Promise<void> {
    await this.sendPacket({ cmd: "disconnect" });
    await this.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }

  /** Takes the first packet that fits out of what is unread, now or when it comes. */
  async #first(fits: (packet: Packet) => boolean, what: string): Promise<Packet> {
    const timeout = this.#timeout(`no ${what}`);
    try {
      for (;;) {
        const at = this.#unread.findIndex(fits);
        const [packet] = at < 0 ? [] : this.#unread.splice(at, 1);
        if (packet !== undefined) return packet;
        if (this.#failure !== undefined) {
          const complaint = `${this.#failure.message}, and no ${what} had come`;
          throw new Error(complaint, { cause: this.#failure });
        }
        await Promise.race([this.#wake.promise, timeout.expired]);
      }
    } finally {
      timeout.clear();
    }
  }

  /** Cuts the stream into packets: mqtt-packet looks beyond the end of some packets when more bytes follow. */
  #take(bytes: Buffer): void {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    for (let size = packetSize(this.#pending); size !== undefined; size = packetSize(this.#pending)) {
      if (this.#failure !== undefined) return;
      const packetBytes = this.#pending.subarray(0, size);
      this.#pending = this.#pending.subarray(size);
      const before = this.#received.length;
      this.#parser.parse(packetBytes);
      const packet = this.#received[before];
      if (packet !== undefined) this.#bytesOf.set(packet, packetBytes);
    }
    this.#notify();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#notify();
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  #timeout(complaint: string): { readonly expired: Promise<never>; clear(): void } {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // it may expire when nobody waits any more
    const timer = setTimeout(() => {
      reject(new Error(`${complaint} within ${this.#waitMs} ms; unread: ${JSON.stringify(this.#unread)}`));
    }, this.#waitMs);
    return { expired: promise, clear: () => clearTimeout(timer) };
  }
}

/** A packet of any shape: the first byte, and a remaining length that fits what follows. Strings get their two bytes of length. */
export function rawPacket(firstByte: number, ...parts: readonly (number | string | Uint8Array)[]): Uint8Array {
  const body = Buffer.concat(
    parts.map((part) => {
      if (typeof part === "number") return Buffer.from([part]);
      return typeof part === "string" ? lengthPrefixed(Buffer.from(part)) : part;
    }),
  );
  return Buffer.concat([Buffer.from([firstByte, ...variableInteger(body.length)]), body]);
}

/** Two bytes of length, then the bytes. */
export function lengthPrefixed(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** The encoding of lengths: seven bits a byte, least significant first. */
function variableInteger(value: number): readonly number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...variableInteger(Math.floor(value / 128))];
}

/** Bytes of the first packet in `bytes`, if it is all there. */
function packetSize(bytes: Buffer): number | undefined {
  let length = 0;
  for (let at = 1; at < 5; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    length += (byte & 127) * 128 ** (at - 1);
    if (byte < 128) return bytes.length < at + 1 + length ? undefined : at + 1 + length;
  }
  return 1; // no length at all: the parser says so
}
