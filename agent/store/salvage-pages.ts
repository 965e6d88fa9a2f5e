// The pages of a damaged database: those of the file, and over them those of its write-ahead log.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { likelyPageBytes } from "./salvage-page-size.ts";
import { scanWal, type WalScan } from "./salvage-wal.ts";

const magic = "SQLite format 3\0";

export class DamagedPages implements Disposable {
  readonly pageBytes: number;
  /** Bytes of a page that hold content. */
  readonly usableBytes: number;
  /** Pages are numbered from 1 to this one. */
  readonly count: number;
  readonly #file: number;
  readonly #log: number | undefined;
  readonly #scan: WalScan;
  /** Pages that should be there and are not. */
  readonly #missing = new Set<number>();

  /** Reads `file` and its `-wal`; changes neither. */
  constructor(file: string) {
    this.#file = openSync(file, "r");
    this.#scan = scanWal(`${file}-wal`);
    this.#log = this.#scan.offsetByPage.size > 0 ? openSync(`${file}-wal`, "r") : undefined;
    const bytes = fstatSync(this.#file).size;
    const head = this.#head();
    const isHead = head !== undefined && new TextDecoder("latin1").decode(head.subarray(0, 16)) === magic;
    const stated = isHead ? ((head[16] ?? 0) << 8) | (head[17] ?? 0) : 0;
    const pageBytes = stated === 1 ? 65_536 : stated;
    const isPageSize = pageBytes >= 512 && (pageBytes & (pageBytes - 1)) === 0;
    const known = this.#scan.pageBytes > 0 ? this.#scan.pageBytes : isPageSize ? pageBytes : undefined;
    this.pageBytes = known ?? likelyPageBytes((at, length) => this.#inFile(at, length), bytes);
    const reserved = isHead ? (head[20] ?? 0) : 0;
    this.usableBytes = this.pageBytes - (reserved <= this.pageBytes - 480 ? reserved : 0);
    const inFile = Math.floor(bytes / this.pageBytes);
    this.count = this.#scan.pages > 0 ? this.#scan.pages : inFile;
  }

  /** A copy of the page's bytes, or undefined when it is not there. */
  page(number: number): Uint8Array | undefined {
    const bytes = this.#read(number);
    if (bytes === undefined) this.#missing.add(number);
    return bytes;
  }

  /** How many different pages were asked for and not there. */
  get missing(): number {
    return this.#missing.size;
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
    if (this.#log !== undefined) closeSync(this.#log);
  }

  #read(number: number): Uint8Array | undefined {
    if (number < 1 || number > this.count || this.#scan.lostPages.has(number)) return undefined;
    const page = new Uint8Array(this.pageBytes);
    const logged = this.#scan.offsetByPage.get(number);
    const read =
      logged !== undefined && this.#log !== undefined
        ? readSync(this.#log, page, 0, this.pageBytes, logged)
        : readOrNothing(this.#file, page, (number - 1) * this.pageBytes);
    return read === this.pageBytes ? page : undefined;
  }

  /** Bytes of the main file. */
  #inFile(at: number, length: number): Uint8Array | undefined {
    const bytes = new Uint8Array(length);
    return readOrNothing(this.#file, bytes, at) === length ? bytes : undefined;
  }

  /** The first hundred bytes, before the size of a page is known. */
  #head(): Uint8Array | undefined {
    const head = new Uint8Array(100);
    const logged = this.#scan.offsetByPage.get(1);
    const read =
      logged !== undefined && this.#log !== undefined
        ? readSync(this.#log, head, 0, head.length, logged)
        : readOrNothing(this.#file, head, 0);
    return read === head.length ? head : undefined;
  }
}

/** A sector that the disk cannot read any more is a page that is not there. */
function readOrNothing(descriptor: number, into: Uint8Array, at: number): number {
  try {
    return readSync(descriptor, into, 0, into.length, at);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EIO") return 0;
    throw error;
  }
}
