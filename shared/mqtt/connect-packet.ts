// CONNECT and CONNACK of MQTT 3.1 (level 3), 3.1.1 (level 4) and 5.
import type { Qos } from "../system/bus.ts";
import { PacketReader, malformed, protocolError } from "./packet-reader.ts";
import { PacketWriter } from "./packet-writer.ts";
import { allowedIn, encodeProperties, readProperties, writeProperties, type Properties } from "./properties.ts";
import { MqttProtocolError } from "./protocol-error.ts";
import { reason, returnCodeOf } from "./reason-codes.ts";

export type ProtocolLevel = 3 | 4 | 5;

export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  /** Seconds between the end of the connection and the will. */
  readonly delaySeconds: number;
  /** Seconds that the message lives once it is published; undefined: for ever. */
  readonly expirySeconds: number | undefined;
  /** Encoded properties that are forwarded as they are. */
  readonly properties: Uint8Array;
}

export interface ConnectPacket {
  readonly level: ProtocolLevel;
  readonly clientId: string;
  /** Clean Session of 3.1.1, Clean Start of 5. */
  readonly cleanStart: boolean;
  /** Seconds; 0: none. */
  readonly keepAlive: number;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly will: Will | undefined;
  readonly properties: Properties;
}

/** Thrown for a protocol name and level that we do not speak; the level tells how to answer. */
export class UnsupportedProtocol extends MqttProtocolError {
  readonly level: number;

  constructor(level: number) {
    super(reason.unsupportedProtocolVersion, `protocol level ${level} is not supported`);
    this.level = level;
  }
}

/** Reads the packet that stands in `bytes` from `at` (behind the fixed header) to `end`. The strings and bytes are copies. */
export function readConnect(bytes: Uint8Array, at: number, end: number): ConnectPacket {
  const reader = new PacketReader(bytes, at, end);
  const level = readLevel(reader);
  const flags = reader.byte();
  checkFlags(flags, level);
  const keepAlive = reader.twoBytes();
  const properties = level === 5 ? readProperties(reader, allowedIn.connect) : {};
  if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined)
    throw protocolError("authentication data without a method");
  const clientId = reader.text();
  const will = (flags & 0x04) === 0 ? undefined : readWill(reader, level, flags);
  const username = (flags & 0x80) === 0 ? undefined : reader.text();
  const password = (flags & 0x40) === 0 ? undefined : reader.binary().slice();
  reader.finish();
  return { level, clientId, cleanStart: (flags & 0x02) !== 0, keepAlive, username, password, will, properties };
}

function readLevel(reader: PacketReader): ProtocolLevel {
  const name = reader.text();
  const level = reader.byte();
  if (name === "MQTT" && (level === 4 || level === 5)) return level;
  if (name === "MQIsdp" && level === 3) return level;
  if (name !== "MQTT" && name !== "MQIsdp") throw protocolError("the protocol name is not MQTT");
  throw new UnsupportedProtocol(level);
}

function checkFlags(flags: number, level: ProtocolLevel): void {
  if ((flags & 0x01) !== 0) throw malformed("the reserved flag of CONNECT is set"); // [MQTT-3.1.2-3]
  const willQos = (flags >> 3) & 3;
  const hasWill = (flags & 0x04) !== 0;
  if (willQos === 3) throw malformed("the QoS of the will is 3");
  if (!hasWill && (willQos !== 0 || (flags & 0x20) !== 0)) throw malformed("will flags without a will");
  if (level !== 5 && (flags & 0x40) !== 0 && (flags & 0x80) === 0) throw malformed("a password without a user name"); // [MQTT-3.1.2-22] of 3.1.1
}

function readWill(reader: PacketReader, level: ProtocolLevel, flags: number): Will {
  const { willDelay = 0, messageExpiry, ...forwarded } = level === 5 ? readProperties(reader, allowedIn.will) : {};
  const topic = reader.text();
  return {
    topic,
    payload: reader.binary().slice(),
    qos: ((flags >> 3) & 3) as Qos,
    retain: (flags & 0x20) !== 0,
    delaySeconds: willDelay,
    expirySeconds: messageExpiry,
    properties: encodeProperties(forwarded),
  };
}

/** The reason is translated for older clients; the oldest know no session present. */
export function encodeConnack(
  level: number,
  sessionPresent: boolean,
  reasonCode: number,
  properties: Properties,
): Uint8Array {
  const writer = new PacketWriter();
  writer.byte(sessionPresent && level > 3 ? 1 : 0);
  writer.byte(level === 5 ? reasonCode : returnCodeOf(reasonCode));
  if (level === 5) writeProperties(writer, properties);
  return writer.packet(0x20);
}
