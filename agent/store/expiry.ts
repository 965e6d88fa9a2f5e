// Messages of this node's own that have become older than their stream allows, and are still here.
import { limits } from "#shared/limits.ts";
import type { SegmentRemoval } from "./segment-removal.ts";
import type { OwnStreamBounds } from "./stream-bounds.ts";
import type { StreamWeights } from "./stream-weights.ts";

export interface ExpiryDeps {
  readonly weights: StreamWeights;
  readonly removal: SegmentRemoval;
  readonly bounds: OwnStreamBounds;
}

export class Expiry {
  readonly #deps: ExpiryDeps;
  /** Number at which the search in a stream goes on, where it did not end. */
  readonly #places = new Map<string, number>();

  constructor(deps: ExpiryDeps) {
    this.#deps = deps;
  }

  /** One portion, from the oldest on: segments that went, and whether there is more to look at. `nowMs`: the tree's time. */
  run(nowMs: number): { readonly segments: number; readonly more: boolean } {
    const { weights, removal, bounds } = this.#deps;
    if (!bounds.hasAges) return { segments: 0, more: false };
    let segments = 0;
    let more = false;
    for (const stream of weights.all()) {
      const { maxAgeMs } = stream.bounds;
      if (maxAgeMs === undefined) continue;
      if (segments >= limits.upkeepSegments) return { segments, more: true };
      const name = `${stream.key.origin} ${stream.key.stream}`;
      const rules = {
        policy: "ttl" as const,
        age: { nowMs, expiredBeforeMs: nowMs - maxAgeMs },
        bytes: Infinity,
        segmentsMax: limits.upkeepSegments - segments,
        looksMax: limits.upkeepLooks,
      };
      const taken = removal.take(stream, this.#places.get(name) ?? 0, rules, "expired");
      segments += taken.segments;
      if (taken.ended) this.#places.delete(name);
      else this.#places.set(name, taken.next);
      more ||= !taken.ended;
    }
    return { segments, more };
  }
}
