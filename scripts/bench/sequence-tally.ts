// Counts on the receiving side: what is missing, there twice, or overtaken, per publisher. Pure.

interface Seen {
  numbers: Uint8Array;
  /** The last number that came for the first time. */
  last: number;
}

export class SequenceTally {
  readonly #seenByPublisher = new Map<number, Seen>();
  /** Different messages. */
  received = 0;
  /** Messages that had come before. */
  duplicates = 0;
  /** Messages that came after a later one of the same publisher. */
  overtaken = 0;
  /** Messages that are not of the generator. */
  foreign = 0;

  /** A message came. Numbers of a publisher begin at 0. */
  note(publisher: number, number: number): void {
    if (!Number.isSafeInteger(publisher) || !Number.isSafeInteger(number)) {
      this.foreign++;
      return;
    }
    const seen = this.#seenBy(publisher, number);
    if (seen.numbers[number] === 1) {
      this.duplicates++;
      return;
    }
    seen.numbers[number] = 1;
    this.received++;
    if (number < seen.last) this.overtaken++;
    seen.last = number;
  }

  /** How many of `published` messages have not come. */
  lostOf(published: number): number {
    return published - this.received;
  }

  #seenBy(publisher: number, number: number): Seen {
    const seen = this.#seenByPublisher.get(publisher) ?? { numbers: new Uint8Array(1024), last: -1 };
    this.#seenByPublisher.set(publisher, seen);
    if (number >= seen.numbers.length) {
      const larger = new Uint8Array(Math.max(number + 1, 2 * seen.numbers.length));
      larger.set(seen.numbers);
      seen.numbers = larger;
    }
    return seen;
  }
}
