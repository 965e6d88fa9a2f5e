// A write-ahead log of SQLite, read without SQLite, which stops at the first frame that is not whole and forgets what was committed
// behind it. Each frame's checksum goes on from the one before, so that one damaged frame can be told from its neighbours.
//
//   header  magic, version, page size, sequence, two salts, two checksums                    8 × u32, big-endian
//   frame   page, pages of the file if it ends a transaction or 0, two salts, two checksums  6 × u32, then the page
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

export interface WalScan {
  /**
   * `damaged`: transactions that were durable cannot be read whole. `clean` takes in what a power failure may leave: a last
   * transaction that is not whole, which nobody was told is stored.
   */
  readonly verdict: "clean" | "damaged";
  readonly pageBytes: number;
  /** Where the newest committed content of a page begins in the log. */
  readonly offsetByPage: ReadonlyMap<number, number>;
  /** Pages whose newest committed content is not readable. */
  readonly lostPages: ReadonlySet<number>;
  /** Pages of the database file after the last transaction; 0 when the log has none. */
  readonly pages: number;
}

const headerBytes = 32;
const frameHeadBytes = 24;
const magic = 0x377f0682;
const emptyScan: WalScan = {
  verdict: "clean",
  pageBytes: 0,
  offsetByPage: new Map(),
  lostPages: new Set(),
  pages: 0,
};

/** Reads the log at `file`, page by page. A log that is not there, or empty, is clean and has no pages. */
export function scanWal(file: string): WalScan {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return emptyScan;
    throw error;
  }
  try {
    return scan(descriptor, fstatSync(descriptor).size);
  } finally {
    closeSync(descriptor);
  }
}

interface Frame {
  readonly page: number;
  /** 0: the transaction goes on. */
  readonly pages: number;
  readonly offset: number;
  readonly isWhole: boolean;
}

function scan(descriptor: number, bytes: number): WalScan {
  if (bytes <= headerBytes) return emptyScan;
  const head = readAt(descriptor, 0, headerBytes);
  const pageBytes = head.getUint32(8);
  const checksum = new WalChecksum(head.getUint32(0) === magic);
  checksum.add(head, 0, 24);
  const isHead =
    (head.getUint32(0) === magic || head.getUint32(0) === magic + 1) &&
    pageBytes >= 512 &&
    pageBytes <= 65_536 &&
    (pageBytes & (pageBytes - 1)) === 0 &&
    checksum.equals(head.getUint32(24), head.getUint32(28));
  // All zeros: the system made the file longer and lost its power before the header was written.
  if (!isHead) return { ...emptyScan, verdict: isZero(descriptor, bytes) ? "clean" : "damaged" };
  const frames = readFrames(descriptor, bytes, head, pageBytes, checksum);
  const firstBad = frames.findIndex(({ isWhole }) => !isWhole);
  if (firstBad === -1) return { ...committed(frames), verdict: "clean", pageBytes };
  // The frames of a transaction are durable before the next one writes its own: two ends behind a bad frame prove that it was.
  const ends = frames.slice(firstBad).filter(({ isWhole, pages }) => isWhole && pages > 0).length;
  if (ends < 2) return { ...committed(frames.slice(0, firstBad)), verdict: "clean", pageBytes };
  return { ...committed(frames), verdict: "damaged", pageBytes };
}

/** All frames of this log; those of an earlier turn of it, which stand behind them, have other salts. */
function readFrames(
  descriptor: number,
  bytes: number,
  head: DataView,
  pageBytes: number,
  checksum: WalChecksum,
): readonly Frame[] {
  const frames: Frame[] = [];
  let newest = 0;
  for (let at = headerBytes; at + frameHeadBytes + pageBytes <= bytes; at += frameHeadBytes + pageBytes) {
    const frame = readAt(descriptor, at, frameHeadBytes + pageBytes);
    const isOfThisTurn = frame.getUint32(8) === head.getUint32(16) && frame.getUint32(12) === head.getUint32(20);
    const [stored0, stored1] = [frame.getUint32(16), frame.getUint32(20)];
    checksum.add(frame, 0, 8);
    checksum.add(frame, frameHeadBytes, pageBytes);
    const isWhole = isOfThisTurn && checksum.equals(stored0, stored1);
    checksum.set(stored0, stored1);
    frames.push({
      page: isOfThisTurn ? frame.getUint32(0) : 0,
      pages: isOfThisTurn ? frame.getUint32(4) : 0,
      offset: at + frameHeadBytes,
      isWhole,
    });
    if (isOfThisTurn) newest = frames.length;
  }
  return frames.slice(0, newest);
}

function committed(frames: readonly Frame[]): Pick<WalScan, "offsetByPage" | "lostPages" | "pages"> {
  const offsetByPage = new Map<number, number>();
  const lostPages = new Set<number>();
  let pages = 0;
  let open: Frame[] = [];
  for (const frame of frames) {
    open.push(frame);
    if (frame.pages === 0) continue;
    for (const { page, offset, isWhole } of open) {
      if (isWhole) {
        offsetByPage.set(page, offset);
        lostPages.delete(page);
      } else if (page > 0) {
        offsetByPage.delete(page);
        lostPages.add(page);
      }
    }
    if (frame.isWhole) pages = frame.pages;
    open = [];
  }
  return { offsetByPage, lostPages, pages };
}

/** SQLite's own sum over pairs of words. */
class WalChecksum {
  readonly #isLittleEndian: boolean;
  #s0 = 0;
  #s1 = 0;

  constructor(isLittleEndian: boolean) {
    this.#isLittleEndian = isLittleEndian;
  }

  set(s0: number, s1: number): void {
    this.#s0 = s0;
    this.#s1 = s1;
  }

  equals(s0: number, s1: number): boolean {
    return this.#s0 === s0 && this.#s1 === s1;
  }

  add(view: DataView, from: number, bytes: number): void {
    let s0 = this.#s0;
    let s1 = this.#s1;
    for (let at = from; at < from + bytes; at += 8) {
      s0 = (s0 + view.getUint32(at, this.#isLittleEndian) + s1) >>> 0;
      s1 = (s1 + view.getUint32(at + 4, this.#isLittleEndian) + s0) >>> 0;
    }
    this.#s0 = s0;
    this.#s1 = s1;
  }
}

function readAt(descriptor: number, at: number, bytes: number): DataView {
  const buffer = new Uint8Array(bytes);
  readSync(descriptor, buffer, 0, bytes, at);
  return new DataView(buffer.buffer);
}

function isZero(descriptor: number, bytes: number): boolean {
  const block = new Uint8Array(65_536);
  for (let at = 0; at < bytes; at += block.length) {
    const read = readSync(descriptor, block, 0, block.length, at);
    if (block.subarray(0, read).some((byte) => byte !== 0)) return false;
  }
  return true;
}
