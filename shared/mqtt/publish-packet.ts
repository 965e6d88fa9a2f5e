// PUBLISH, read in place: positions in the bytes that arrived, no object per field. One view is used again for every packet.
import type { Qos } from "../system/bus.ts";
import { decodeText, malformed, protocolError } from "./packet-reader.ts";
import { propertyId } from "./properties.ts";
import { MqttProtocolError } from "./protocol-error.ts";
import { reason } from "./reason-codes.ts";

const noBytes = new Uint8Array(0);

export class PublishView {
  qos: Qos = 0;
  dup = false;
  retain = false;
  topicFrom = 0;
  topicTo = 0;
  /** 0 at QoS 0. */
  packetId = 0;
  payloadFrom = 0;
  payloadTo = 0;
  /** 0: none. */
  topicAlias = 0;
  /** -1: never. */
  expirySeconds = -1;
  /** Encoded properties that are forwarded as they are; they may alias the packet. */
  properties: Uint8Array = noBytes;

  /** Reads the packet between `at` (behind the fixed header) and `end`. The topic is not checked. */
  read(bytes: Uint8Array, firstByte: number, at: number, end: number, isLevel5: boolean): void {
    const qos = (firstByte >> 1) & 3;
    if (qos === 3) throw malformed("PUBLISH has QoS 3"); // [MQTT-3.3.1-4]
    this.qos = qos as Qos;
    this.dup = (firstByte & 8) !== 0;
    this.retain = (firstByte & 1) !== 0;
    if (this.dup && qos === 0) throw malformed("DUP is set at QoS 0"); // [MQTT-3.3.1-2]
    if (at + 2 > end) throw malformed("PUBLISH ends too early");
    this.topicFrom = at + 2;
    this.topicTo = this.topicFrom + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
    let next = this.topicTo;
    this.packetId = 0;
    if (qos > 0) {
      if (next + 2 > end) throw malformed("PUBLISH ends too early");
      this.packetId = ((bytes[next] ?? 0) << 8) | (bytes[next + 1] ?? 0);
      if (this.packetId === 0) throw protocolError("the packet identifier is 0"); // [MQTT-2.2.1-3]
      next += 2;
    }
    if (next > end) throw malformed("the topic is longer than the packet");
    this.topicAlias = 0;
    this.expirySeconds = -1;
    this.properties = noBytes;
    if (isLevel5) next = this.#readProperties(bytes, next, end);
    this.payloadFrom = next;
    this.payloadTo = end;
  }

  #readProperties(bytes: Uint8Array, at: number, end: number): number {
    if (bytes[at] === 0 && at < end) return at + 1; // the usual case: none
    const scanner = new PropertyScanner(bytes, at, end);
    scanner.scan();
    this.topicAlias = scanner.topicAlias;
    this.expirySeconds = scanner.expirySeconds;
    this.properties = scanner.forwarded();
    return scanner.end;
  }
}

/** Checks each property of a PUBLISH where it stands; what is not forwarded as it is (alias, expiry) is cut out. */
class PropertyScanner {
  readonly #bytes: Uint8Array;
  readonly #from: number;
  readonly end: number;
  #at: number;
  #seen = 0;
  /** Positions of what is cut out: from, to, from, to …. */
  readonly #cuts: number[] = [];
  topicAlias = 0;
  expirySeconds = -1;

  constructor(bytes: Uint8Array, at: number, packetEnd: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.end = packetEnd;
    const length = this.#variableInteger();
    this.#from = this.#at;
    this.end = this.#at + length;
    if (this.end > packetEnd) throw malformed("the properties are longer than the packet");
  }

  scan(): void {
    while (this.#at < this.end) {
      const start = this.#at;
      const id = this.#byte();
      switch (id) {
        case propertyId.payloadFormat:
          this.#once(id);
          if (this.#byte() > 1) throw protocolError("the payload format is neither 0 nor 1");
          break;
        case propertyId.messageExpiry:
          this.#once(id);
          this.expirySeconds = this.#twoBytes() * 65_536 + this.#twoBytes();
          this.#cuts.push(start, this.#at);
          break;
        case propertyId.topicAlias:
          this.#once(id);
          this.topicAlias = this.#twoBytes();
          if (this.topicAlias === 0) throw new MqttProtocolError(reason.topicAliasInvalid, "the topic alias is 0");
          this.#cuts.push(start, this.#at);
          break;
        case propertyId.responseTopic:
          this.#once(id);
          if (/[+#]/.test(this.#text())) throw protocolError("the response topic has wildcards"); // [MQTT-3.3.2-14]
          break;
        case propertyId.contentType:
          this.#once(id);
          this.#text();
          break;
        case propertyId.correlationData:
          this.#once(id);
          this.#skip(this.#twoBytes());
          break;
        case propertyId.userProperties:
          this.#text();
          this.#text();
          break;
        case propertyId.subscriptionId:
          throw protocolError("a client sends no subscription identifier with PUBLISH"); // [MQTT-3.3.4-6]
        default:
          throw malformed("PUBLISH has a property that does not belong there");
      }
    }
  }

  forwarded(): Uint8Array {
    if (this.#cuts.length === 0) return this.#bytes.subarray(this.#from, this.end);
    const kept = new Uint8Array(this.end - this.#from);
    let used = 0;
    let from = this.#from;
    for (let cut = 0; cut <= this.#cuts.length; cut += 2) {
      const to = this.#cuts[cut] ?? this.end;
      kept.set(this.#bytes.subarray(from, to), used);
      used += to - from;
      from = this.#cuts[cut + 1] ?? this.end;
    }
    return kept.subarray(0, used);
  }

  #once(id: number): void {
    const bit = id < 31 ? 1 << id : 1 << 30; // of the larger ones only the alias may come once
    if ((this.#seen & bit) !== 0) throw protocolError("a property comes twice");
    this.#seen |= bit;
  }

  #byte(): number {
    if (this.#at >= this.end) throw malformed("a property is longer than the properties");
    return this.#bytes[this.#at++] ?? 0;
  }

  #twoBytes(): number {
    const high = this.#byte();
    return (high << 8) | this.#byte();
  }

  #skip(length: number): void {
    this.#at += length;
    if (this.#at > this.end) throw malformed("a property is longer than the properties");
  }

  #text(): string {
    const length = this.#twoBytes();
    const from = this.#at;
    this.#skip(length);
    return decodeText(this.#bytes.subarray(from, this.#at));
  }

  #variableInteger(): number {
    let value = 0;
    let scale = 1;
    for (let length = 1; length <= 4; length++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && length > 1) throw malformed("a variable byte integer is longer than it needs to be");
        return value;
      }
      scale *= 128;
    }
    throw malformed("a variable byte integer has more than four bytes");
  }
}
