// What is to happen, in order of time and then of being asked for: a binary heap, since ten thousand nodes ask for much.

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly act: () => void;
}

export class EventQueue {
  readonly #heap: Entry[] = [];
  #order = 0;
  nowMs = 0;

  in(ms: number, act: () => void): void {
    const entry: Entry = { atMs: this.nowMs + ms, order: this.#order++, act };
    let at = this.#heap.push(entry) - 1;
    for (let parent = (at - 1) >> 1; at > 0 && isBefore(entry, this.#heap[parent]); parent = (at - 1) >> 1) {
      this.#heap[at] = this.#heap[parent] ?? entry;
      at = parent;
    }
    this.#heap[at] = entry;
  }

  /** Lets everything happen up to that time. */
  runUntil(endMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= endMs; next = this.#heap[0]) {
      this.#removeFirst();
      this.nowMs = next.atMs;
      next.act();
    }
    this.nowMs = endMs;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child])) child++;
      const below = heap[child];
      if (below === undefined || !isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry | undefined): boolean {
  return b !== undefined && (a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order));
}
