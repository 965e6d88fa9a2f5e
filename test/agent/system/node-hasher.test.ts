import { expect, test } from "vitest";
import { nodeHasher } from "#agent/system/node-hasher.ts";

test("the check value of CRC-32", () => {
  expect(nodeHasher.crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});
