// What a test waits for.

/** Things in the order in which they come, to be awaited. */
export class Inbox<T> {
  readonly all: T[] = [];
  readonly #waiting = new Set<() => void>();

  readonly put = (one: T): void => {
    this.all.push(one);
    for (const wake of this.#waiting) wake();
  };

  /** The first, of all that have come or will come, that `isWanted`. */
  async first(isWanted: (one: T) => boolean = () => true): Promise<T> {
    for (;;) {
      const found = this.all.find((one) => isWanted(one));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }
}
