import { expect, test } from "vitest";
import { lockHolderIn } from "#agent/doctor/running-node.ts";

const locks = `1: POSIX  ADVISORY  READ 10 fe:00:4711 1073741826 1073742335
2: POSIX  ADVISORY  WRITE 11 fe:00:4712 1073741824 1073742335
2: -> POSIX  ADVISORY  WRITE 12 fe:00:4711 1073741824 1073742335
3: POSIX  ADVISORY  WRITE 13 fe:00:4711 1073741824 1073742335
`;

test("whoever has locked a file for writing is found by device and number", () => {
  expect(lockHolderIn(locks, 0xfe00, 4711)).toBe(13);
  expect(lockHolderIn(locks, 0xfe00, 4712)).toBe(11);
  expect(lockHolderIn(locks, 0xfe00, 4713)).toBeUndefined();
  expect(lockHolderIn(locks, 0xfd00, 4711)).toBeUndefined();
  expect(lockHolderIn("", 0xfe00, 4711)).toBeUndefined();
});

test("a device with large numbers, and a process of another container", () => {
  const dev = 259 * 256 + 5; // an NVMe partition: 103:05
  expect(lockHolderIn("1: POSIX  ADVISORY  WRITE 9 103:05:1 0 EOF", dev, 1)).toBe(9);
  expect(lockHolderIn("1: POSIX  ADVISORY  WRITE 0 103:05:1 0 EOF", dev, 1)).toBeUndefined();
});
