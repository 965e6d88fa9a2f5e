// Cuts a stream of bytes into MQTT control packets (section 2.1). Packets are handed out where they lie in what arrived; only one
// that is split over several reads is copied, into a buffer that grows with what has really come.
import { malformed, protocolError } from "./packet-reader.ts";
import { MqttProtocolError } from "./protocol-error.ts";
import { reason } from "./reason-codes.ts";

/** The packet lies in `bytes` from `at` (behind the fixed header) to `end`. False stops: the rest waits for `resume`. */
export type PacketHandler = (bytes: Uint8Array, firstByte: number, at: number, end: number) => boolean;

const growthMin = 256;

export class Framer {
  /** Bytes of the largest packet that is accepted. */
  packetBytesMax: number;
  /** The only first byte that is accepted; undefined: any. Noticed before the packet is complete. */
  mustBegin: number | undefined;
  /** MQTT 5: a remaining length in more bytes than it needs is malformed [MQTT-1.5.5-1]. */
  isStrict = false;
  readonly #onPacket: PacketHandler;
  #buffer: Uint8Array | undefined;
  #used = 0;
  /** Bytes that must be there before another look is worth while. */
  #needed = 2;

  constructor(packetBytesMax: number, onPacket: PacketHandler) {
    this.packetBytesMax = packetBytesMax;
    this.#onPacket = onPacket;
  }

  /** Bytes kept for later. */
  get waitingBytes(): number {
    return this.#used;
  }

  /** Hands out every packet that is complete now. Throws MqttProtocolError for what is no packet; then the framer is of no more use. */
  take(chunk: Uint8Array): void {
    if (this.#used === 0) {
      this.#scan(chunk);
      return;
    }
    this.#keep(chunk, 0);
    if (this.#used >= this.#needed) this.resume();
  }

  /** Goes on with the bytes that were kept. */
  resume(): void {
    const kept = this.#buffer?.subarray(0, this.#used);
    this.#buffer = undefined;
    this.#used = 0;
    if (kept !== undefined) this.#scan(kept);
  }

  #scan(bytes: Uint8Array): void {
    const { length } = bytes;
    let at = 0;
    while (at + 2 <= length) {
      if (this.mustBegin !== undefined && bytes[at] !== this.mustBegin)
        throw protocolError("the first packet is not CONNECT"); // [MQTT-3.1.0-1]
      // The remaining length: one to four bytes, seven bits each.
      let bodyAt = at + 1;
      let remaining = 0;
      let scale = 1;
      let byte: number;
      do {
        if (scale > 2_097_152) throw malformed("the remaining length has more than four bytes");
        if (bodyAt === length) {
          this.#keepFor(bytes, at, length - at + 1);
          return;
        }
        byte = bytes[bodyAt++] ?? 0;
        remaining += (byte & 0x7f) * scale;
        scale *= 128;
      } while (byte > 127);
      const end = bodyAt + remaining;
      if (end - at > this.packetBytesMax) throw tooLarge(end - at, this.packetBytesMax);
      if (byte === 0 && bodyAt > at + 2 && this.isStrict) throw malformed("the remaining length is padded");
      if (end > length) {
        this.#keepFor(bytes, at, end - at);
        return;
      }
      if (!this.#onPacket(bytes, bytes[at] ?? 0, bodyAt, end)) {
        this.#keepFor(bytes, end, 2);
        return;
      }
      at = end;
    }
    this.#keepFor(bytes, at, 2);
  }

  #keepFor(bytes: Uint8Array, from: number, needed: number): void {
    this.#needed = needed;
    if (from < bytes.length) this.#keep(bytes, from);
  }

  #keep(bytes: Uint8Array, from: number): void {
    const size = this.#used + bytes.length - from;
    let buffer = this.#buffer;
    if (buffer === undefined || size > buffer.length) {
      const grown = new Uint8Array(Math.max(growthMin, size, Math.min((buffer?.length ?? 0) * 2, this.#needed)));
      if (buffer !== undefined) grown.set(buffer.subarray(0, this.#used));
      buffer = grown;
      this.#buffer = grown;
    }
    buffer.set(from === 0 ? bytes : bytes.subarray(from), this.#used);
    this.#used = size;
  }
}

function tooLarge(bytes: number, bytesMax: number): MqttProtocolError {
  return new MqttProtocolError(reason.packetTooLarge, `a packet of ${bytes} bytes is larger than ${bytesMax}`);
}
