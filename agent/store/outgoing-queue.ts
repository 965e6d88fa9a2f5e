// Which streams of one priority may have something to send. Everything that waits is found by one walk along the index of waiting
// streams, a stretch with every read, that begins where the last one stood; what is stored meanwhile joins at once. So a read costs
// what it yields, however many streams wait.
import type { Priority } from "#shared/journal/stream.ts";
import { OutgoingRing } from "./outgoing-ring.ts";
import type { StreamKey } from "./stream-key.ts";
import type { StreamRepository } from "./stream-repository.ts";

/** Streams that one stretch of the walk finds. */
const stretch = 64;
const start: StreamKey = { origin: 0, stream: 0 };

export class OutgoingQueue {
  readonly #streams: StreamRepository;
  readonly #priority: Priority;
  readonly #ring = new OutgoingRing();
  /** Where the walk began and stands; it goes round once. */
  #from: StreamKey = start;
  #at: StreamKey = start;
  #isRound = false;
  #isOver = false;
  /** Streams with segments that are not released yet, by the id of the first one. */
  readonly #unreleased = new Map<string, { readonly key: StreamKey; readonly id: number }>();

  constructor(streams: StreamRepository, priority: Priority) {
    this.#streams = streams;
    this.#priority = priority;
  }

  get origins(): number {
    return this.#ring.origins;
  }

  /** Looks at all streams again, beginning behind the one that had the last turn. */
  restart(): void {
    this.#ring.clear();
    this.#unreleased.clear();
    this.#from = this.#at;
    this.#isRound = false;
    this.#isOver = false;
  }

  add(key: StreamKey): void {
    this.#ring.add(key);
  }

  /** The stream waits until segments up to `id` are released. */
  addAfter(key: StreamKey, id: number): void {
    this.#unreleased.set(`${key.origin}/${key.stream}`, { key, id });
  }

  release(idMax: number): void {
    for (const [name, { key, id }] of this.#unreleased) {
      if (id > idMax) continue;
      this.#unreleased.delete(name);
      this.#ring.add(key);
    }
  }

  /** The next stream of the origin whose turn it is, taken out. */
  take(): StreamKey | undefined {
    return this.#ring.take();
  }

  /** Puts the stream back, and the others' origins before its own. */
  pass(key: StreamKey): void {
    this.#ring.add(key);
    this.#ring.pass(key.origin);
  }

  /** Walks on for a stretch. Answers whether there may be more. */
  walk(): boolean {
    if (this.#isOver) return false;
    const found = this.#streams.waiting(this.#priority, this.#at, stretch);
    for (const key of found) {
      if (this.#isRound && isBehind(key, this.#from)) {
        this.#isOver = true;
        return false;
      }
      this.#ring.add(key);
      this.#at = key;
    }
    if (found.length === stretch) return true;
    this.#isOver = this.#isRound || (this.#from.origin === 0 && this.#from.stream === 0);
    this.#isRound = true;
    this.#at = start;
    return !this.#isOver;
  }
}

function isBehind(key: StreamKey, place: StreamKey): boolean {
  return key.origin > place.origin || (key.origin === place.origin && key.stream > place.stream);
}
