// What a publisher sends, encoded beforehand: its topics in turn, packet after packet, so that what leaves in one write is a copy
// of a stretch of it. Pure.
import type { PublishImage } from "./packets.ts";

const packetsMin = 64;

export class PublishCycle {
  /** Of each packet. */
  readonly packetBytes: number;
  /** Within a packet. */
  readonly packetIdAt: number;
  readonly payloadAt: number;
  readonly #bytes: Uint8Array;
  #at = 0;

  /** One image for each topic, all of one size. */
  constructor(images: readonly PublishImage[]) {
    const first = images[0];
    if (first === undefined) throw new Error("a cycle needs at least one packet");
    this.packetBytes = first.bytes.length;
    this.packetIdAt = first.packetIdAt;
    this.payloadAt = first.payloadAt;
    const times = Math.ceil(packetsMin / images.length);
    this.#bytes = new Uint8Array(times * images.length * this.packetBytes);
    for (let i = 0; i < times * images.length; i++) {
      const image = images[i % images.length];
      if (image?.bytes.length !== this.packetBytes) throw new Error("the packets of a cycle differ in size");
      this.#bytes.set(image.bytes, i * this.packetBytes);
    }
  }

  /** Fills `target` with the next packets. */
  copyTo(target: Uint8Array): void {
    for (let at = 0; at < target.length;) {
      const stretch = Math.min(target.length - at, this.#bytes.length - this.#at);
      target.set(this.#bytes.subarray(this.#at, this.#at + stretch), at);
      at += stretch;
      this.#at = (this.#at + stretch) % this.#bytes.length;
    }
  }
}
