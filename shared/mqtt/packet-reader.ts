// Reads the fields of one control packet (MQTT 5, section 1.5). Never reads beyond the packet: what is missing is a malformed packet.
import { MqttProtocolError } from "./protocol-error.ts";
import { reason } from "./reason-codes.ts";

// A leading U+FEFF is part of the string [MQTT-1.5.4-3]; ill-formed UTF-8 is an error [MQTT-1.5.4-1].
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function malformed(what: string): MqttProtocolError {
  return new MqttProtocolError(reason.malformedPacket, what);
}

export function protocolError(what: string): MqttProtocolError {
  return new MqttProtocolError(reason.protocolError, what);
}

/** The text, or a malformed packet: not UTF-8 or with U+0000 [MQTT-1.5.4-2]. */
export function decodeText(bytes: Uint8Array): string {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw malformed("a string is not UTF-8");
  }
  if (text.includes("\0")) throw malformed("a string holds U+0000");
  return text;
}

export class PacketReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  /** Reads `bytes` from `at` up to `end`. */
  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  byte(): number {
    if (this.at >= this.end) throw malformed("the packet ends too early");
    return this.bytes[this.at++] ?? 0;
  }

  twoBytes(): number {
    const high = this.byte();
    return (high << 8) | this.byte();
  }

  fourBytes(): number {
    const high = this.twoBytes();
    return high * 65_536 + this.twoBytes();
  }

  /** A variable byte integer in its shortest form [MQTT-1.5.5-1]. */
  variableInteger(): number {
    let value = 0;
    let scale = 1;
    for (let length = 1; length <= 4; length++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && length > 1) throw malformed("a variable byte integer is longer than it needs to be");
        return value;
      }
      scale *= 128;
    }
    throw malformed("a variable byte integer has more than four bytes");
  }

  /** The next `length` bytes; they alias the packet. */
  take(length: number): Uint8Array {
    if (length > this.left) throw malformed("a field is longer than the packet");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  binary(): Uint8Array {
    return this.take(this.twoBytes());
  }

  text(): string {
    return decodeText(this.binary());
  }

  /** Nothing may follow. */
  finish(): void {
    if (this.left > 0) throw malformed("the packet is longer than its fields");
  }
}
