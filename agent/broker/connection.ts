// One network connection: bytes in, packets out to their handlers, answers back; from its first byte to its end.
//
//   new --CONNECT--> admitting --admitted--> open --> closed
import type { Duplex } from "node:stream";
import { encodeAcknowledgement, encodeDisconnect } from "#shared/mqtt/acknowledgement-packet.ts";
import type { ProtocolLevel, Will } from "#shared/mqtt/connect-packet.ts";
import { Framer } from "#shared/mqtt/framer.ts";
import { malformed } from "#shared/mqtt/packet-reader.ts";
import type { Properties } from "#shared/mqtt/properties.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";
import type { TopicAliases } from "#shared/mqtt/topic-aliases.ts";
import { limits } from "#shared/limits.ts";
import type { ConnectionOrigin } from "../net/connection-origin.ts";
import type { ClientInfo } from "./broker.ts";
import type { HeldTotal } from "./held-total.ts";
import { Outlet, type OutletPool } from "./outlet.ts";
import type { PendingAcknowledgement } from "./pending-acknowledgement.ts";
import type { BrokerTopic } from "./router.ts";
import type { Session } from "./session.ts";

/** What a connection hands its packets to. */
export interface ConnectionEvents {
  /** False: no more packets until `resume`. */
  packet(connection: Connection, bytes: Uint8Array, firstByte: number, at: number, end: number): boolean;
  /** All packets of one read of so many bytes have been handled. */
  readEnded(connection: Connection, bytes: number): void;
  /** What could not be written at once has left. */
  drained(connection: Connection): void;
  /** Once. */
  closed(connection: Connection): void;
  /** Its peer broke the protocol; the connection closes next. */
  failed(connection: Connection, error: MqttProtocolError): void;
}

export type ConnectionState = "new" | "admitting" | "open" | "closed";

export class Connection {
  readonly stream: Duplex;
  readonly origin: ConnectionOrigin;
  readonly outlet: Outlet;
  readonly #events: ConnectionEvents;
  readonly #held: HeldTotal;
  readonly #framer: Framer;
  state: ConnectionState = "new";

  // From CONNECT.
  level: ProtocolLevel = 4;
  isLevel5 = false;
  info: ClientInfo = { clientId: "" };
  /** Clients with the same one may do the same. */
  role: object | undefined;
  session: Session | undefined;
  will: Will | undefined;
  /** Milliseconds; 0: no keep alive. */
  keepAliveMs = 0;
  receiveMaximum = limits.inflightMessages as number;
  packetBytesMax = Number.POSITIVE_INFINITY;
  wantsProblemInformation = true;
  aliases: TopicAliases | undefined;
  connectedSinceMs = 0;

  /** Monotonic milliseconds of the last read, of the last progress of writing, and of the beginning. */
  lastReadMs: number;
  lastWrittenMs: number;
  /** Topics that the client has given aliases. */
  readonly topicByAlias: (BrokerTopic | undefined)[] = [];
  /** The topic of the last publish that was allowed. */
  lastTopic: BrokerTopic | undefined;
  /** Publishes without an answer, in their order. */
  readonly unanswered: PendingAcknowledgement[] = [];
  heldPublishes = 0;
  heldBytes = 0;
  /** Refused publishes have doomed it. */
  isDoomed = false;
  isPaused = false;
  /** It does not take its answers: nothing more is read until it has. */
  #isClogged = false;
  /** It is to be pumped when the packets of this read have been handled. */
  needsPump = false;
  readonly abort = new AbortController();

  constructor(
    stream: Duplex,
    origin: ConnectionOrigin,
    nowMs: number,
    shared: { readonly pool: OutletPool; readonly held: HeldTotal },
    events: ConnectionEvents,
  ) {
    const { pool, held } = shared;
    this.#held = held;
    this.stream = stream;
    this.origin = origin;
    this.#events = events;
    this.lastReadMs = nowMs;
    this.lastWrittenMs = nowMs;
    this.outlet = new Outlet(pool, stream, () => this.#drained());
    this.#framer = new Framer(limits.connectPacketBytes, (bytes, firstByte, at, end) =>
      this.#packet(bytes, firstByte, at, end),
    );
    this.#framer.mustBegin = 0x10;
    stream.on("data", this.#read);
    stream.on("end", () => this.close());
    stream.on("error", () => this.close());
    stream.on("close", () => this.close());
  }

  get isOpen(): boolean {
    return this.state === "open";
  }

  /** Whether its bytes are read as they come. */
  get isReading(): boolean {
    return !this.isPaused && !this.#isClogged;
  }

  /** The client was admitted: packets up to the usual bound. */
  open(): void {
    this.state = "open";
    this.#framer.packetBytesMax = limits.packetBytes;
    this.#framer.mustBegin = undefined;
    this.#framer.isStrict = this.isLevel5;
  }

  /** A packet that the client must get: when it is too large for it, the connection ends [MQTT-3.1.2-24]. */
  send(bytes: Uint8Array): void {
    if (bytes.length <= this.packetBytesMax) this.outlet.append(bytes);
    else this.end(reason.packetTooLarge, "an answer is larger than this client takes");
  }

  /** PUBACK, PUBREC, PUBREL or PUBCOMP. */
  acknowledge(firstByte: number, packetId: number, reasonCode: number = reason.success, text?: string): void {
    if (this.isLevel5 && reasonCode !== reason.success) {
      this.sendProblem(text, (properties) => encodeAcknowledgement(firstByte, packetId, reasonCode, properties));
      return;
    }
    const at = this.outlet.reserve(4);
    const { chunk } = this.outlet;
    chunk[at] = firstByte;
    chunk[at + 1] = 2;
    chunk[at + 2] = packetId >>> 8;
    chunk[at + 3] = packetId & 0xff;
  }

  /**
   * With the reason string if the client wants one, and if the packet then is not too large for it [MQTT-3.14.2-3]. False: it is too
   * large as it is, and was not sent.
   */
  sendProblem(text: string | undefined, encode: (properties: Properties) => Uint8Array): boolean {
    const wanted = text !== undefined && this.wantsProblemInformation;
    const full = wanted ? encode({ reasonString: text.slice(0, reasonCharsMax) }) : undefined;
    const packet = full !== undefined && full.length <= this.packetBytesMax ? full : encode({});
    if (packet.length > this.packetBytesMax) return false;
    this.outlet.append(packet);
    return true;
  }

  /** Leaves further bytes where they are. */
  pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    this.stream.pause();
  }

  /** Something that it sent waits for its answer: for a verdict, or for a commit. Beyond the bounds its bytes are left where they are. */
  hold(bytes: number): void {
    if (this.state === "closed") return;
    this.heldPublishes++;
    this.heldBytes += bytes;
    this.#held.add(bytes);
  }

  pauseIfFull(): void {
    if (this.heldPublishes > limits.heldPublishes || this.heldBytes > limits.heldPublishBytes) this.pause();
    else if (this.state !== "closed") this.#held.check(this);
  }

  /** It is answered. */
  release(bytes: number): void {
    if (this.state === "closed") return;
    this.heldPublishes--;
    this.heldBytes -= bytes;
    this.#held.remove(bytes);
    this.resumeIfRoom();
  }

  resumeIfRoom(): void {
    if (this.heldPublishes <= limits.heldPublishes / 2 && this.heldBytes <= limits.heldPublishBytes / 2) this.resume();
  }

  /** Handles what was kept, then reads on. */
  resume(): void {
    if (!this.isPaused || this.state === "closed") return;
    this.isPaused = false;
    this.#readOn();
  }

  /** Tells the client why, where it can be told, and closes. */
  end(reasonCode: number, text: string): void {
    if (this.state === "closed") return;
    if (this.isLevel5 && this.state === "open")
      this.sendProblem(text, (properties) => encodeDisconnect(reasonCode, properties));
    this.finish();
  }

  /** Closes when everything written has left; for a moment only. */
  finish(): void {
    if (this.state === "closed") return;
    this.outlet.end();
    this.#close();
  }

  /** Closes now. */
  close(): void {
    if (this.state === "closed") return;
    this.outlet.close();
    this.stream.destroy();
    this.#close();
  }

  #close(): void {
    this.state = "closed";
    this.abort.abort();
    this.#held.forget(this);
    this.#held.remove(this.heldBytes);
    this.stream.off("data", this.#read);
    this.stream.resume(); // what still comes is of no interest, but the end is
    this.#events.closed(this);
  }

  readonly #read = (chunk: Uint8Array): void => {
    if (this.state === "closed") return;
    this.#guard(() => this.#framer.take(chunk));
    this.#checkAnswers();
    this.#events.readEnded(this, chunk.length);
  };

  #readOn(): void {
    if (!this.isReading) return;
    this.#guard(() => this.#framer.resume());
    this.#checkAnswers();
    if (this.isReading) this.stream.resume();
    this.#events.readEnded(this, 0);
  }

  #checkAnswers(): void {
    if (this.state === "closed" || this.outlet.pendingBytes <= limits.writeQueueBytesReading) return;
    this.#isClogged = true;
    this.stream.pause();
  }

  #drained(): void {
    if (this.#isClogged && this.state !== "closed") {
      this.#isClogged = false;
      this.#readOn();
    }
    this.#events.drained(this);
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof MqttProtocolError)) throw error;
      this.#events.failed(this, error);
    }
  }

  #packet(bytes: Uint8Array, firstByte: number, at: number, end: number): boolean {
    checkFlags(firstByte);
    const goesOn = this.#events.packet(this, bytes, firstByte, at, end);
    if (this.state === "closed") return false;
    return goesOn && this.isReading;
  }
}

const reasonCharsMax = 1_000;

/** The low four bits of each packet type are fixed, but for PUBLISH [MQTT-2.2.2-2]. */
function checkFlags(firstByte: number): void {
  const type = firstByte >> 4;
  if (type === 3) return;
  const wanted = type === 6 || type === 8 || type === 10 ? 2 : 0;
  if ((firstByte & 0x0f) !== wanted) throw malformed("the flags of the fixed header are wrong");
}
