// Results of single nodes on their way to callers: those of one call in their order, no more than there is room for, and the replies
// to that call behind them.
import type { Message } from "#shared/system/bus.ts";

/** Results that are published before the first of them has been taken: one commit serves them all. */
const atOnce = 100;

export class ResultStreams {
  readonly #publish: (message: Message) => Promise<void>;
  /** The last of what is under way, by call. */
  readonly #tails = new Map<string, Promise<void>>();

  /** `publish` resolves when there is room for more. */
  constructor(publish: (message: Message) => Promise<void>) {
    this.#publish = publish;
  }

  /** Rejects with what the broker says. */
  tell(id: string, topic: string, payloads: readonly Uint8Array[]): Promise<void> {
    return this.#append(id, async () => {
      for (let from = 0; from < payloads.length; from += atOnce)
        await Promise.all(
          payloads
            .slice(from, from + atOnce)
            .map((payload) => this.#publish({ topic, payload, qos: 1, retain: false })),
        );
    });
  }

  /** At once when no result of that call is under way. Rejects with what the broker says. */
  after(id: string, message: Message): Promise<void> {
    return this.#tails.has(id) ? this.#append(id, () => this.#publish(message)) : this.#publish(message);
  }

  #append(id: string, work: () => Promise<void>): Promise<void> {
    const before = this.#tails.get(id);
    // What failed before has been told to whoever asked for it.
    const tail = before === undefined ? work() : before.then(work, work);
    this.#tails.set(id, tail);
    const forget = (): void => {
      if (this.#tails.get(id) === tail) this.#tails.delete(id);
    };
    tail.then(forget, forget);
    return tail;
  }
}
