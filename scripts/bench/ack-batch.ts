// Acknowledgements that leave in one write. Pure.

const ackBytes = 4;

export class AckBatch {
  #bytes = new Uint8Array(1024);
  #length = 0;

  add(firstByte: number, packetId: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#bytes.length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length] = firstByte;
    this.#bytes[this.#length + 1] = 2;
    this.#bytes[this.#length + 2] = packetId >> 8;
    this.#bytes[this.#length + 3] = packetId & 0xff;
    this.#length += ackBytes;
  }

  /** Everything since the last time, to be kept by the caller; undefined when there is nothing. */
  take(): Uint8Array | undefined {
    if (this.#length === 0) return undefined;
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }
}
