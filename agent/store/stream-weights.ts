// How much each stream weighs on the disk, and what it may: read when somebody has to give way.
import type { DatabaseSync } from "node:sqlite";
import type { StreamWeight } from "#shared/journal/eviction.ts";
import { fullPolicies, streamClassCodes, type Priority, type StreamClass } from "#shared/journal/stream.ts";
import { segmentOverheadBytes } from "./segment-weight.ts";
import type { OwnStreamBounds, StreamBounds } from "./stream-bounds.ts";
import type { StreamKey } from "./stream-key.ts";

export interface WeighedStream extends StreamWeight {
  readonly key: StreamKey;
  /** Name of the origin, and of the stream there. */
  readonly node: string;
  readonly name: string;
  readonly class: StreamClass;
  readonly bounds: StreamBounds;
  readonly segments: number;
  /** Class final: some of its numbers are with the parent, and may be kept here until the root has them. */
  readonly hasHanded: boolean;
}

const columns = `SELECT s.origin AS origin, s.stream AS stream, o.node AS node, s.name AS name, s.priority AS priority,
    s.class AS class, s.policy AS policy, s.held_bytes AS heldBytes, s.segments AS segments, s.handed IS NOT NULL AS hasHanded
  FROM stream s JOIN origin o ON o.id = s.origin`;

export class StreamWeights {
  readonly #bounds: OwnStreamBounds;
  readonly #all;
  readonly #one;

  constructor(database: DatabaseSync, bounds: OwnStreamBounds) {
    this.#bounds = bounds;
    this.#all = database.prepare(`${columns} WHERE s.waiting = 1`);
    this.#one = database.prepare(`${columns} WHERE o.node = ? AND o.epoch = ? AND s.stream = ?`);
  }

  /** Every stream that has something stored. */
  all(): readonly WeighedStream[] {
    return this.#all.all().map((row) => this.#weighed(row));
  }

  find(node: string, epoch: number, streamId: number): WeighedStream | undefined {
    const row = this.#one.get(node, epoch, streamId);
    return row === undefined ? undefined : this.#weighed(row);
  }

  #weighed(row: Record<string, unknown>): WeighedStream {
    const named = { node: String(row["node"]), name: String(row["name"]) };
    const bounds = this.#bounds.of(named);
    const segments = Number(row["segments"]);
    return {
      ...named,
      key: { origin: Number(row["origin"]), stream: Number(row["stream"]) },
      class: row["class"] === streamClassCodes.final ? "final" : "custody",
      priority: Number(row["priority"]) as Priority,
      policy: fullPolicies[Number(row["policy"])] ?? "oldest",
      share: bounds.share ?? 1,
      bytes: Number(row["heldBytes"]) + segments * segmentOverheadBytes,
      bounds,
      segments,
      hasHanded: row["hasHanded"] === 1,
    };
  }
}
