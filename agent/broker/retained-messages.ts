// Retained messages: in memory, bounded; those of clients are stored as well.
import { limits } from "#shared/limits.ts";
import { isNodeState } from "#shared/topics.ts";
import { RetainedTree } from "#shared/mqtt/retained-tree.ts";
import type { SessionStore } from "#shared/system/session-store.ts";
import { publicationOf, type Publication } from "./publication.ts";

const pageBytes = 1024 * 1024;
/** What a level of a topic takes. */
const nodeBytes = 256;
/** Looked at in one sweep. */
const sweptMax = 1_000;

export class RetainedMessages {
  readonly #tree = new RetainedTree<Publication>();
  /** Topics whose message expires. */
  readonly #expiring = new Set<string>();
  #sweeping: Iterator<string> = this.#expiring.values();
  #bytes = 0;

  get size(): number {
    return this.#tree.size;
  }

  get bytes(): number {
    return this.#bytes + this.#tree.nodes * nodeBytes;
  }

  /** Some will expire: `sweep` has something to do. */
  get needsSweep(): boolean {
    return this.#expiring.size > 0;
  }

  /** Reads what is stored; what has expired or is of an earlier life goes to `onGone`. */
  async load(store: SessionStore, nowMs: number, onGone: (topic: string) => void): Promise<void> {
    for (let after = ""; ;) {
      const page = await store.retained(after, pageBytes);
      for (const { topic, message } of page) {
        if (message === null) continue;
        // What somebody once said of the state of a node is not so in its present life.
        if (hasExpired(message, nowMs) || isNodeState(topic)) onGone(topic);
        else this.set(publicationOf(message, true));
      }
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
    if (old === undefined && this.size >= limits.retainedMessages) return false;
    this.#tree.set(topic, publication.detached());
    this.#bytes += publication.cost - (old?.cost ?? 0);
    if (publication.expiresAtMs > 0) this.#expiring.add(topic);
    else this.#expiring.delete(topic);
    if (this.bytes <= limits.retainedBytes) return true;
    this.#remove(topic); // an old value must not pass for the current one
    return false;
  }

  /** Whether `set` would keep the message; a little too strict near the bound, where the topic may share levels with others. */
  hasRoomFor(publication: Publication): boolean {
    if (publication.payloadBytes === 0) return true;
    const old = this.#tree.get(publication.topic);
    const levels = old === undefined ? publication.topic.split("/").length : 0;
    if (old === undefined && this.size >= limits.retainedMessages) return false;
    return this.bytes + publication.cost - (old?.cost ?? 0) + levels * nodeBytes <= limits.retainedBytes;
  }

  /** What is kept on `topic` and has not expired. */
  payload(topic: string, nowMs: number): Uint8Array | undefined {
    const publication = this.#tree.get(topic);
    if (publication === undefined || hasExpired(publication, nowMs)) return undefined;
    return publication.payload;
  }

  /** What matches the legal filter and has not expired. Lazily: each is looked up when its turn comes; undefined: a good moment for a rest. */
  *matching(filter: string, nowMs: () => number): Generator<Publication | undefined, void, void> {
    for (const publication of this.#tree.matching(filter)) {
      if (publication === undefined) yield undefined;
      else if (!hasExpired(publication, nowMs())) yield publication;
    }
  }

  /** Forgets what has expired and tells it, a bounded number of topics at a time, each in its turn. */
  sweep(nowMs: number, onGone: (topic: string) => void): void {
    const { size } = this.#expiring;
    for (let looked = Math.min(size, sweptMax); looked > 0; looked--) {
      let next = this.#sweeping.next();
      if (next.done === true) {
        this.#sweeping = this.#expiring.values();
        next = this.#sweeping.next();
      }
      if (next.done === true) return;
      const publication = this.#tree.get(next.value);
      if (publication === undefined || !hasExpired(publication, nowMs)) continue;
      this.#remove(next.value);
      onGone(next.value);
    }
  }

  #remove(topic: string): void {
    this.#expiring.delete(topic);
    const old = this.#tree.delete(topic);
    if (old !== undefined) this.#bytes -= old.cost;
  }
}

function hasExpired({ expiresAtMs }: Pick<Publication, "expiresAtMs">, nowMs: number): boolean {
  return expiresAtMs > 0 && expiresAtMs <= nowMs;
}
