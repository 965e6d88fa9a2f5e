import { expect, test } from "vitest";
import { parseWrittenBytes } from "../../../../scripts/bench/journal/written-bytes.ts";

test("bytes written to a disk are not those passed to write()", () => {
  const io = "rchar: 1\nwchar: 999\nsyscr: 2\nsyscw: 3\nread_bytes: 4\nwrite_bytes: 4096\ncancelled_write_bytes: 512\n";
  expect(parseWrittenBytes(io)).toBe(4_096);
});

test("without the line nothing is known", () => {
  expect(parseWrittenBytes("wchar: 999\ncancelled_write_bytes: 512\n")).toBeNaN();
});
