// Watches the bytes of one incoming MQTT connection for packet boundaries, so that a packet which is too large is
// noticed by its header, before a parser starts to collect it.

type GaugeFinding = "ok" | "not-mqtt" | "too-large";

const connectType = 1;
const lengthBytesMax = 4;

/** header --> length --> body --> header. After a finding other than "ok" the connection is to be closed. */
export class PacketGauge {
  readonly #packetBytesMax: number;
  #at: "connect" | "header" | "length" = "connect";
  #headerBytes = 0;
  #bodyBytes = 0;
  #bodyLeft = 0;

  /** `packetBytesMax` counts the whole packet with its header. */
  constructor(packetBytesMax: number) {
    this.#packetBytesMax = packetBytesMax;
  }

  /** Takes the next bytes of the connection. */
  take(bytes: Uint8Array): GaugeFinding {
    let at = 0;
    while (at < bytes.length) {
      if (this.#bodyLeft > 0) {
        const skipped = Math.min(this.#bodyLeft, bytes.length - at);
        this.#bodyLeft -= skipped;
        at += skipped;
        continue;
      }
      const finding = this.#takeHeaderByte(bytes[at] ?? 0);
      if (finding !== "ok") return finding;
      at++;
    }
    return "ok";
  }

  #takeHeaderByte(byte: number): GaugeFinding {
    if (this.#at !== "length") {
      const isFirst = this.#at === "connect";
      if (isFirst && byte >> 4 !== connectType) return "not-mqtt"; // [MQTT-3.1.0-1]
      this.#at = "length";
      this.#headerBytes = 1;
      this.#bodyBytes = 0;
      return "ok";
    }
    this.#bodyBytes += (byte & 0x7f) * 128 ** (this.#headerBytes - 1);
    this.#headerBytes++;
    if (byte >= 0x80) return this.#headerBytes > lengthBytesMax ? "not-mqtt" : "ok";
    if (this.#headerBytes + this.#bodyBytes > this.#packetBytesMax) return "too-large";
    this.#bodyLeft = this.#bodyBytes;
    this.#at = "header";
    return "ok";
  }
}
