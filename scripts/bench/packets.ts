// The few MQTT 3.1.1 packets that the load generator writes, encoded once and patched for each message. Pure.

export const packetType = { connack: 2, publish: 3, puback: 4, suback: 9 } as const;

export const disconnectPacket: Uint8Array = Uint8Array.of(0xe0, 0);

/** A PUBLISH of QoS 1, and where its packet identifier and its payload stand. */
export interface PublishImage {
  readonly bytes: Uint8Array;
  readonly packetIdAt: number;
  readonly payloadAt: number;
}

/** Clean session, no keepalive. */
export function encodeConnect(clientId: string): Uint8Array {
  const cleanSession = 0x02;
  return packet(0x10, [text("MQTT"), Uint8Array.of(4, cleanSession, 0, 0), text(clientId)]);
}

/** One filter at QoS 0. */
export function encodeSubscribe(packetId: number, filter: string): Uint8Array {
  return packet(0x82, [uint16(packetId), text(filter), Uint8Array.of(0)]);
}

/** With packet identifier 0, which must be set before the packet is sent. */
export function encodePublish(topic: string, payload: Uint8Array): PublishImage {
  const bytes = packet(0x32, [text(topic), uint16(0), payload]);
  const payloadAt = bytes.length - payload.length;
  return { bytes, packetIdAt: payloadAt - 2, payloadAt };
}

/** Where the payload of a PUBLISH begins whose body begins at `bodyAt`. */
export function payloadStart(firstByte: number, bytes: Uint8Array, bodyAt: number): number {
  const qos = (firstByte >> 1) & 3;
  return bodyAt + 2 + readUint16(bytes, bodyAt) + (qos === 0 ? 0 : 2);
}

export function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

export function writeUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 0xff;
}

function packet(firstByte: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = parts.reduce((total, part) => total + part.length, 0);
  const head = [firstByte];
  let left = body;
  do {
    head.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    left >>= 7;
  } while (left > 0);
  const bytes = new Uint8Array(head.length + body);
  bytes.set(head);
  let at = head.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
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
