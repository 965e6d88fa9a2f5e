// Walks the body of a segment without making objects of its items: for those who look at many messages and want few.
// It knows the shape that `SegmentBuilder` writes; `scanBody` brings any other well-formed body into it.
import { decodeSegment, encodeSegment } from "./segment.ts";

/** What stands in a body. */
export interface BodyScan {
  /** The body in the shape that a reader walks: the one given, or written anew. */
  readonly body: Uint8Array;
  readonly topics: ReadonlySet<string>;
  readonly minMs: number;
  readonly maxMs: number;
}

/** Reads a body once; undefined when it is not a body of exactly `items` items. */
export function scanBody(body: Uint8Array, items: number): BodyScan | undefined {
  const reader = new SegmentReader(body);
  const topics = new Set<string>();
  let count = 0;
  let minMs = Infinity;
  let maxMs = 0;
  while (reader.next()) {
    count++;
    topics.add(reader.topic());
    if (reader.timeMs < minMs) minMs = reader.timeMs;
    if (reader.timeMs > maxMs) maxMs = reader.timeMs;
  }
  if (reader.isWhole) return count === items && count > 0 ? { body, topics, minMs, maxMs } : undefined;
  const decoded = decodeSegment(body, items);
  return decoded === undefined ? undefined : scanBody(encodeSegment(decoded), items);
}

const retainFlag = 1;
/** The last moment that ECMAScript's dates know. */
const timeMsMax = 8_640_000_000_000_000;
const utf8 = new TextDecoder();

/** `next` steps to an item, from before the first one; the other members are about the item that it stepped to. */
export class SegmentReader {
  timeMs = 0;
  retain = false;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #topics = new Map<number, KnownTopic[]>();
  #latest: KnownTopic | undefined;
  #at = 0;
  #topicStart = 0;
  #topicEnd = 0;
  #payloadStart = 0;
  #payloadEnd = 0;
  /** Where the string that `#stringAt` found ends. */
  #end = 0;

  constructor(body: Uint8Array) {
    this.#bytes = body;
    this.#view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  }

  /** Whether `next` has stepped over every byte. */
  get isWhole(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** False at the end, and where an item has another shape. */
  next(): boolean {
    const bytes = this.#bytes;
    let at = this.#at;
    const head = bytes[at];
    if ((head !== 0x83 && head !== 0x84) || bytes[at + 1] !== 0x1b || at + 10 > bytes.length) return false;
    const timeMs = this.#view.getUint32(at + 2) * 0x1_0000_0000 + this.#view.getUint32(at + 6);
    const topicStart = this.#stringAt(at + 10, 0x60);
    const topicEnd = this.#end;
    if (topicStart === -1 || timeMs > timeMsMax) return false;
    const payloadStart = this.#stringAt(topicEnd, 0x40);
    const payloadEnd = this.#end;
    if (payloadStart === -1) return false;
    at = payloadEnd;
    if (head === 0x84) {
      const flags = bytes[at++];
      if (flags === undefined || flags > 0x17) return false;
      this.retain = (flags & retainFlag) !== 0;
    } else {
      this.retain = false;
    }
    this.timeMs = timeMs;
    this.#topicStart = topicStart;
    this.#topicEnd = topicEnd;
    this.#payloadStart = payloadStart;
    this.#payloadEnd = payloadEnd;
    this.#at = at;
    return true;
  }

  /** The same text for equal topics of one body. */
  topic(): string {
    const latest = this.#latest;
    if (latest !== undefined && this.#isTopic(latest)) return latest.text;
    const hash = this.#topicHash();
    const known = this.#topics.get(hash) ?? [];
    if (known.length === 0) this.#topics.set(hash, known);
    let found = known.find((topic) => this.#isTopic(topic));
    if (found === undefined) {
      const text = utf8.decode(this.#bytes.subarray(this.#topicStart, this.#topicEnd));
      known.push((found = { start: this.#topicStart, end: this.#topicEnd, text }));
    }
    this.#latest = found;
    return found.text;
  }

  /** Aliases the body. */
  payload(): Uint8Array {
    return this.#bytes.subarray(this.#payloadStart, this.#payloadEnd);
  }

  /** Where the content of the string begins whose head is at `at`, or -1. */
  #stringAt(at: number, major: number): number {
    const bytes = this.#bytes;
    const head = (bytes[at] ?? 0) - major;
    let start = at + 1;
    let length = head;
    if (head < 0 || head > 26) return -1;
    if (head >= 24) {
      start += 1 << (head - 24);
      if (start > bytes.length) return -1;
      length =
        head === 24
          ? this.#view.getUint8(at + 1)
          : head === 25
            ? this.#view.getUint16(at + 1)
            : this.#view.getUint32(at + 1);
    }
    this.#end = start + length;
    return this.#end > bytes.length ? -1 : start;
  }

  #isTopic({ start, end }: KnownTopic): boolean {
    const length = end - start;
    if (this.#topicEnd - this.#topicStart !== length) return false;
    for (let index = length - 1; index >= 0; index--) {
      if (this.#bytes[start + index] !== this.#bytes[this.#topicStart + index]) return false;
    }
    return true;
  }

  /** FNV-1a. */
  #topicHash(): number {
    let hash = 0x811c9dc5;
    for (let index = this.#topicStart; index < this.#topicEnd; index++) {
      hash = Math.imul(hash ^ (this.#bytes[index] ?? 0), 0x01000193);
    }
    return hash;
  }
}

/** A topic that stands at that place of the body. */
interface KnownTopic {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}
