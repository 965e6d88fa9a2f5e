// PUBACK, PUBREC, PUBREL, PUBCOMP with a reason, DISCONNECT and AUTH. The short forms of the first four are handled in place.
import type { ProtocolLevel } from "./connect-packet.ts";
import { malformed, PacketReader, protocolError } from "./packet-reader.ts";
import { PacketWriter } from "./packet-writer.ts";
import { allowedIn, readProperties, writeProperties, type Properties } from "./properties.ts";
import { reason } from "./reason-codes.ts";

/** First bytes of the packets that acknowledge a publish. */
export const acknowledgement = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

export interface Acknowledgement {
  readonly packetId: number;
  readonly reasonCode: number;
}

/** Any of the four. */
export function readAcknowledgement(bytes: Uint8Array, at: number, end: number, level: ProtocolLevel): Acknowledgement {
  const reader = new PacketReader(bytes, at, end);
  const packetId = reader.twoBytes();
  if (packetId === 0) throw protocolError("the packet identifier is 0");
  let reasonCode: number = reason.success;
  if (level === 5 && reader.left > 0) {
    reasonCode = reader.byte();
    if (!acknowledgementReasons.has(reasonCode)) throw malformed(`an acknowledgement has reason ${reasonCode}`);
    if (reader.left > 0) readProperties(reader, allowedIn.acknowledgement);
  }
  reader.finish();
  return { packetId, reasonCode };
}

const acknowledgementReasons: ReadonlySet<number> = new Set([
  reason.success,
  0x10,
  reason.unspecified,
  reason.implementationSpecific,
  reason.notAuthorized,
  reason.topicNameInvalid,
  0x91,
  reason.packetIdNotFound,
  reason.quotaExceeded,
  reason.payloadFormatInvalid,
]);

/** A reason other than success, and its text, exist in MQTT 5 only. */
export function encodeAcknowledgement(
  firstByte: number,
  packetId: number,
  reasonCode: number,
  properties: Properties,
): Uint8Array {
  const writer = new PacketWriter();
  writer.twoBytes(packetId);
  writer.byte(reasonCode);
  if (Object.keys(properties).length > 0) writeProperties(writer, properties);
  return writer.packet(firstByte);
}

export interface DisconnectPacket {
  readonly reasonCode: number;
  readonly properties: Properties;
}

const disconnectReasons: ReadonlySet<number> = new Set([
  reason.success,
  reason.disconnectWithWill,
  reason.unspecified,
  reason.malformedPacket,
  reason.protocolError,
  reason.implementationSpecific,
  reason.topicNameInvalid,
  reason.receiveMaximumExceeded,
  reason.topicAliasInvalid,
  reason.packetTooLarge,
  0x96,
  reason.quotaExceeded,
  reason.administrativeAction,
  reason.payloadFormatInvalid,
]);

export function readDisconnect(bytes: Uint8Array, at: number, end: number, level: ProtocolLevel): DisconnectPacket {
  const reader = new PacketReader(bytes, at, end);
  let reasonCode: number = reason.success;
  let properties: Properties = {};
  if (level === 5 && reader.left > 0) {
    reasonCode = reader.byte();
    if (!disconnectReasons.has(reasonCode)) throw malformed(`DISCONNECT has reason ${reasonCode}`);
    if (reader.left > 0) properties = readProperties(reader, allowedIn.disconnect);
  }
  reader.finish();
  return { reasonCode, properties };
}

/** MQTT 5 only. */
export function encodeDisconnect(reasonCode: number, properties: Properties): Uint8Array {
  const writer = new PacketWriter();
  writer.byte(reasonCode);
  writeProperties(writer, properties);
  return writer.packet(0xe0);
}
