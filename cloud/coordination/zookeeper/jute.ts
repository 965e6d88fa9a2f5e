// Jute, ZooKeeper's encoding: big-endian int (4 bytes), long (8, a bigint), bool (1); a buffer and a string are an int length and that
// many bytes, a vector an int count and its elements; -1 for a length or count is null. Pure.
import { FogbankError } from "#shared/errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const initialBytes = 128;
const intMin = -0x80000000;
const intMax = 0x7fffffff;
/** Bytes of an empty element of a vector: no count promises more elements than it has bytes. */
const elementBytesMin = 4;

/** FOGBANK_COORDINATION_PROTOCOL: what came is not a record of this protocol. */
export class JuteError extends FogbankError {
  constructor(message: string) {
    super("FOGBANK_COORDINATION_PROTOCOL", `read what a ZooKeeper server sent: ${message}`);
    this.name = "JuteError";
  }
}

/** Builds one record. Throws a RangeError for an int or long that does not fit: that is a bug of the caller. */
export class JuteWriter {
  #bytes = new Uint8Array(initialBytes);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  int(value: number): this {
    if (!Number.isInteger(value) || value < intMin || value > intMax) throw new RangeError(`${value} is no int`);
    const at = this.#grow(4);
    this.#view.setInt32(at, value);
    return this;
  }

  long(value: bigint): this {
    if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${value} is no long`);
    const at = this.#grow(8);
    this.#view.setBigInt64(at, value);
    return this;
  }

  bool(value: boolean): this {
    const at = this.#grow(1);
    this.#bytes[at] = value ? 1 : 0;
    return this;
  }

  buffer(value: Uint8Array | null): this {
    if (value === null) return this.int(-1);
    this.int(value.length);
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  string(value: string): this {
    return this.buffer(encoder.encode(value));
  }

  vector<T>(values: readonly T[], write: (writer: this, value: T) => void): this {
    this.int(values.length);
    for (const value of values) write(this, value);
    return this;
  }

  /** As they are: the record inside another one. */
  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** What has been written; the writer is not used after it. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** Reads one record. Every method throws a JuteError when the bytes are not what it reads; none allocates more than there are bytes. */
export class JuteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  int(): number {
    return this.#view.getInt32(this.#take(4, "an int"));
  }

  long(): bigint {
    return this.#view.getBigInt64(this.#take(8, "a long"));
  }

  bool(): boolean {
    const byte = this.#bytes[this.#take(1, "a bool")];
    if (byte !== 0 && byte !== 1) throw new JuteError(`a bool is 0 or 1, not ${byte}`);
    return byte === 1;
  }

  /** A copy: what came over the socket can be forgotten. (The `slice` of a Node Buffer would be a view of it.) */
  buffer(): Uint8Array | null {
    const length = this.int();
    if (length === -1) return null;
    const at = this.#take(length, "a buffer");
    return new Uint8Array(this.#bytes.subarray(at, at + length));
  }

  /** Null as an empty string, as ZooKeeper's own client reads it where the difference means nothing. */
  string(): string {
    const length = this.int();
    if (length === -1) return "";
    const at = this.#take(length, "a string");
    return decoder.decode(this.#bytes.subarray(at, at + length));
  }

  /** Null as no elements. */
  vector<T>(read: (reader: JuteReader) => T): readonly T[] {
    const count = this.int();
    if (count === -1) return [];
    if (count < 0 || count * elementBytesMin > this.left) {
      throw new JuteError(`a vector of ${count} elements in ${this.left} bytes`);
    }
    return Array.from({ length: count }, () => read(this));
  }

  #take(count: number, what: string): number {
    if (count < 0 || count > this.left) throw new JuteError(`${what} of ${count} bytes where ${this.left} are left`);
    const at = this.#at;
    this.#at += count;
    return at;
  }
}
