// An MQTT 5 client for the conformance suite: it says what it is told to, and holds every packet that comes back against
// what the specification allows the server on this connection.
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { RawClient } from "../fakes/raw-client.ts";
import { conformanceBroker, isExternal } from "./broker-under-test.ts";
import {
  ackPacket,
  connectPacket,
  disconnectPacket,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
  type ConnectOptions,
  type Filter,
  type PublishOptions,
} from "./v5-packets.ts";
import { numberOf, valueOf, valuesOf, type Properties } from "./v5-properties.ts";
import { readServerPacket, type Connack, type Publish, type ServerPacket, type ServerPacketOf } from "./v5-reading.ts";

export class V5Client {
  readonly #raw: RawClient;
  readonly #inbox: ServerPacket[] = [];
  readonly #aliases = new Map<number, string>();
  readonly #inFlight = new Set<number>();
  #offer: Properties = [];
  #connack: Connack | undefined;
  #isOver = false;
  #lastId = 0;

  constructor(raw: RawClient) {
    this.#raw = raw;
  }

  /** The CONNACK of this connection. */
  get connack(): Connack {
    if (this.#connack === undefined) throw new Error("no CONNACK yet");
    return this.#connack;
  }

  /** Packet identifiers of the server that it may not use again yet. */
  get inFlight(): ReadonlySet<number> {
    return this.#inFlight;
  }

  send(...parts: readonly Uint8Array[]): Promise<void> {
    return this.#raw.send(...parts);
  }

  /** Sends CONNECT and waits for the answer, whatever it is. */
  async connect(options: ConnectOptions): Promise<Connack> {
    this.#offer = options.properties ?? [];
    await this.send(connectPacket(options));
    return this.expect("connack");
  }

  /** The next packet that nobody has taken yet. */
  async next(): Promise<ServerPacket> {
    return this.#inbox.shift() ?? this.#read();
  }

  /** The next packet, which has to be of this type. */
  async expect<T extends ServerPacket["type"]>(type: T): Promise<ServerPacketOf<T>> {
    const packet = await this.next();
    if (!isOfType(packet, type)) throw new Error(`${type} expected, but ${JSON.stringify(packet)} came`);
    return packet;
  }

  /** The first packet of this type. What comes before it stays to be taken. */
  async find<T extends ServerPacket["type"]>(type: T): Promise<ServerPacketOf<T>> {
    for (let at = 0; ; at++) {
      const packet = this.#inbox[at] ?? (await this.#readInto());
      if (!isOfType(packet, type)) continue;
      this.#inbox.splice(at, 1);
      return packet;
    }
  }

  /** Subscribes, and answers the reason codes. */
  async subscribe(
    filters: string | Filter | readonly Filter[],
    properties: Properties = [],
  ): Promise<readonly number[]> {
    const id = this.#nextId();
    const list = typeof filters === "string" ? [{ filter: filters, qos: 2 } as const] : [filters].flat();
    await this.send(subscribePacket(id, list, properties));
    const suback = await this.find("suback");
    expect(suback.id).toBe(id);
    expect(suback.reasons.length).toBe(list.length);
    return suback.reasons;
  }

  /** Unsubscribes, and answers the reason codes. */
  async unsubscribe(...filters: readonly string[]): Promise<readonly number[]> {
    const id = this.#nextId();
    await this.send(unsubscribePacket(id, filters));
    const unsuback = await this.find("unsuback");
    expect(unsuback.id).toBe(id);
    return unsuback.reasons;
  }

  /** Publishes, and completes what its QoS asks for. */
  async publish(options: PublishOptions): Promise<void> {
    const { qos = 0 } = options;
    if (qos === 0) return this.send(publishPacket(options));
    const id = options.id ?? this.#nextId();
    await this.send(publishPacket({ ...options, id }));
    const ack = await this.find(qos === 1 ? "puback" : "pubrec");
    expect([ack.id, ack.reason]).toEqual([id, expect.toBeOneOf([0x00, 0x10])]);
    if (qos === 1) return;
    await this.send(ackPacket("pubrel", id));
    const pubcomp = await this.find("pubcomp");
    expect([pubcomp.id, pubcomp.reason]).toEqual([id, 0x00]);
  }

  /** The next packet, a PUBLISH; it is not acknowledged. */
  receive(): Promise<Publish> {
    return this.expect("publish");
  }

  /** An acknowledgement for the server's PUBLISH. */
  async ack(type: "puback" | "pubrec" | "pubcomp", id: number, reason?: number): Promise<void> {
    if (type !== "pubrec" || (reason ?? 0) >= 0x80) this.#inFlight.delete(id);
    await this.send(ackPacket(type, id, reason));
  }

  /** Acknowledges to the end what QoS asks for. */
  async complete({ qos, id }: Publish): Promise<void> {
    if (qos === 1) await this.ack("puback", id);
    if (qos !== 2) return;
    await this.ack("pubrec", id);
    const pubrel = await this.find("pubrel");
    expect([pubrel.id, pubrel.reason]).toEqual([id, 0]);
    await this.ack("pubcomp", id);
  }

  /** A round trip of PINGREQ: what was sent before has been read by then. */
  async ping(): Promise<void> {
    await this.send(Buffer.from([0xc0, 0x00]));
    await this.find("pingresp");
  }

  /** What came, and nobody has taken. */
  get unread(): readonly ServerPacket[] {
    return this.#inbox;
  }

  /** Waits for the server to close the connection, and answers what it sent before. */
  async untilClosed(): Promise<readonly ServerPacket[]> {
    const rest = await this.#raw.untilClosed();
    const packets = rest.map((packet) => this.#check(this.#raw.bytesOf(packet)));
    return [...this.#inbox.splice(0), ...packets];
  }

  /** The server has to close the connection, with a DISCONNECT of one of these reasons before. */
  async refused(...reasons: readonly number[]): Promise<void> {
    expectFarewell(await this.untilClosed(), "disconnect", reasons);
  }

  /** DISCONNECT, after which the server closes. */
  async disconnect(reason?: number, properties?: Properties): Promise<void> {
    await this.send(disconnectPacket(reason, properties));
    await this.#raw.end();
  }

  /** Closes the connection without DISCONNECT, and waits until the server has done so as well. */
  end(): Promise<void> {
    return this.#raw.end();
  }

  abort(): void {
    this.#raw.abort();
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId + 1000; // apart from the ones that tests choose
  }

  async #readInto(): Promise<ServerPacket> {
    const packet = await this.#read();
    this.#inbox.push(packet);
    return packet;
  }

  async #read(): Promise<ServerPacket> {
    return this.#check(this.#raw.bytesOf(await this.#raw.next()));
  }

  #check(bytes: Uint8Array): ServerPacket {
    const packet = readServerPacket(bytes);
    const { type } = packet;
    if (this.#isOver) throw new Error(`[MQTT-3.14.4-1] ${type} after DISCONNECT`);
    if (this.#connack === undefined && type !== "connack") throw new Error(`[MQTT-3.2.0-1] ${type} before CONNACK`);
    if (packet.size > numberOf(this.#offer, "maximumPacketSize", Infinity))
      throw new Error("[MQTT-3.1.2-24] too large");
    if (type === "auth") throw new Error("[MQTT-4.12.0-6] AUTH without a method");
    if (type === "connack") this.#checkConnack(packet);
    if (type === "disconnect") this.#isOver = true;
    if (type === "publish") return this.#checkPublish(packet);
    if (type !== "connack" && type !== "disconnect" && type !== "pingresp") this.#checkProblems(packet.properties);
    return packet;
  }

  #checkConnack(connack: Connack): void {
    if (this.#connack !== undefined) throw new Error("[MQTT-3.2.0-2] a second CONNACK");
    this.#connack = connack;
    this.#isOver = connack.reason >= 0x80;
    const { properties } = connack;
    if (connack.reason === 0 && valueOf(properties, "authenticationMethod") !== undefined)
      throw new Error("[MQTT-4.12.0-6] an authentication method that nobody asked for");
    if (
      numberOf(this.#offer, "requestResponseInformation", 0) === 0 &&
      valueOf(properties, "responseInformation") !== undefined
    )
      throw new Error("[MQTT-3.1.2-28] response information that nobody asked for");
    for (const name of ["receiveMaximum", "maximumPacketSize"] as const)
      if (numberOf(properties, name, 1) === 0) throw new Error(`${name} is 0`);
  }

  #checkProblems(properties: Properties): void {
    if (numberOf(this.#offer, "requestProblemInformation", 1) === 1) return;
    if (properties.some(([name]) => name === "reasonString" || name === "userProperty"))
      throw new Error("[MQTT-3.1.2-29] problem information that was not wanted");
  }

  #checkPublish(publish: Publish): Publish {
    if (publish.qos > 0) {
      if (this.#inFlight.has(publish.id)) throw new Error(`[MQTT-2.2.1-4] packet identifier ${publish.id} is in use`);
      this.#inFlight.add(publish.id);
      if (this.#inFlight.size > numberOf(this.#offer, "receiveMaximum", 65_535))
        throw new Error("[MQTT-3.3.4-9] more than Receive Maximum");
    }
    if (valuesOf(publish.properties, "subscriptionIdentifier").includes(0)) throw new Error("identifier 0");
    const alias = valueOf(publish.properties, "topicAlias");
    if (typeof alias !== "number") return publish;
    if (alias === 0) throw new Error("[MQTT-3.3.2-8] topic alias 0");
    if (alias > numberOf(this.#offer, "topicAliasMaximum", 0)) throw new Error("[MQTT-3.1.2-26] topic alias too high");
    const topic = publish.topic === "" ? this.#aliases.get(alias) : publish.topic;
    if (topic === undefined) throw new Error("a topic alias that means nothing");
    this.#aliases.set(alias, topic);
    return { ...publish, topic };
  }
}

function isOfType<T extends ServerPacket["type"]>(packet: ServerPacket, type: T): packet is ServerPacketOf<T> {
  return packet.type === type;
}

/**
 * The last words before a connection closes. Which reason, and whether any, is the server's choice in most cases: ours is held
 * to its choices, others are not.
 */
function expectFarewell(
  packets: readonly ServerPacket[],
  type: "connack" | "disconnect",
  reasons: readonly number[],
): void {
  const farewells = packets.map((packet) => (isOfType(packet, type) ? packet.reason : packet));
  const isFailure = expect.toSatisfy((reason: unknown) => typeof reason === "number" && reason >= 0x80);
  if (isExternal || reasons.length === 0) expect(farewells).toBeOneOf([[], [isFailure]]);
  else expect(farewells).toEqual([expect.toBeOneOf([...reasons])]);
}

/** The same values in an order that depends on them alone. */
export function sorted<T>(values: readonly T[]): readonly T[] {
  return values.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

export interface BrokerUnderTest {
  /** A TCP connection that has said nothing yet. */
  open(): Promise<V5Client>;
  /** A connection that the broker has accepted; of a new client unless told, with a clean start unless told. */
  connect(options?: ConnectOptions): Promise<V5Client>;
  /** The broker has to refuse these bytes as a first packet: by CONNACK with one of these reasons, or as it likes if none. */
  connectRefused(packet: Uint8Array, ...reasons: readonly number[]): Promise<void>;
  /** Moves the broker's time on. */
  advance(ms: number): Promise<void>;
  /** The broker has noticed by then what other connections have done before. */
  settle(): Promise<void>;
  /** A name that no other test uses, for clients and topics. */
  unique(): string;
  /** Every message that `from` receives until it gets one that `by` publishes at last. All are acknowledged. */
  drain(from: V5Client, by: V5Client): Promise<readonly Publish[]>;
}

let names = 0;

/** A broker for the tests of one file. Connections end with the test that opened them. */
export function useBroker(): BrokerUnderTest {
  let running: Awaited<ReturnType<typeof conformanceBroker>> | undefined;
  const clients: V5Client[] = [];
  const started = (): Awaited<ReturnType<typeof conformanceBroker>> => {
    if (running === undefined) throw new Error("the broker is not running");
    return running;
  };
  beforeAll(async () => {
    running = await conformanceBroker();
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.abort();
  });
  afterAll(async () => {
    await running?.[Symbol.asyncDispose]();
  });
  const broker: BrokerUnderTest = {
    open: async () => {
      const client = new V5Client(await RawClient.open(started().port, { protocolVersion: 5 }));
      clients.push(client);
      return client;
    },
    connect: async (options = {}) => {
      const client = await broker.open();
      const connack = await client.connect({ clientId: broker.unique(), ...options });
      expect(connack.reason).toBe(0);
      return client;
    },
    connectRefused: async (packet, ...reasons) => {
      const client = await broker.open();
      await client.send(packet);
      expectFarewell(await client.untilClosed(), "connack", reasons);
    },
    advance: (ms) => started().advance(ms),
    settle: async () => {
      const other = await broker.connect();
      await other.disconnect();
    },
    unique: () => {
      names += 1;
      return `t${process.pid}x${names}`;
    },
    drain: async (from, by) => {
      const topic = `last/${broker.unique()}`;
      await from.subscribe({ filter: topic, qos: 1 });
      await by.publish({ topic, qos: 1 });
      const messages: Publish[] = [];
      for (let isLast = false; !isLast;) {
        const message = await from.find("publish");
        await from.complete(message);
        isLast = message.topic === topic;
        if (!isLast) messages.push(message);
      }
      expect(from.unread).toEqual([]);
      return messages;
    },
  };
  return broker;
}
