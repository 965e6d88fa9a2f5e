// Builds one control packet: the fields first, then the fixed header in front.

const utf8 = new TextEncoder();

/** Bytes that a variable byte integer takes. */
export function variableIntegerBytes(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4;
}

export class PacketWriter {
  #bytes = new Uint8Array(64);
  #used = 0;

  get used(): number {
    return this.#used;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#used++] = value;
  }

  twoBytes(value: number): void {
    this.byte(value >>> 8);
    this.byte(value & 0xff);
  }

  fourBytes(value: number): void {
    this.twoBytes(value >>> 16);
    this.twoBytes(value & 0xffff);
  }

  variableInteger(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  binary(bytes: Uint8Array): void {
    this.twoBytes(bytes.length);
    this.raw(bytes);
  }

  text(text: string): void {
    this.binary(utf8.encode(text));
  }

  /** The fields as they stand. */
  fields(): Uint8Array {
    return this.#bytes.slice(0, this.#used);
  }

  /** The whole packet with `firstByte` (type and flags) in front. */
  packet(firstByte: number): Uint8Array {
    const header = new PacketWriter();
    header.byte(firstByte);
    header.variableInteger(this.#used);
    header.raw(this.#bytes.subarray(0, this.#used));
    return header.fields();
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + bytes));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }
}
