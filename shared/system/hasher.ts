// Checksums whose fast versions live in the runtime.

export interface Hasher {
  /** CRC-32 (IEEE 802.3) as an unsigned integer. */
  crc32(bytes: Uint8Array): number;
}
