// Reads the packets of an MQTT 5 server strictly: whatever the specification does not allow there is an error.
import {
  propertiesOfServer,
  propertyTable,
  type Properties,
  type Property,
  type PropertyName,
  type PropertyValue,
  type ServerPacketWithProperties,
} from "./v5-properties.ts";

interface Sized {
  /** Bytes of the whole packet. */
  readonly size: number;
}
export interface Connack extends Sized {
  readonly type: "connack";
  readonly sessionPresent: boolean;
  readonly reason: number;
  readonly properties: Properties;
}
export interface Publish extends Sized {
  readonly type: "publish";
  readonly topic: string;
  readonly payload: string;
  readonly bytes: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 with QoS 0. */
  readonly id: number;
  readonly properties: Properties;
}
export interface Ack extends Sized {
  readonly type: "puback" | "pubrec" | "pubrel" | "pubcomp";
  readonly id: number;
  readonly reason: number;
  readonly properties: Properties;
}
export interface SubscriptionAck extends Sized {
  readonly type: "suback" | "unsuback";
  readonly id: number;
  readonly reasons: readonly number[];
  readonly properties: Properties;
}
export interface Notice extends Sized {
  readonly type: "disconnect" | "auth";
  readonly reason: number;
  readonly properties: Properties;
}
export interface Pingresp extends Sized {
  readonly type: "pingresp";
}
export type ServerPacket = Connack | Publish | Ack | SubscriptionAck | Notice | Pingresp;
export type ServerPacketOf<T extends ServerPacket["type"]> = ServerPacket & { readonly type: T };

const serverTypes = new Map<number, ServerPacket["type"]>([
  [0x20, "connack"],
  [0x30, "publish"],
  [0x40, "puback"],
  [0x50, "pubrec"],
  [0x62, "pubrel"],
  [0x70, "pubcomp"],
  [0x90, "suback"],
  [0xb0, "unsuback"],
  [0xd0, "pingresp"],
  [0xe0, "disconnect"],
  [0xf0, "auth"],
]);

const ofPublish = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];

/** Reason codes that a server may send in each packet. */
const reasonsOfServer: Readonly<Record<Exclude<ServerPacketWithProperties, "publish">, readonly number[]>> = {
  connack: [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b,
    0x9c, 0x9d, 0x9f,
  ],
  puback: ofPublish,
  pubrec: ofPublish,
  pubrel: [0x00, 0x92],
  pubcomp: [0x00, 0x92],
  suback: [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
  unsuback: [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91],
  disconnect: [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
    0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
  ],
  auth: [0x00, 0x18],
};

/** The packet that these bytes are, all of them. */
export function readServerPacket(all: Uint8Array): ServerPacket {
  const reader = new Reader(all);
  const first = reader.byte();
  const type = serverTypes.get(first >> 4 === 3 ? 0x30 : first);
  if (type === undefined) throw new Error(`[MQTT-2.1.3-1] a server does not send ${first.toString(16)}`);
  if (reader.variable() !== reader.left) throw new Error("the remaining length is not that of the packet");
  const size = all.length;
  const packet = readBody(type, first, reader, size);
  if (reader.left > 0) throw new Error(`${reader.left} bytes too many in ${type}`);
  return packet;
}

function readBody(type: ServerPacket["type"], first: number, reader: Reader, size: number): ServerPacket {
  switch (type) {
    case "connack": {
      const flags = reader.byte();
      if (flags > 1) throw new Error("[MQTT-3.2.2-1] reserved bits of CONNACK are set");
      const reason = reader.reason(type);
      if (reason !== 0 && flags !== 0) throw new Error("[MQTT-3.2.2-6] session present in a refusal");
      return { type, size, sessionPresent: flags === 1, reason, properties: reader.properties(type) };
    }
    case "publish":
      return readPublish(first, reader, size);
    case "puback":
    case "pubrec":
    case "pubrel":
    case "pubcomp": {
      const id = reader.packetId();
      const reason = reader.left === 0 ? 0 : reader.reason(type);
      return { type, size, id, reason, properties: reader.left === 0 ? [] : reader.properties(type) };
    }
    case "suback":
    case "unsuback": {
      const id = reader.packetId();
      const properties = reader.properties(type);
      const reasons: number[] = [];
      while (reader.left > 0) reasons.push(reader.reason(type));
      return { type, size, id, reasons, properties };
    }
    case "pingresp":
      return { type, size };
    case "disconnect":
    case "auth": {
      const reason = reader.left === 0 ? 0 : reader.reason(type);
      return { type, size, reason, properties: reader.left === 0 ? [] : reader.properties(type) };
    }
  }
}

function readPublish(first: number, reader: Reader, size: number): Publish {
  const qos = (first >> 1) & 3;
  const dup = (first & 0x08) !== 0;
  if (qos === 3) throw new Error("[MQTT-3.3.1-4] QoS 3");
  if (qos === 0 && dup) throw new Error("[MQTT-3.3.1-2] DUP with QoS 0");
  const topic = reader.text();
  if (/[+#]/.test(topic)) throw new Error("[MQTT-3.3.2-2] a wildcard in a topic name");
  const id = qos === 0 ? 0 : reader.packetId();
  const properties = reader.properties("publish");
  if (topic === "" && !properties.some(([name]) => name === "topicAlias")) throw new Error("neither topic nor alias");
  const bytes = reader.rest();
  const payload = Buffer.from(bytes).toString();
  return { type: "publish", size, topic, payload, bytes, qos, retain: (first & 0x01) !== 0, dup, id, properties };
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error("the packet ends too early");
    return byte;
  }

  two(): number {
    return this.byte() * 256 + this.byte();
  }

  variable(): number {
    let value = 0;
    for (let digits = 0; digits < 4; digits++) {
      const byte = this.byte();
      value += (byte & 127) * 128 ** digits;
      if (byte >= 128) continue;
      if (byte === 0 && digits > 0) throw new Error("[MQTT-1.5.5-1] more bytes than the number needs");
      return value;
    }
    throw new Error("[MQTT-1.5.5-1] a number of more than four bytes");
  }

  binary(): Uint8Array {
    const length = this.two();
    if (length > this.left) throw new Error("the packet ends too early");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  text(): string {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.binary()); // [MQTT-1.5.4-1]
    if (text.includes("\0")) throw new Error("[MQTT-1.5.4-2] U+0000 in a string");
    return text;
  }

  packetId(): number {
    const id = this.two();
    if (id === 0) throw new Error("[MQTT-2.2.1-4] packet identifier 0");
    return id;
  }

  reason(type: keyof typeof reasonsOfServer): number {
    const reason = this.byte();
    if (!reasonsOfServer[type].includes(reason)) throw new Error(`${type} with reason 0x${reason.toString(16)}`);
    return reason;
  }

  rest(): Uint8Array {
    const rest = this.#bytes.subarray(this.#at);
    this.#at = this.#bytes.length;
    return rest;
  }

  properties(type: ServerPacketWithProperties): Properties {
    const length = this.variable();
    const end = this.#at + length;
    if (length > this.left) throw new Error("the properties end too late");
    const properties: Property[] = [];
    while (this.#at < end) {
      const name = nameOf(this.variable());
      const isMany = name === "userProperty" || (type === "publish" && name === "subscriptionIdentifier");
      if (!propertiesOfServer[type].includes(name)) throw new Error(`${name} does not belong into ${type}`);
      if (!isMany && properties.some(([found]) => found === name)) throw new Error(`${name} twice in ${type}`);
      properties.push([name, this.#value(name)]);
    }
    if (this.#at !== end) throw new Error("the properties end inside of one");
    return properties;
  }

  #value(name: PropertyName): PropertyValue {
    switch (propertyTable[name][1]) {
      case "byte": {
        const value = this.byte();
        if (value > 1) throw new Error(`${name} is ${value}`);
        return value;
      }
      case "two":
        return this.two();
      case "four":
        return this.two() * 65_536 + this.two();
      case "variable":
        return this.variable();
      case "text":
        return this.text();
      case "binary":
        return this.binary();
      case "pair":
        return [this.text(), this.text()];
    }
  }
}

function nameOf(id: number): PropertyName {
  for (const [name, [known]] of Object.entries(propertyTable)) if (known === id) return name as PropertyName;
  throw new Error(`property 0x${id.toString(16)} is unknown`);
}
