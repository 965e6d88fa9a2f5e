// SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK.
import type { Qos } from "../system/bus.ts";
import type { ProtocolLevel } from "./connect-packet.ts";
import { malformed, PacketReader, protocolError } from "./packet-reader.ts";
import { PacketWriter } from "./packet-writer.ts";
import { allowedIn, readProperties, writeProperties, type Properties } from "./properties.ts";

export interface SubscriptionRequest {
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
}

export interface SubscribePacket {
  readonly packetId: number;
  /** 0: none. */
  readonly subscriptionId: number;
  readonly requests: readonly SubscriptionRequest[];
}

export interface UnsubscribePacket {
  readonly packetId: number;
  readonly filters: readonly string[];
}

export function readSubscribe(bytes: Uint8Array, at: number, end: number, level: ProtocolLevel): SubscribePacket {
  const reader = new PacketReader(bytes, at, end);
  const packetId = readPacketId(reader);
  const { subscriptionId = 0 } = level === 5 ? readProperties(reader, allowedIn.subscribe) : {};
  const requests: SubscriptionRequest[] = [];
  while (reader.left > 0) requests.push(readRequest(reader, level));
  if (requests.length === 0) throw protocolError("SUBSCRIBE without a topic filter"); // [MQTT-3.8.3-2]
  return { packetId, subscriptionId, requests };
}

function readRequest(reader: PacketReader, level: ProtocolLevel): SubscriptionRequest {
  const filter = reader.text();
  const options = reader.byte();
  const qos = options & 3;
  const retainHandling = level === 5 ? (options >> 4) & 3 : 0;
  if (qos === 3) throw malformed("a subscription asks for QoS 3");
  if (retainHandling === 3) throw protocolError("a subscription's retain handling is 3");
  if ((options & (level === 5 ? 0xc0 : 0xfc)) !== 0) throw malformed("reserved bits of a subscription are set");
  return {
    filter,
    qos: qos as Qos,
    noLocal: level === 5 && (options & 4) !== 0,
    retainAsPublished: level === 5 && (options & 8) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  };
}

export function readUnsubscribe(bytes: Uint8Array, at: number, end: number, level: ProtocolLevel): UnsubscribePacket {
  const reader = new PacketReader(bytes, at, end);
  const packetId = readPacketId(reader);
  if (level === 5) readProperties(reader, allowedIn.unsubscribe);
  const filters: string[] = [];
  while (reader.left > 0) filters.push(reader.text());
  if (filters.length === 0) throw protocolError("UNSUBSCRIBE without a topic filter"); // [MQTT-3.10.3-2]
  return { packetId, filters };
}

export function encodeSuback(
  level: ProtocolLevel,
  packetId: number,
  codes: readonly number[],
  properties: Properties,
): Uint8Array {
  return encodeCodes(0x90, level, packetId, codes, properties);
}

/** Without codes before MQTT 5. */
export function encodeUnsuback(
  level: ProtocolLevel,
  packetId: number,
  codes: readonly number[],
  properties: Properties,
): Uint8Array {
  return encodeCodes(0xb0, level, packetId, level === 5 ? codes : [], properties);
}

function encodeCodes(
  firstByte: number,
  level: ProtocolLevel,
  packetId: number,
  codes: readonly number[],
  properties: Properties,
): Uint8Array {
  const writer = new PacketWriter();
  writer.twoBytes(packetId);
  if (level === 5) writeProperties(writer, properties);
  for (const code of codes) writer.byte(code);
  return writer.packet(firstByte);
}

function readPacketId(reader: PacketReader): number {
  const packetId = reader.twoBytes();
  if (packetId === 0) throw protocolError("the packet identifier is 0"); // [MQTT-2.2.1-3]
  return packetId;
}
