// The few MQTT packets that the load generator writes, encoded once and patched for each message. Pure.

/** 4 is MQTT 3.1.1. */
export type ProtocolVersion = 4 | 5;

export type Qos = 0 | 1 | 2;

export const packetType = {
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  suback: 9,
  pingresp: 13,
} as const;

/** First bytes of the packets that answer a packet identifier. */
export const ackByte = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

export const pingPacket: Uint8Array = Uint8Array.of(0xc0, 0);
export const disconnectPacket: Uint8Array = Uint8Array.of(0xe0, 0);

/** A PUBLISH, and where its packet identifier (of no meaning at QoS 0) and its payload stand. */
export interface PublishImage {
  readonly bytes: Uint8Array;
  readonly packetIdAt: number;
  readonly payloadAt: number;
}

export interface ConnectOptions {
  readonly protocol?: ProtocolVersion;
  /** MQTT 5: how many messages of QoS 1 and 2 may come unacknowledged. */
  readonly receiveMaximum?: number;
  /** User name and password. */
  readonly user?: string;
  /** Not a clean session: what is subscribed outlives the connection. */
  readonly keepsSession?: true;
}

export interface PublishOptions {
  readonly qos?: Qos;
  readonly protocol?: ProtocolVersion;
  /** MQTT 5: the size of the user property, all of it; 0 for none, or at least 5. */
  readonly userPropertyBytes?: number;
}

const cleanSession = 0x02;
const withUserAndPassword = 0xc0;

/** A clean session unless told, no keepalive. */
export function encodeConnect(
  clientId: string,
  { protocol = 4, receiveMaximum, user, keepsSession }: ConnectOptions = {},
): Uint8Array {
  const flags = (keepsSession === true ? 0 : cleanSession) | (user === undefined ? 0 : withUserAndPassword);
  const properties = receiveMaximum === undefined ? [] : [0x21, receiveMaximum >> 8, receiveMaximum & 0xff];
  const header = Uint8Array.of(protocol, flags, 0, 0);
  const proof = user === undefined ? [] : [text(user), text(user)];
  return packet(0x10, [text("MQTT"), header, propertyBlock(protocol, properties), text(clientId), ...proof]);
}

/** One filter. */
export function encodeSubscribe(
  packetId: number,
  filter: string,
  qos: Qos = 0,
  protocol: ProtocolVersion = 4,
): Uint8Array {
  return packet(0x82, [uint16(packetId), propertyBlock(protocol, []), text(filter), Uint8Array.of(qos)]);
}

/** QoS 1 unless told. With packet identifier 0, which must be set before a packet of QoS 1 or 2 is sent. */
export function encodePublish(topic: string, payload: Uint8Array, options: PublishOptions = {}): PublishImage {
  const { qos = 1, protocol = 4, userPropertyBytes = 0 } = options;
  const properties = propertyBlock(protocol, userPropertyBytes === 0 ? [] : userProperty(userPropertyBytes));
  const packetId = qos === 0 ? new Uint8Array(0) : uint16(0);
  const bytes = packet(0x30 | (qos << 1), [text(topic), packetId, properties, payload]);
  const payloadAt = bytes.length - payload.length;
  return { bytes, packetIdAt: payloadAt - properties.length - packetId.length, payloadAt };
}

/** Where the payload of a PUBLISH begins whose body begins at `bodyAt`. */
export function payloadStart(
  firstByte: number,
  bytes: Uint8Array,
  bodyAt: number,
  protocol: ProtocolVersion = 4,
): number {
  const afterId = packetIdStart(bytes, bodyAt) + ((firstByte & 6) === 0 ? 0 : 2);
  if (protocol === 4) return afterId;
  let length = 0;
  let at = afterId;
  for (let shift = 0; shift <= 21; shift += 7) {
    const byte = bytes[at++] ?? 0;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return at + length;
}

/** Where the packet identifier of a PUBLISH stands, if it has one: behind the topic. */
export function packetIdStart(bytes: Uint8Array, bodyAt: number): number {
  return bodyAt + 2 + readUint16(bytes, bodyAt);
}

export function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

export function writeUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 0xff;
}

function userProperty(size: number): readonly number[] {
  const key = text("k");
  const value = text("v".repeat(size - 1 - key.length - 2));
  return [0x26, ...key, ...value];
}

function propertyBlock(protocol: ProtocolVersion, properties: readonly number[]): Uint8Array {
  return protocol === 4 ? new Uint8Array(0) : Uint8Array.from([...variableLength(properties.length), ...properties]);
}

function packet(firstByte: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = parts.reduce((total, part) => total + part.length, 0);
  const head = [firstByte, ...variableLength(body)];
  const bytes = new Uint8Array(head.length + body);
  bytes.set(head);
  let at = head.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function variableLength(length: number): readonly number[] {
  const bytes: number[] = [];
  let left = length;
  do {
    bytes.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    left >>= 7;
  } while (left > 0);
  return bytes;
}

function text(value: string): Uint8Array {
  const encoded = new TextEncoder().encode(value);
  const bytes = new Uint8Array(2 + encoded.length);
  writeUint16(bytes, 0, encoded.length);
  bytes.set(encoded, 2);
  return bytes;
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}
