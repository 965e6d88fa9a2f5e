// Finds what is known of a topic by the bytes of its name, without making a string of them: the hot path meets the same topics again
// and again. Bounded: two generations of which the older is forgotten whole, so that a topic in use stays.

const tableMin = 256;

/** What the table keeps of an entry; the rest is the user's. */
export interface TopicEntry {
  readonly hash: number;
  /** UTF-8 bytes of the name; a copy of the table's own. */
  readonly bytes: Uint8Array;
}

export interface TopicTableBounds {
  /** Entries of one generation. */
  readonly entriesMax: number;
  /** Bytes of their names. */
  readonly bytesMax: number;
}

/** FNV-1a, 32 bits; `seed` turns its beginning. */
export function hashBytes(bytes: Uint8Array, from: number, to: number, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash >>> 0;
}

export class TopicTable<E extends TopicEntry> {
  readonly #bounds: TopicTableBounds;
  readonly #create: (hash: number, bytes: Uint8Array) => E;
  readonly #seed: number;
  #young = new Generation<E>();
  #old = new Generation<E>();

  /** `create` may throw: then nothing is kept. */
  constructor(bounds: TopicTableBounds, create: (hash: number, bytes: Uint8Array) => E, seed = 0) {
    this.#bounds = bounds;
    this.#create = create;
    this.#seed = seed;
  }

  /** The entry of the name in `bytes` between `from` and `to`; made when it is new. */
  get(bytes: Uint8Array, from: number, to: number): E {
    const hash = hashBytes(bytes, from, to, this.#seed);
    const known = this.#young.find(hash, bytes, from, to);
    if (known !== undefined) return known;
    const entry = this.#old.find(hash, bytes, from, to) ?? this.#create(hash, bytes.slice(from, to));
    if (this.#young.size >= this.#bounds.entriesMax || this.#young.bytes + (to - from) > this.#bounds.bytesMax) {
      this.#old = this.#young;
      this.#young = new Generation<E>();
    }
    this.#young.add(entry);
    return entry;
  }
}

/** Open addressing; never more than half full. */
class Generation<E extends TopicEntry> {
  #slots: (E | undefined)[] = Array.from({ length: tableMin });
  size = 0;
  bytes = 0;

  find(hash: number, bytes: Uint8Array, from: number, to: number): E | undefined {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const entry = slots[at];
      if (entry === undefined) return undefined;
      if (entry.hash === hash && sameBytes(entry.bytes, bytes, from, to)) return entry;
    }
  }

  add(entry: E): void {
    if (this.size * 2 >= this.#slots.length) this.#grow();
    place(this.#slots, entry);
    this.size++;
    this.bytes += entry.bytes.length;
  }

  #grow(): void {
    const slots: (E | undefined)[] = Array.from({ length: this.#slots.length * 2 });
    for (const entry of this.#slots) if (entry !== undefined) place(slots, entry);
    this.#slots = slots;
  }
}

function place<E extends TopicEntry>(slots: (E | undefined)[], entry: E): void {
  const mask = slots.length - 1;
  let at = entry.hash & mask;
  while (slots[at] !== undefined) at = (at + 1) & mask;
  slots[at] = entry;
}

function sameBytes(known: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (known.length !== to - from) return false;
  for (let at = 0; at < known.length; at++) if (known[at] !== bytes[from + at]) return false;
  return true;
}
