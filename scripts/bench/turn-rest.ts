// Short rests of a load generator that is faster than its broker. Without them it wakes up for every packet that the broker
// writes, burns a core on reading single messages, and takes that core from the broker.
//
// A rest is only taken while most of the window is at the broker, which therefore has work for longer than the rest lasts.
import type { FlowOrder } from "./generator-protocol.ts";

const restMs = 0.1;
/** The rest is taken when a turn of the event loop brought back less than one such part of the window. */
const parts = 8;
const windowMin = 500;

export class TurnRest {
  readonly #enough: number;
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));
  #handled = 0;
  #isScheduled = false;

  constructor(orders: readonly FlowOrder[]) {
    this.#enough = messagesWithoutRest(orders);
  }

  /** Messages came back, or acknowledgements. */
  note(count: number): void {
    if (this.#enough === 0) return;
    this.#handled += count;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#endTurn());
  }

  #endTurn(): void {
    this.#isScheduled = false;
    if (this.#handled < this.#enough) Atomics.wait(this.#cell, 0, 0, restMs);
    this.#handled = 0;
  }
}

/** How much must come back in one turn for there to be no rest; 0 for never a rest: small windows and fixed rates need it awake. */
export function messagesWithoutRest(orders: readonly FlowOrder[]): number {
  if (orders.some(({ perSecond }) => perSecond !== undefined)) return 0;
  // A small window of the subscribers is what limits then: each rest would be a rest of the whole load.
  const windows = orders.map(({ publishers, outstanding, subscribers = 0, receiveMaximum = Infinity }) => {
    return Math.min(publishers * outstanding, receiveMaximum) * Math.max(1, subscribers);
  });
  const smallest = Math.min(...windows);
  return smallest < windowMin ? 0 : Math.ceil(smallest / parts);
}
