// Whether a number ever stands for two messages where it arrives [O10]: a node on an older copy of its disk, or on a clone, must take a
// new epoch before anything that it stores is taken in elsewhere.
import { inflateRawSync } from "node:zlib";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { SegmentReader } from "#shared/journal/segment-reader.ts";
import { segmentFlags } from "#shared/journal/segment.ts";
import type { WireSegment } from "#shared/link/frames.ts";
import { forgedNumber } from "./forged-frames.ts";
import type { CommitFollower } from "./numbered.ts";

export class TakenOnce {
  readonly faults: string[] = [];
  readonly #nameMessage: (payload: Uint8Array) => string;
  readonly #taken = new Map<string, string>();

  constructor(nameMessage: (payload: Uint8Array) => string) {
    this.#nameMessage = nameMessage;
  }

  /** Follows what a node takes in. Under a number that it has, it takes everything for a duplicate. */
  follow(node: string): CommitFollower {
    return (requests, outcomes) =>
      requests.forEach(({ name, args }, index) => {
        const outcome = outcomes[index];
        if (name !== "ingest" || outcome === undefined || "error" in outcome) return;
        const { batch } = args as { readonly batch: { readonly segments: readonly WireSegment[] } };
        for (const segment of batch.segments) this.take(node, segment);
      });
  }

  take(node: string, { origin, epoch, streamId, first, flags, body, crc }: WireSegment): void {
    if (body === null || first >= forgedNumber) return;
    const plain = (flags & segmentFlags.deflate) === 0 ? body : inflateRawSync(body);
    if (nodeHasher.crc32(plain) !== crc) return;
    const reader = new SegmentReader(plain);
    for (let number = first; reader.next(); number++) {
      const key = `${origin} ${epoch} ${streamId} ${number}`;
      const message = this.#nameMessage(reader.payload());
      const before = this.#taken.get(key);
      if (before !== undefined && before !== message)
        this.faults.push(`[O10] ${node} takes in ${message} as ${key}, which was ${before}`);
      this.#taken.set(key, message);
    }
  }
}
