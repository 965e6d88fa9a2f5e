// Checksums by the zlib of the runtime.
import { crc32 } from "node:zlib";
import type { Hasher } from "#shared/system/hasher.ts";

export const nodeHasher: Hasher = { crc32: (bytes) => crc32(bytes) };
