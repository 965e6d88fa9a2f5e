// Frames: an int length and that many bytes, both ways. Pure; a length is compared with its bound before anything is kept for it.
import { limits } from "#shared/limits.ts";
import { JuteError } from "./jute.ts";

const headBytes = 4;

/** Puts frames together from the pieces that a socket delivers. */
export class FrameAssembler {
  #pieces: Uint8Array[] = [];
  #length = 0;

  /** The frames that are complete with `piece`, in order. Throws a JuteError for a length out of bounds: the connection is of no use then. */
  push(piece: Uint8Array): readonly Uint8Array[] {
    this.#pieces.push(piece);
    this.#length += piece.length;
    const frames: Uint8Array[] = [];
    if (this.#length < this.#wanted()) return frames;
    const bytes = this.#joined();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (bytes.length - at >= headBytes) {
      const length = checkedLength(view.getInt32(at));
      if (bytes.length - at < headBytes + length) break;
      frames.push(bytes.subarray(at + headBytes, at + headBytes + length));
      at += headBytes + length;
    }
    this.#pieces = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#length = bytes.length - at;
    return frames;
  }

  /** Bytes with which there is something new to see: a head, or the end of the frame whose head is there. */
  #wanted(): number {
    const [first] = this.#pieces;
    if (first === undefined || first.length < headBytes) return headBytes;
    const view = new DataView(first.buffer, first.byteOffset, first.byteLength);
    return headBytes + checkedLength(view.getInt32(0));
  }

  #joined(): Uint8Array {
    const [first] = this.#pieces;
    if (first !== undefined && this.#pieces.length === 1) return first;
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }
}

function checkedLength(length: number): number {
  if (length < 0 || length > limits.coordinationReplyBytes) {
    throw new JuteError(`a frame of ${length} bytes, where 0 to ${limits.coordinationReplyBytes} are taken`);
  }
  return length;
}
