// Clocks that stamped segments before the tree's time was known, and how to repair such segments.
import type { DatabaseSync } from "node:sqlite";
import { repairOf, type Frame, type Repair } from "#shared/journal/tree-clock.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import { repaired } from "./outgoing-segment.ts";
import type { StoredSegment } from "./segment-repository.ts";

/**
 * Instead of a clock's row: a node's own messages that came back from below. They are in the tree's time, but another node may have
 * repaired them, so that their bytes tell nothing about who has numbered them.
 */
export const clockOfAnother = -1;

export class ClockRepository {
  readonly #hasher: Hasher;
  readonly #find;
  readonly #add;
  readonly #get;
  /** The boot in which this process runs; its clock is only comparable with others of the same. */
  #bootId = "";

  constructor(database: DatabaseSync, hasher: Hasher) {
    this.#hasher = hasher;
    this.#find = database.prepare("SELECT id FROM clock WHERE boot = ? AND offset_ms = ?");
    this.#add = database.prepare("INSERT INTO clock(boot, offset_ms) VALUES(?, ?)");
    this.#get = database.prepare("SELECT boot, offset_ms AS offsetMs FROM clock WHERE id = ?");
  }

  begin(bootId: string): void {
    this.#bootId = bootId;
  }

  /** The row of a clock of this boot with that offset to the monotonic one; 0 for none, which is the tree's. */
  idOf(offsetMs: number | undefined): number {
    if (offsetMs === undefined) return 0;
    const row = this.#find.get(this.#bootId, offsetMs);
    return row === undefined ? Number(this.#add.run(this.#bootId, offsetMs).lastInsertRowid) : Number(row["id"]);
  }

  /** What to do with a segment of that clock when it is handed on; undefined when it needs nothing. */
  shiftOf(clock: number, stamps: Frame): Repair | undefined {
    const row = clock === 0 ? undefined : this.#get.get(clock);
    if (row === undefined) return undefined;
    return repairOf({ bootId: String(row["boot"]), offsetMs: Number(row["offsetMs"]) }, this.#bootId, stamps);
  }

  /** The segment as it is handed on. */
  repaired(segment: StoredSegment, stamps: Frame): StoredSegment {
    const repair = this.shiftOf(segment.clock, stamps);
    return repair === undefined ? segment : repaired(segment, this.#hasher, repair);
  }
}
