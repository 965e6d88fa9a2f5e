// Counts on the receiving side: what is missing, there twice, or overtaken, per publisher. Pure.

interface Seen {
  /** All numbers below it have come, but for the skipped ones. */
  next: number;
  readonly skipped: Set<number>;
}

export class SequenceTally {
  readonly #seenByPublisher: Seen[] = [];
  /** Different messages. */
  received = 0;
  /** Messages that had come before. */
  duplicates = 0;
  /** Messages that came after a later one of the same publisher. */
  overtaken = 0;
  /** How often numbers were skipped, whether they came later or never. */
  gaps = 0;
  /** Messages that are not of the generator. */
  foreign = 0;

  /** A message came. Numbers of a publisher begin at 0. */
  note(publisher: number, number: number): void {
    if (!Number.isSafeInteger(publisher) || !Number.isSafeInteger(number)) {
      this.foreign++;
      return;
    }
    const seen = (this.#seenByPublisher[publisher] ??= { next: 0, skipped: new Set() });
    if (number < seen.next) {
      this.#noteEarlier(seen, number);
      return;
    }
    if (number > seen.next) this.gaps++;
    for (let missing = seen.next; missing < number; missing++) seen.skipped.add(missing);
    seen.next = number + 1;
    this.received++;
  }

  /** How many of `published` messages have not come. */
  lostOf(published: number): number {
    return published - this.received;
  }

  #noteEarlier(seen: Seen, number: number): void {
    if (!seen.skipped.delete(number)) {
      this.duplicates++;
      return;
    }
    this.received++;
    this.overtaken++;
  }
}
