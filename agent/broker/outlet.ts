// What leaves on one connection: gathered over a turn of the event loop, written at once.
import type { Duplex } from "node:stream";
import { limits } from "#shared/limits.ts";

/** Most turns bring a client little: a socket that is slow to take it holds no more than the smaller size for it. */
const smallBytes = 8 * 1024;
const largeBytes = 64 * 1024;
/** Bytes handed to the socket at a time: it tells of progress only when it has taken all of them. */
const inFlightBytes = 256 * 1024;
const smallKept = 512;
const largeKept = 64;

/** Chunks that are used again and again, and the outlets that have something to write at the end of this turn. */
export class OutletPool {
  readonly #small: Buffer[] = [];
  readonly #large: Buffer[] = [];
  #waiting: Outlet[] = [];
  #isScheduled = false;
  /** Bytes that sockets have not taken yet, of all outlets. */
  unsentBytes = 0;

  /** Of at least `length` bytes. */
  take(length: number): Buffer {
    if (length <= smallBytes) return this.#small.pop() ?? Buffer.allocUnsafeSlow(smallBytes);
    if (length <= largeBytes) return this.#large.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
    return Buffer.allocUnsafeSlow(length);
  }

  give(chunk: Buffer): void {
    if (chunk.length === smallBytes && this.#small.length < smallKept) this.#small.push(chunk);
    else if (chunk.length === largeBytes && this.#large.length < largeKept) this.#large.push(chunk);
  }

  /** Flushes `outlet` when everything that came in this turn has been handled. */
  schedule(outlet: Outlet): void {
    this.#waiting.push(outlet);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#flushAll);
  }

  readonly #flushAll = (): void => {
    this.#isScheduled = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const outlet of waiting) outlet.flush();
  };
}

export class Outlet {
  readonly #pool: OutletPool;
  readonly #stream: Duplex;
  readonly #onDrained: () => void;
  #chunk: Buffer | undefined;
  #used = 0;
  /** Full chunks that wait until the socket has taken the ones before. */
  readonly #full: Buffer[] = [];
  #fullBytes = 0;
  #isScheduled = false;
  #isClosed = false;
  /** As much of the pool's unsent bytes is this outlet's. */
  #unsent = 0;
  /** Bytes handed over so far, for statistics. */
  bytesOut = 0;

  /** `onDrained`: what could not be written at once has left. */
  constructor(pool: OutletPool, stream: Duplex, onDrained: () => void) {
    this.#pool = pool;
    this.#stream = stream;
    this.#onDrained = onDrained;
  }

  /** Bytes that have not left this process. */
  get pendingBytes(): number {
    return this.#used + this.#fullBytes + this.#stream.writableLength;
  }

  /** Whether all outlets together hold so much that those who are behind get no more. */
  get isCrowded(): boolean {
    return this.#pool.unsentBytes > limits.writeQueuesBytes && this.#unsent > 0;
  }

  /** Bytes that have left it. */
  get leftBytes(): number {
    return this.bytesOut - this.#fullBytes - this.#stream.writableLength;
  }

  /** The chunk in which the last `reserve` found room. */
  get chunk(): Buffer {
    if (this.#chunk === undefined) throw new Error("assertion failed: room was reserved");
    return this.#chunk;
  }

  /** Room for `length` bytes; answers where in `chunk` they are to be put, now. */
  reserve(length: number): number {
    if (this.#chunk === undefined || this.#used + length > this.#chunk.length) this.#makeRoom(length);
    const at = this.#used;
    this.#used += length;
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#pool.schedule(this);
    }
    return at;
  }

  append(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.chunk.set(bytes, at);
  }

  /** Writes what is there, unless earlier bytes still wait: then it goes with them gone. */
  readonly flush = (): void => {
    this.#isScheduled = false;
    if (this.#used === 0 || this.#stream.writableLength > 0) return;
    this.#write();
  };

  /** Everything out, then the end of the stream. */
  end(): void {
    if (this.#isClosed) return;
    if (this.#used > 0) this.#write();
    for (const chunk of this.#full.splice(0)) this.#stream.write(chunk);
    this.#fullBytes = 0;
    this.#isClosed = true;
    this.#stream.once("close", () => this.#account(0)); // until then it is unsent
    this.#stream.end();
  }

  /** Nothing more is written. */
  close(): void {
    this.#isClosed = true;
    this.#account(0);
    if (this.#chunk !== undefined) this.#pool.give(this.#chunk);
    this.#chunk = undefined;
    this.#used = 0;
    this.#full.length = 0;
    this.#fullBytes = 0;
  }

  #makeRoom(length: number): void {
    const chunk = this.#chunk;
    if (chunk?.length === smallBytes && this.#used + length <= largeBytes) {
      const larger = this.#pool.take(largeBytes);
      chunk.copy(larger, 0, 0, this.#used);
      this.#pool.give(chunk);
      this.#chunk = larger;
      return;
    }
    if (this.#used > 0) this.#write();
    if (this.#chunk !== undefined && this.#chunk.length < length) {
      this.#pool.give(this.#chunk);
      this.#chunk = undefined;
    }
    this.#chunk ??= this.#pool.take(length);
  }

  #write(): void {
    const chunk = this.#chunk;
    const used = this.#used;
    this.#used = 0;
    if (chunk === undefined || this.#isClosed) return;
    this.bytesOut += used;
    this.#chunk = undefined;
    const bytes = used === chunk.length ? chunk : chunk.subarray(0, used);
    if (this.#full.length > 0 || this.#stream.writableLength > inFlightBytes) {
      this.#full.push(bytes);
      this.#fullBytes += used;
    } else {
      this.#stream.write(bytes, this.#written);
      // Zero: the system has taken all of it, and nobody looks at the chunk any more.
      if (this.#stream.writableLength === 0) this.#pool.give(chunk);
    }
    this.#account(this.#fullBytes + this.#stream.writableLength);
  }

  /** Hands over the next of the full chunks. */
  #writeFull(): void {
    let next = this.#full[0];
    while (next !== undefined && this.#stream.writableLength <= inFlightBytes) {
      this.#full.shift();
      this.#fullBytes -= next.length;
      this.#stream.write(next, this.#written);
      next = this.#full[0];
    }
  }

  #account(unsent: number): void {
    this.#pool.unsentBytes += unsent - this.#unsent;
    this.#unsent = unsent;
  }

  readonly #written = (error?: Error | null): void => {
    if (error) this.#account(0);
    if (error || this.#isClosed) return;
    this.#account(this.#fullBytes + this.#stream.writableLength);
    if (this.#stream.writableLength > 0) return;
    if (this.#full.length > 0) {
      this.#writeFull();
      return;
    }
    if (this.#used > 0) this.#write();
    this.#onDrained();
  };
}
