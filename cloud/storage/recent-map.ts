// A map that forgets what has not been asked for lately, so that it stays small. Two generations: what is found in the older one
// moves to the younger, and when that is full the older one goes.

export class RecentMap<Key, Value> {
  readonly #perGeneration: number;
  #young = new Map<Key, Value>();
  #old = new Map<Key, Value>();

  /** Holds at most `entriesMax`, and the latest half of that for certain. */
  constructor(entriesMax: number) {
    this.#perGeneration = Math.max(1, Math.floor(entriesMax / 2));
  }

  get(key: Key): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: Key, value: Value): void {
    if (this.#young.size >= this.#perGeneration && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
