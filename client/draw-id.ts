// Ids that nobody else draws.

/** `bytes` of chance as hexadecimal digits in lower case. */
export function drawId(bytes = 16): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}
