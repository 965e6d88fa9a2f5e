// Ids of calls: 16 bytes on the wire, 32 hexadecimal digits everywhere else.

import type { Random } from "../system/random.ts";

export const callIdBytes = 16;

/** A new one. */
export function drawCallId(random: Random): string {
  return Array.from({ length: 4 }, () => random.uint32().toString(16).padStart(8, "0")).join("");
}

export function isCallId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

/** `id` must be one. */
export function bytesOfCallId(id: string): Uint8Array {
  return Uint8Array.from({ length: callIdBytes }, (_, at) => Number.parseInt(id.slice(at * 2, at * 2 + 2), 16));
}

export function callIdOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
