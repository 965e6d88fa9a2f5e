// Retained messages: in memory, bounded; those of clients are stored as well.
import { limits } from "#shared/limits.ts";
import { RetainedTree } from "#shared/mqtt/retained-tree.ts";
import type { SessionStore } from "#shared/system/session-store.ts";
import { publicationOf, type Publication } from "./publication.ts";

const pageBytes = 1024 * 1024;

export class RetainedMessages {
  readonly #tree = new RetainedTree<Publication>();
  #bytes = 0;

  get size(): number {
    return this.#tree.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Reads what is stored. */
  async load(store: SessionStore): Promise<void> {
    for (let after = ""; ;) {
      const page = await store.retained(after, pageBytes);
      for (const { message } of page) if (message !== null) this.set(publicationOf(message, true));
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.topic;
    }
  }

  /** Keeps a copy of the message, or forgets the topic when the payload is empty [MQTT-3.3.1-6]. False: there is no room for it. */
  set(publication: Publication): boolean {
    const { topic } = publication;
    const old = this.#tree.get(topic);
    if (publication.payloadBytes === 0) {
      this.#remove(topic);
      return true;
    }
    const growth = publication.cost - (old?.cost ?? 0);
    const isTooMany = old === undefined && this.size >= limits.retainedMessages;
    if (isTooMany || this.#bytes + growth > limits.retainedBytes) {
      this.#remove(topic); // an old value must not pass for the current one
      return false;
    }
    this.#tree.set(topic, publication.detached());
    this.#bytes += growth;
    return true;
  }

  /** What matches the legal filter and has not expired. Lazily: each is looked up when its turn comes. */
  *matching(filter: string, nowMs: () => number): Generator<Publication, void, void> {
    for (const publication of this.#tree.matching(filter)) {
      if (publication.expiresAtMs === 0 || publication.expiresAtMs > nowMs()) yield publication;
    }
  }

  #remove(topic: string): void {
    const old = this.#tree.delete(topic);
    if (old !== undefined) this.#bytes -= old.cost;
  }
}
