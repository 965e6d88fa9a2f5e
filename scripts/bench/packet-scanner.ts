// Finds the packets in a stream of bytes without copying them: only one that is split between two chunks is put together.

/** `bytes` from `bodyAt` to `endAt` is what follows the fixed header. They are valid until the call returns. */
export type OnPacket = (firstByte: number, bytes: Uint8Array, bodyAt: number, endAt: number) => void;

export class PacketScanner {
  readonly #onPacket: OnPacket;
  #tail: Uint8Array | undefined;

  constructor(onPacket: OnPacket) {
    this.#onPacket = onPacket;
  }

  /** Throws for a length that MQTT does not know. */
  push(chunk: Uint8Array): void {
    const bytes = this.#tail === undefined ? chunk : joined(this.#tail, chunk);
    this.#tail = undefined;
    let at = 0;
    while (at < bytes.length) {
      const endAt = this.#packetAt(bytes, at);
      if (endAt === undefined) {
        this.#tail = bytes.slice(at);
        return;
      }
      at = endAt;
    }
  }

  /** Answers where the packet ends, or undefined when it is not complete. */
  #packetAt(bytes: Uint8Array, at: number): number | undefined {
    let length = 0;
    let bodyAt = at + 1;
    for (let shift = 0; ; shift += 7) {
      if (shift > 21) throw new Error("malformed remaining length");
      const byte = bytes[bodyAt++];
      if (byte === undefined) return undefined;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    const endAt = bodyAt + length;
    if (endAt > bytes.length) return undefined;
    this.#onPacket(bytes[at] ?? 0, bytes, bodyAt, endAt);
    return endAt;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}
