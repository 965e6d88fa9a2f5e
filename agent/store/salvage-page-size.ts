// How large the pages of a database are whose header is gone. The pages themselves tell: each page of a tree says where on it its
// content begins (https://www.sqlite.org/fileformat.html, section 1.6). Only the two sizes that this program ever wrote are asked for.

const smallBytes = 2_048;
const largeBytes = 4_096;
/** Of the file, what is looked at: the first pages of every table are near its beginning. */
const lookedAtMax = 16 * 1024 * 1024;

/** Types of tree pages, and the bytes of their headers. */
const headerBytesByType: ReadonlyMap<number, number> = new Map([
  [2, 12],
  [5, 12],
  [10, 8],
  [13, 8],
]);

/** `read` answers `length` bytes of the file from `at`, or undefined. Without any trace it is 4096, the size of older files. */
export function likelyPageBytes(
  read: (at: number, length: number) => Uint8Array | undefined,
  fileBytes: number,
): number {
  let small = 0;
  let large = 0;
  const end = Math.min(fileBytes, lookedAtMax);
  for (let at = 0; at + largeBytes <= end; at += largeBytes) {
    const bytes = read(at, largeBytes);
    if (bytes === undefined) continue;
    // In the middle of a large page there is no header; on a small one nothing lies beyond its end.
    if (lastContent(bytes.subarray(smallBytes)) !== undefined) small++;
    if ((lastContent(bytes) ?? 0) >= smallBytes) large++;
  }
  return small > large ? smallBytes : largeBytes;
}

/** Where the last cell of the tree page `page` begins, or the end of an empty one; undefined when it is none. */
function lastContent(page: Uint8Array): number | undefined {
  const headerBytes = headerBytesByType.get(page[0] ?? 0);
  if (headerBytes === undefined) return undefined;
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  const cells = view.getUint16(3);
  const lowest = view.getUint16(5);
  const isInside = headerBytes + 2 * cells <= lowest && lowest <= page.length;
  if (!isInside) return undefined;
  if (cells === 0) return lowest === page.length ? lowest : undefined;
  let highest = 0;
  for (let cell = 0; cell < cells; cell++) {
    const start = view.getUint16(headerBytes + 2 * cell);
    if (start < lowest || start >= page.length) return undefined;
    highest = Math.max(highest, start);
  }
  return highest;
}
