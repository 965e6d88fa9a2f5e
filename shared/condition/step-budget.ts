// What one evaluation may cost. It is counted here because a short text can ask for a lot: exists() within exists().

/** Characters that are compared or searched at the price of one step. */
const charsPerStep = 4096;

export class StepBudget {
  readonly #steps: number;
  #left: number;

  constructor(steps: number) {
    this.#steps = steps;
    this.#left = steps;
  }

  /** What has been asked for so far. */
  get taken(): number {
    return this.#steps - this.#left;
  }

  /** Takes `steps`; false when they are not left, and from then on. */
  take(steps: number): boolean {
    this.#left -= steps;
    return this.#left >= 0;
  }

  /** Takes what reading `chars` characters costs: nothing for the length of a name. */
  takeForText(chars: number): boolean {
    return this.take(Math.floor(chars / charsPerStep));
  }

  /** Whether more was asked for than there was. */
  get isSpent(): boolean {
    return this.#left < 0;
  }
}
