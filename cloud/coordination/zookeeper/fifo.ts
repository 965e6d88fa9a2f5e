// A queue as a value: adding and taking leave the old one as it was, and cost the same however long it is.

interface Cell<T> {
  readonly value: T;
  readonly next: Cell<T> | undefined;
}

export interface Fifo<T> {
  /** In order; undefined only when the queue is empty. */
  readonly front: Cell<T> | undefined;
  /** What was added after `front`, the latest first. */
  readonly back: Cell<T> | undefined;
  readonly length: number;
}

export const emptyFifo: Fifo<never> = { front: undefined, back: undefined, length: 0 };

export function pushed<T>(fifo: Fifo<T>, value: T): Fifo<T> {
  const length = fifo.length + 1;
  if (fifo.front === undefined) return { front: { value, next: undefined }, back: undefined, length };
  return { front: fifo.front, back: { value, next: fifo.back }, length };
}

export function firstOf<T>(fifo: Fifo<T>): T | undefined {
  return fifo.front?.value;
}

/** Without the first. */
export function shifted<T>(fifo: Fifo<T>): Fifo<T> {
  if (fifo.front === undefined) return fifo;
  const length = fifo.length - 1;
  if (fifo.front.next !== undefined) return { front: fifo.front.next, back: fifo.back, length };
  let front: Cell<T> | undefined;
  for (let cell = fifo.back; cell !== undefined; cell = cell.next) front = { value: cell.value, next: front };
  return { front, back: undefined, length };
}

export function* valuesOf<T>(fifo: Fifo<T>): Generator<T> {
  for (let rest = fifo; rest.front !== undefined; rest = shifted(rest)) yield rest.front.value;
}
