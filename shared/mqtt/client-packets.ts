// The packets that a client writes and reads, in MQTT 3.1.1 and at QoS 0: as much of a client as a link to a parent needs.
import { PacketReader } from "./packet-reader.ts";
import { PacketWriter } from "./packet-writer.ts";

const protocolLevel = 4;
const cleanSession = 0x02;
const willFlag = 0x04;
const passwordFlag = 0x40;
const usernameFlag = 0x80;

export interface Connect {
  readonly clientId: string;
  readonly keepAliveSeconds: number;
  readonly username: string;
  readonly password: string | undefined;
  readonly will: { readonly topic: string; readonly payload: Uint8Array } | undefined;
}

/** CONNECT (section 3.1) with a clean session. */
export function encodeConnect({ clientId, keepAliveSeconds, username, password, will }: Connect): Uint8Array {
  const writer = new PacketWriter();
  writer.text("MQTT");
  writer.byte(protocolLevel);
  writer.byte(
    cleanSession | usernameFlag | (password === undefined ? 0 : passwordFlag) | (will === undefined ? 0 : willFlag),
  );
  writer.twoBytes(keepAliveSeconds);
  writer.text(clientId);
  if (will !== undefined) {
    writer.text(will.topic);
    writer.binary(will.payload);
  }
  writer.text(username);
  if (password !== undefined) writer.text(password);
  return writer.packet(0x10);
}

/** The return code of a CONNACK (section 3.2) between `at`, behind the fixed header, and `end`. */
export function readConnack(bytes: Uint8Array, at: number, end: number): number {
  const reader = new PacketReader(bytes, at, end);
  reader.byte(); // session present: never, after a clean session
  const code = reader.byte();
  reader.finish();
  return code;
}

/** SUBSCRIBE (section 3.8) of one filter at QoS 0. */
export function encodeSubscribe(packetId: number, filter: string): Uint8Array {
  const writer = new PacketWriter();
  writer.twoBytes(packetId);
  writer.text(filter);
  writer.byte(0);
  return writer.packet(0x82);
}

/** The code of a SUBACK (section 3.9) for one filter. */
export function readSuback(
  bytes: Uint8Array,
  at: number,
  end: number,
): { readonly packetId: number; readonly code: number } {
  const reader = new PacketReader(bytes, at, end);
  const packetId = reader.twoBytes();
  const code = reader.byte();
  reader.finish();
  return { packetId, code };
}

/** A PUBLISH (section 3.3) at QoS 0 up to its payload, which follows as it is. */
export function encodePublishHead(topic: string, payloadBytes: number): Uint8Array {
  const fields = new PacketWriter();
  fields.text(topic);
  const head = new PacketWriter();
  head.byte(0x30);
  head.variableInteger(fields.used + payloadBytes);
  head.raw(fields.fields());
  return head.fields();
}

/** PINGREQ and DISCONNECT have no fields. */
export const pingRequest: Uint8Array = Uint8Array.of(0xc0, 0);
export const goodbye: Uint8Array = Uint8Array.of(0xe0, 0);
