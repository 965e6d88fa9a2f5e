// Which streams' rows may have grown since somebody last asked, so that who tells of all of them need not read them all again.
import type { StreamKey } from "./stream-key.ts";

interface Change {
  readonly key: StreamKey;
  /** Of the question before which it came. */
  readonly question: number;
}

/** For one who asks. Every question has a number, from 1 on, and goes back to an earlier one. */
export class ChangedStreams {
  #questions = 1;
  /** Bounded by the streams that there are: one that changes often is noted once. */
  readonly #changes = new Map<string, Change>();

  note(key: StreamKey): void {
    this.#changes.set(`${key.origin} ${key.stream}`, { key, question: this.#questions });
  }

  /** The number of the question that is being asked. */
  ask(): number {
    return this.#questions++;
  }

  /**
   * What has changed since question `question` was asked. What came before that has been heard, and is forgotten: so that an answer that
   * did not arrive is asked for again by the same number.
   */
  since(question: number): readonly StreamKey[] {
    const keys: StreamKey[] = [];
    for (const [name, change] of this.#changes) {
      if (change.question <= question) this.#changes.delete(name);
      else keys.push(change.key);
    }
    return keys;
  }
}
