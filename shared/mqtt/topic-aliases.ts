// Topic aliases towards a client (MQTT 5, section 3.3.2.3.4): the first topics of a connection get one each, for its whole life.

export interface TopicAlias {
  readonly alias: number;
  /** The client does not know it yet: the topic goes along. */
  readonly isNew: boolean;
}

export class TopicAliases {
  readonly #max: number;
  readonly #aliases = new Map<string, number>();

  /** `max`: Topic Alias Maximum of the client, at least 1. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Undefined when the topic has none and gets none. A new one is kept when the client has got it. */
  aliasOf(topic: string): TopicAlias | undefined {
    const known = this.#aliases.get(topic);
    if (known !== undefined) return { alias: known, isNew: false };
    if (this.#aliases.size >= this.#max) return undefined;
    return { alias: this.#aliases.size + 1, isNew: true };
  }

  keep(topic: string): void {
    this.#aliases.set(topic, this.#aliases.size + 1);
  }
}
