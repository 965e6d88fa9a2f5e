// A segment: the messages of one stream that one commit stored, as a CBOR sequence. It is the unit of storage, transfer,
// deduplication and eviction, and it is relayed as it is; FORMAT: see PROTOCOL.md beside this file.
import { decodeCborSequence } from "../cbor.ts";
import { limits } from "../limits.ts";

/** One message as it stands in a segment's body: `[timeMs, topic, payload, flags?]`. */
export interface Item {
  /**
   * Milliseconds since 1970 in the tree's time, stamped where the message entered the journal. While the node that stamps has not heard
   * of a root since it started, it is that node's own clock, and the segment is marked (`unsynced`) until it is repaired on its way up.
   */
  readonly timeMs: number;
  readonly topic: string;
  /** Aliases the segment's body when decoded. */
  readonly payload: Uint8Array;
  /** The publisher set RETAIN. */
  readonly retain: boolean;
}

/** Bits of a segment's flags on the wire and in the store. `adrift`: unsynced, and nobody can tell by how much. */
export const segmentFlags = {
  gap: 1,
  deflate: 2,
  final: 4,
  maybeDuplicate: 8,
  historical: 16,
  unsynced: 32,
  adrift: 64,
} as const;

/** What whoever reads a message is told about it: it waited in a backlog, it may have come before, its time may be wrong. */
export const readerFlags = segmentFlags.historical | segmentFlags.maybeDuplicate | segmentFlags.unsynced;

/**
 * Why numbers of a stream will never be delivered. `renumbered`: their messages come under numbers of a newer epoch; `store-lost`: the
 * root had stored them as documents, and its document store has them no more; `kept-below`: a node
 * that was the root has stored them, and keeps them.
 */
export type LossReason =
  | "evicted"
  | "expired"
  | "corrupt"
  | "rejected"
  | "presumed-lost"
  | "renumbered"
  | "store-lost"
  | "kept-below";
export const lossReasonCodes: Readonly<Record<LossReason, number>> = {
  evicted: 1,
  expired: 2,
  corrupt: 3,
  rejected: 4,
  "presumed-lost": 5,
  renumbered: 6,
  "store-lost": 7,
  "kept-below": 8,
};

/** The reason with that code; an unknown code of a newer peer reads as presumed lost. */
export function lossReasonOf(code: number): LossReason {
  for (const [reason, known] of Object.entries(lossReasonCodes)) if (known === code) return reason as LossReason;
  return "presumed-lost";
}

const retainFlag = 1;
/** The last moment that ECMAScript's dates know. */
const timeMsMax = 8_640_000_000_000_000;
const utf8 = new TextEncoder();

/** Collects items into one body. Written by hand because every message passes here. */
export class SegmentBuilder {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;
  #items = 0;
  #payloadBytes = 0;
  #firstMs = 0;
  #lastMs = 0;

  get items(): number {
    return this.#items;
  }

  get bytes(): number {
    return this.#used;
  }

  /** Bytes of topics and payloads alone, in UTF-16 units for topics: what the queue before the commit counts. */
  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** Whether another item of that payload size still belongs into this segment. An empty one takes any. */
  hasRoomFor(topic: string, payloadBytes: number): boolean {
    if (this.#items === 0) return true;
    return (
      this.#items < limits.segmentItems && this.#used + payloadBytes + topic.length * 3 + 24 <= limits.segmentBytes
    );
  }

  add(item: Item): void {
    // array head, time head and 8 bytes, two string heads of at most 5, flags
    this.#reserve(1 + 9 + 5 + item.topic.length * 3 + 5 + item.payload.length + 1);
    this.#bytes[this.#used++] = item.retain ? 0x84 : 0x83;
    this.#bytes[this.#used++] = 0x1b;
    this.#view.setBigUint64(this.#used, BigInt(item.timeMs));
    this.#used += 8;
    this.#addTopic(item.topic);
    this.#addHead(0x40, item.payload.length);
    this.#bytes.set(item.payload, this.#used);
    this.#used += item.payload.length;
    if (item.retain) this.#bytes[this.#used++] = retainFlag;
    this.#payloadBytes += item.payload.length + item.topic.length;
    if (this.#items++ === 0) this.#firstMs = item.timeMs;
    this.#lastMs = item.timeMs;
  }

  /** The finished segment with a body of its own. */
  finish(): {
    readonly items: number;
    readonly firstMs: number;
    readonly lastMs: number;
    readonly body: Uint8Array<ArrayBuffer>;
  } {
    return {
      items: this.#items,
      firstMs: this.#firstMs,
      lastMs: this.#lastMs,
      body: this.#bytes.slice(0, this.#used),
    };
  }

  #addTopic(topic: string): void {
    // The head's length is only known after encoding: write behind the longest head that can be needed, then close up.
    const headBytes = topic.length * 3 < 24 ? 1 : topic.length * 3 < 256 ? 2 : 3;
    const at = this.#used + headBytes;
    const { written } = utf8.encodeInto(topic, this.#bytes.subarray(at));
    this.#addHead(0x60, written);
    if (this.#used !== at) this.#bytes.copyWithin(this.#used, at, at + written);
    this.#used += written;
  }

  #addHead(major: number, length: number): void {
    if (length < 24) {
      this.#bytes[this.#used++] = major | length;
    } else if (length < 256) {
      this.#bytes[this.#used++] = major | 24;
      this.#bytes[this.#used++] = length;
    } else if (length < 65_536) {
      this.#bytes[this.#used++] = major | 25;
      this.#view.setUint16(this.#used, length);
      this.#used += 2;
    } else {
      this.#bytes[this.#used++] = major | 26;
      this.#view.setUint32(this.#used, length);
      this.#used += 4;
    }
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + bytes));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** The items of a body, or undefined when it is not a body of exactly `items` of them. */
export function decodeSegment(body: Uint8Array, items: number): readonly Item[] | undefined {
  const values = decodeCborSequence(body);
  if (values === undefined || values.length !== items) return undefined;
  const result: Item[] = [];
  for (const value of values) {
    if (!Array.isArray(value)) return undefined;
    const [timeMs, topic, payload, flags] = value as readonly unknown[];
    if (!isTime(timeMs) || typeof topic !== "string" || !(payload instanceof Uint8Array)) return undefined;
    result.push({ timeMs, topic, payload, retain: typeof flags === "number" && (flags & retainFlag) !== 0 });
  }
  return result;
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= timeMsMax;
}

/** A body of the same items, for the part of a segment that a node does not have yet. */
export function encodeSegment(items: readonly Item[]): Uint8Array<ArrayBuffer> {
  const builder = new SegmentBuilder();
  for (const item of items) builder.add(item);
  return builder.finish().body;
}
