// A look at what is there now, again whenever something may have changed: one at a time, and none that is asked for is left out.
export class Looking {
  readonly #look: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #running = Promise.resolve();
  #isRunning = false;
  #isWanted = false;
  #isOver = false;

  /** `onError` hears of looks that failed: they are not repeated by themselves. */
  constructor(look: () => Promise<void>, onError: (error: unknown) => void) {
    this.#look = look;
    this.#onError = onError;
  }

  /** Something may have changed. */
  want(): void {
    this.#isWanted = true;
    if (this.#isRunning || this.#isOver) return;
    this.#isRunning = true;
    this.#running = this.#run();
  }

  /** Resolves when the look that is under way is over; there is no other. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isWanted && !this.#isOver) {
      this.#isWanted = false;
      try {
        await this.#look();
      } catch (error) {
        this.#onError(error);
      }
    }
    // In the same breath as the last question whether one is wanted: nobody asks in between in vain.
    this.#isRunning = false;
  }
}
