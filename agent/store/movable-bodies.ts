// Which bodies are moved to another thread instead of being copied there. A copy is written twice on its way, and its memory stays until
// both threads have collected their garbage; a move costs the same for every buffer, small or large.

/** Below this a copy is cheaper. */
const movedBytesMin = 4_096;

/** Buffers of the larger bodies, each once. A body that is a part of a buffer stays a copy: somebody may use the rest. */
export function movableBuffers(segments: readonly { readonly body: Uint8Array | null }[]): readonly ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { body } of segments) {
    if (body === null || body.length < movedBytesMin) continue;
    if (body.buffer instanceof ArrayBuffer && body.length === body.buffer.byteLength) buffers.add(body.buffer);
  }
  return [...buffers];
}
