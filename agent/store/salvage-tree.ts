// The trees of pages in which SQLite keeps tables and indexes, walked as far as they can be read.
import type { SqlValue } from "#shared/system/sql-database.ts";
import type { DamagedPages } from "./salvage-pages.ts";
import { decodeRecord, readVarint } from "./salvage-record.ts";

/** `table`: rows under a number of their own; `index`: records in order, as in an index or a table WITHOUT ROWID. */
export type TreeKind = "table" | "index";

/** One row: `rowid` is 0 in an index. */
export interface TreeRow {
  readonly rowid: number;
  readonly values: readonly SqlValue[];
}

const interiorIndex = 2;
const interiorTable = 5;
const leafIndex = 10;
const leafTable = 13;
const depthMax = 32;
/** The header of the file stands on page 1, before that page's own. */
const fileHeadBytes = 100;

export class TreeReader {
  readonly #pages: DamagedPages;
  readonly #visited: Uint8Array;
  /** Pages, and rows on pages, that cannot be read. */
  #faults = 0;

  constructor(pages: DamagedPages) {
    this.#pages = pages;
    this.#visited = new Uint8Array(pages.count + 1);
  }

  /** Counts up with everything that could not be read. */
  get faults(): number {
    return this.#faults;
  }

  /** Whether that page has been reached, by a walk or by `markVisited`. */
  isVisited(page: number): boolean {
    return this.#visited[page] === 1;
  }

  markVisited(page: number): boolean {
    if (page < 1 || page > this.#pages.count || this.isVisited(page)) return false;
    this.#visited[page] = 1;
    return true;
  }

  /** Every row of the tree below `root` that can be read, in its order. */
  *rows(root: number, kind: TreeKind, depth = 0): Generator<TreeRow> {
    const page = depth < depthMax && this.markVisited(root) ? parsePage(this.#pages.page(root), root) : undefined;
    if (page === undefined || page.kind !== kind) {
      this.#faults++;
      return;
    }
    for (const at of page.cells) {
      if (page.isLeaf) {
        yield* this.#row(page, at);
        continue;
      }
      yield* this.rows(page.view.getUint32(at), kind, depth + 1);
      if (kind === "index") yield* this.#row(page, at);
    }
    this.#faults += page.badCells;
    if (!page.isLeaf) yield* this.rows(page.right, kind, depth + 1);
  }

  /** The rows on one page that no tree leads to. Undefined when it is none with rows. */
  rowsOfPage(number: number): { readonly kind: TreeKind; readonly rows: readonly TreeRow[] } | undefined {
    const page = parsePage(this.#pages.page(number), number);
    if (page === undefined || (page.kind === "table" && !page.isLeaf)) return undefined;
    return { kind: page.kind, rows: page.cells.flatMap((at) => [...this.#row(page, at)]) };
  }

  *#row(page: Page, at: number): Generator<TreeRow> {
    const cell = readCell(page, at);
    const payload = cell && this.#payload(page, cell);
    const values = payload && decodeRecord(payload);
    if (cell === undefined || values === undefined) this.#faults++;
    else yield { rowid: cell.rowid, values };
  }

  /** The whole payload, with what stands on overflow pages. */
  #payload(page: Page, { from, bytes }: Cell): Uint8Array | undefined {
    const local = localBytes(page.kind, bytes, this.#pages.usableBytes);
    if (from + local > this.#pages.usableBytes) return undefined;
    if (local === bytes) return page.bytes.subarray(from, from + bytes);
    // A damaged length must not allocate.
    const perPage = this.#pages.usableBytes - 4;
    if (bytes > this.#pages.count * perPage || from + local + 4 > this.#pages.usableBytes) return undefined;
    const payload = new Uint8Array(bytes);
    payload.set(page.bytes.subarray(from, from + local));
    let next = page.view.getUint32(from + local);
    for (let filled = local; filled < bytes; filled += perPage) {
      // Two rows never share a page: a second visit means that one of the pointers is damaged.
      const overflow = this.markVisited(next) ? this.#pages.page(next) : undefined;
      if (overflow === undefined) return undefined;
      payload.set(overflow.subarray(4, 4 + Math.min(perPage, bytes - filled)), filled);
      next = new DataView(overflow.buffer).getUint32(0);
    }
    return next === 0 ? payload : undefined;
  }
}

interface Page {
  readonly kind: TreeKind;
  readonly isLeaf: boolean;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where each cell begins. */
  readonly cells: readonly number[];
  readonly badCells: number;
  /** The last child of a page that is no leaf. */
  readonly right: number;
}

function parsePage(bytes: Uint8Array | undefined, number: number): Page | undefined {
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = number === 1 ? fileHeadBytes : 0;
  const type = view.getUint8(at);
  if (![interiorIndex, interiorTable, leafIndex, leafTable].includes(type)) return undefined;
  const isLeaf = type === leafIndex || type === leafTable;
  const count = view.getUint16(at + 3);
  const pointersAt = at + (isLeaf ? 8 : 12);
  const end = pointersAt + 2 * count;
  if (end > bytes.length) return undefined;
  const pointers = Array.from({ length: count }, (_, index) => view.getUint16(pointersAt + 2 * index));
  const cells = pointers.filter((pointer) => pointer >= end && pointer + 4 <= bytes.length);
  return {
    kind: type === leafTable || type === interiorTable ? "table" : "index",
    isLeaf,
    bytes,
    view,
    cells,
    badCells: count - cells.length,
    right: isLeaf ? 0 : view.getUint32(at + 8),
  };
}

interface Cell {
  readonly rowid: number;
  /** Where the payload begins, and how long all of it is. */
  readonly from: number;
  readonly bytes: number;
}

function readCell({ kind, isLeaf, bytes }: Page, at: number): Cell | undefined {
  const length = readVarint(bytes, isLeaf ? at : at + 4);
  if (length === undefined) return undefined;
  const rowid = kind === "table" ? readVarint(bytes, length.end) : { value: 0, end: length.end };
  return rowid && { rowid: rowid.value, from: rowid.end, bytes: length.value };
}

/** How much of a payload stands on its own page: the formula of the file format. */
function localBytes(kind: TreeKind, bytes: number, usable: number): number {
  const max = kind === "table" ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23;
  if (bytes <= max) return bytes;
  const min = Math.floor(((usable - 12) * 32) / 255) - 23;
  const local = min + ((bytes - min) % (usable - 4));
  return local <= max ? local : min;
}
