// An MQTT client that does what the specification demands of one with a session, to the letter, and holds the broker to its part:
// unacknowledged packets go out again with their packet identifiers after every reconnect, QoS 2 identifiers are kept until PUBREL,
// and whether a session is present is known before CONNACK says so.
//
//   closed --connect()--> connecting --CONNACK--> open --drop(), or the broker is killed--> closed
import type { IConnackPacket, IPublishPacket, Packet } from "mqtt-packet";
import type { FaultLog } from "./fault-log.ts";
import { IncomingState } from "./incoming-state.ts";
import { openConnection, type MqttConnection, type ProtocolVersion } from "./mqtt-connection.ts";
import { OutgoingState, type Outgoing } from "./outgoing-state.ts";
import type { Publication } from "./record.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface StrictClientOptions {
  readonly name: string;
  readonly port: number;
  readonly protocol: ProtocolVersion;
  /** It asks for a session that outlives its connections. */
  readonly keepsSession: boolean;
}

export interface StrictClientEvents {
  /** PUBACK, or the first PUBREC, for a message. */
  acknowledged(publication: Publication): void;
  /** A message, once for each delivery to an application; every other copy is `isRepeated`. */
  message(packet: IPublishPacket, isRepeated: boolean): void;
  /** How long PUBACK and PUBREC wait. 0: they go out at once. */
  answerDelayMs(): number;
}

/** How a client leaves: with a goodbye, without one, or not at all, so that its next connection takes the session over. */
export type Leaving = "disconnect" | "reset" | "takeover";

const connackMsMax = 30_000;
const neverExpires = 0xffff_ffff;

export class StrictClient {
  readonly #options: StrictClientOptions;
  readonly #events: StrictClientEvents;
  readonly #faults: FaultLog;
  readonly outgoing: OutgoingState;
  readonly subscriptions: Subscriptions;
  readonly #incoming: IncomingState;
  #connection: MqttConnection | undefined;
  #isOpen = false;
  /** Whether the broker has a session of ours; undefined: CONNECT went out, and nothing came back. */
  #hasSession: boolean | undefined = false;
  #closed: Promise<void> = Promise.resolve();
  /** PUBACKs and PUBRECs that wait, in the order of their messages [MQTT-4.6.0-2]. */
  #answers: Packet[] = [];
  #pings: (() => void)[] = [];
  readonly #payloads = new WeakMap<Outgoing, { readonly payload: Buffer; readonly retain: boolean }>();
  connects = 0;

  constructor(
    options: StrictClientOptions,
    events: StrictClientEvents,
    faults: FaultLog,
    subscriptions: Subscriptions,
  ) {
    this.#options = options;
    this.#events = events;
    this.#faults = faults;
    this.outgoing = new OutgoingState(options.name, faults);
    this.#incoming = new IncomingState(options.name, faults);
    this.subscriptions = subscriptions;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Settles when the present connection is over. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** True: the broker has accepted, and what the last connection left open is on its way again. */
  async connect(): Promise<boolean> {
    const { port, protocol, keepsSession, name } = this.#options;
    const accepted = Promise.withResolvers<boolean>();
    const connection = openConnection(
      port,
      protocol,
      (packet) => {
        if (this.#connection !== connection) return; // taken over: nobody reads there any more
        if (this.#isOpen) this.#packet(packet);
        else accepted.resolve(this.#accepted(packet));
      },
      (why) => this.#faults.add("bytes that are no packet", `${name}: ${why}`),
    );
    this.#connection = connection;
    this.#closed = connection.closed.then(() => this.#ended(connection));
    const timer = setTimeout(() => {
      this.#faults.add("no CONNACK", `${name} waited ${connackMsMax} ms`);
      connection.reset();
    }, connackMsMax);
    connection.send({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: protocol,
      clientId: name,
      clean: !keepsSession,
      keepalive: 0,
      ...(protocol === 5 && keepsSession && { properties: { sessionExpiryInterval: neverExpires } }),
    });
    if (this.#hasSession === false && keepsSession) this.#hasSession = undefined;
    const isAccepted = await Promise.race([accepted.promise, this.#closed.then(() => false)]);
    clearTimeout(timer);
    return isAccepted;
  }

  /** Ends the connection; what was on its way stays to be brought to its end on the next. */
  drop(how: Leaving): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (how === "disconnect") {
      if (this.#isOpen) this.#send({ cmd: "disconnect" });
      connection.end();
    } else if (how === "reset") connection.reset();
    this.#ended(connection);
  }

  /** Sends it now, or with the next connection. */
  publish(publication: Publication, payload: Buffer, qos: 1 | 2, retain: boolean): void {
    const outgoing = this.outgoing.begin(publication, qos);
    this.#payloads.set(outgoing, { payload, retain });
    if (this.#isOpen) this.#sendPublish(outgoing, false);
  }

  /** Subscribes to the filter, or ends that; a request that no answer comes to is made again on the next connection. */
  request(kind: "subscribe" | "unsubscribe", filter: string): void {
    this.subscriptions.ask(kind, filter);
    if (this.#isOpen) this.#sendRequests();
  }

  /** A round trip: what the broker sent before is here by then, if the connection holds. */
  async ping(): Promise<void> {
    if (!this.#isOpen) return;
    const answered = new Promise<void>((resolve) => void this.#pings.push(resolve));
    this.#send({ cmd: "pingreq" });
    await Promise.race([answered, this.#closed]);
  }

  #send(packet: Packet): void {
    this.#connection?.send(packet);
  }

  #ended(connection: MqttConnection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#isOpen = false;
    this.#answers = [];
    this.#pings = [];
    this.subscriptions.interrupted();
  }

  #accepted(packet: Packet): boolean {
    const { name } = this.#options;
    if (packet.cmd !== "connack" || (packet.returnCode ?? packet.reasonCode) !== 0) {
      this.#faults.add("not accepted", `${name}: ${JSON.stringify(packet)}`);
      this.#connection?.reset();
      return false;
    }
    this.#isOpen = true;
    this.connects++;
    this.#resume(packet);
    return true;
  }

  #resume({ sessionPresent }: IConnackPacket): void {
    const { name, keepsSession } = this.#options;
    if (this.#hasSession === true && !sessionPresent) this.#faults.add("the session is gone", name);
    if (this.#hasSession === false && sessionPresent) this.#faults.add("a session nobody asked for", name);
    this.#hasSession = keepsSession;
    if (!sessionPresent) {
      this.outgoing.reset();
      this.#incoming.reset();
      this.subscriptions.lost();
    }
    for (const outgoing of this.outgoing.resumed()) {
      if (outgoing.isReleased) this.#send({ cmd: "pubrel", messageId: outgoing.packetId });
      else this.#sendPublish(outgoing, outgoing.publication.sends > 0);
    }
    this.#sendRequests();
  }

  #sendPublish(outgoing: Outgoing, dup: boolean): void {
    const content = this.#payloads.get(outgoing);
    if (content === undefined) return;
    const { packetId, qos, publication } = outgoing;
    publication.sends++;
    this.outgoing.sent(packetId);
    this.#send({ cmd: "publish", topic: publication.topic, qos, dup, messageId: packetId, ...content });
  }

  #sendRequests(): void {
    for (const packet of this.subscriptions.requests()) this.#send(packet);
  }

  #packet(packet: Packet): void {
    const { name } = this.#options;
    switch (packet.cmd) {
      case "publish":
        this.#message(packet);
        return;
      case "puback":
      case "pubrec":
        this.#acknowledged(packet.cmd, packet.messageId ?? 0, packet.reasonCode ?? 0);
        return;
      case "pubrel":
        this.#incoming.release(packet.messageId ?? 0);
        this.#send({ cmd: "pubcomp", messageId: packet.messageId ?? 0 });
        return;
      case "pubcomp":
        this.outgoing.complete(packet.messageId ?? 0);
        return;
      case "suback":
        this.subscriptions.granted(packet.messageId ?? 0, packet.granted.map(Number));
        return;
      case "unsuback":
        this.subscriptions.ended(packet.messageId ?? 0);
        return;
      case "pingresp":
        this.#pings.shift()?.();
        return;
      case "disconnect":
        // At a graceful stop, and to a connection that was taken over.
        if (packet.reasonCode !== 0x8b) this.#faults.add("disconnected", `${name}: ${packet.reasonCode}`);
        return;
      default:
        this.#faults.add("a packet that no client gets", `${name}: ${packet.cmd}`);
    }
  }

  #acknowledged(cmd: "puback" | "pubrec", packetId: number, reasonCode: number): void {
    if (reasonCode >= 0x80) this.#faults.add("a publish was refused", `${this.#options.name}: ${reasonCode}`);
    const outgoing = cmd === "puback" ? this.outgoing.acknowledge(packetId) : this.outgoing.receive(packetId);
    if (cmd === "pubrec") this.#send({ cmd: "pubrel", messageId: packetId });
    if (outgoing !== undefined) this.#events.acknowledged(outgoing.publication);
  }

  #message(packet: IPublishPacket): void {
    const { qos, messageId = 0, dup } = packet;
    if (qos === 0) {
      if (dup) this.#faults.add("DUP at QoS 0 [MQTT-3.3.1-2]", this.#options.name);
      this.#events.message(packet, false);
      return;
    }
    const [publisher, number] = Buffer.from(packet.payload).toString("latin1", 0, 40).split(" ", 2);
    const key = `${publisher} ${number}`;
    const isNew = this.#incoming.take({ packetId: messageId, key, qos, dup });
    this.#events.message(packet, !isNew);
    this.#answer({ cmd: qos === 1 ? "puback" : "pubrec", messageId });
  }

  /** Later ones join those that wait. */
  #answer(packet: Packet): void {
    this.#answers.push(packet);
    if (this.#answers.length > 1) return;
    const delayMs = this.#events.answerDelayMs();
    if (delayMs === 0) this.#sendAnswers();
    else {
      const connection = this.#connection;
      setTimeout(() => {
        if (this.#connection === connection) this.#sendAnswers();
      }, delayMs);
    }
  }

  #sendAnswers(): void {
    for (const packet of this.#answers.splice(0)) {
      if (packet.cmd === "puback") this.#incoming.acknowledged(packet.messageId ?? 0);
      this.#send(packet);
    }
  }
}
