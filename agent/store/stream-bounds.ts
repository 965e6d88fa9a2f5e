// What the configuration of this start says about the own streams, by name: which part of the budget they have, how much and how
// long they may keep. Nothing of it travels: streams of other nodes have a share of 1 here and no bounds.

export interface StreamBounds {
  /** Weight of its part of the budget; 1 when absent. */
  readonly share?: number;
  /** Bytes that it may keep; what the whole budget allows when absent. */
  readonly maxBytes?: number;
  /** Age at which a message that is still here goes, milliseconds; none when absent. */
  readonly maxAgeMs?: number;
}

const unbounded: StreamBounds = {};

export class OwnStreamBounds {
  readonly #node: string;
  readonly #byName = new Map<string, StreamBounds>();

  constructor(node: string) {
    this.#node = node;
  }

  set(streams: readonly ({ readonly name: string } & StreamBounds)[]): void {
    this.#byName.clear();
    for (const stream of streams) this.#byName.set(stream.name, stream);
  }

  of({ node, name }: { readonly node: string; readonly name: string }): StreamBounds {
    return (node === this.#node ? this.#byName.get(name) : undefined) ?? unbounded;
  }

  /** Whether any stream has an age at which its messages go. */
  get hasAges(): boolean {
    return [...this.#byName.values()].some(({ maxAgeMs }) => maxAgeMs !== undefined);
  }

  /** Whether any stream has a bound of its own in bytes. */
  get hasSizes(): boolean {
    return [...this.#byName.values()].some(({ maxBytes }) => maxBytes !== undefined);
  }
}
