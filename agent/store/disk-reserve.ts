// Room on the disk that is set aside, so that a full disk still drains: deleting from a database needs some room too.
// A file of zeros holds it; when the disk is full it is removed, and until it stands again the database must do with the room that it
// has inside.
import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import type { Clock } from "#shared/system/clock.ts";

/** How long after a failed attempt the next one may come: each writes the whole file. */
const retryMs = 2_000;
const blockBytes = 256 * 1024;

export class DiskReserve {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #file: string;
  readonly #bytes: number;
  #isHeld: boolean;
  #retryAtMs = 0;

  constructor(clock: Pick<Clock, "monotonic">, file: string, bytes: number) {
    this.#clock = clock;
    this.#file = file;
    this.#bytes = bytes;
    this.#isHeld = statSync(file, { throwIfNoEntry: false })?.size === bytes;
  }

  /** Whether the room is set aside; tries to, now and then, when it is not. */
  hold(): boolean {
    if (this.#isHeld) return true;
    if (this.#clock.monotonic() < this.#retryAtMs) return false;
    this.#isHeld = this.#fill();
    if (!this.#isHeld) this.#giveBack();
    return this.#isHeld;
  }

  /** Gives the room back to the disk. What is refused until it stands again does not put that off. */
  release(): void {
    if (this.#isHeld) this.#giveBack();
  }

  #giveBack(): void {
    rmSync(this.#file, { force: true });
    this.#isHeld = false;
    this.#retryAtMs = this.#clock.monotonic() + retryMs;
  }

  #fill(): boolean {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(this.#file, "w");
      const zeros = new Uint8Array(blockBytes);
      for (let left = this.#bytes; left > 0;) left -= writeSync(descriptor, zeros, 0, Math.min(left, blockBytes));
      fsyncSync(descriptor);
      return true;
    } catch {
      return false; // full, or not writable: the next write to the database tells which
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }
}
