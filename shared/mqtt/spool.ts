// How messages that wait for sessions are stored: each once in a body, and per session a list of entries that point into it.
// Written by hand because every message of QoS 1 and 2 passes here. All integers are big-endian.
//
//   message   u8 qos + 4 with properties + 8 with expiry | u32 payload bytes | u16 topic bytes
//             [f64 expiry, ms since 1970] [u32 properties bytes] | topic, UTF-8 | properties | payload
//   entry     u8 qos (1, 2) + 4 retained + 8 with subscription ids + 16 with group | place of its message | bytes that it counts for
//             [count | subscription ids] [bytes of the group | group, UTF-8], each number a variable byte integer of MQTT in its
//             shortest form
import { assert } from "../assert.ts";
import { limits } from "../limits.ts";
import type { Qos } from "../system/bus.ts";
import type { SpooledMessage, Spool, SpoolQueue } from "../system/session-store.ts";

/** One entry of a SpoolQueue, decoded. */
export interface SpoolEntry {
  /** Where its message begins in the spool's body. */
  readonly place: number;
  /** What it counts for: bytes of topic, properties and payload, and of its group. */
  readonly bytes: number;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  readonly subscriptionIds: readonly number[];
  /** Empty: it came by no shared subscription. */
  readonly group: string;
  /** Where the next entry begins in these entries. */
  readonly end: number;
}

const withProperties = 4;
const withExpiry = 8;
const withRetain = 4;
const withSubscriptionIds = 8;
const withGroup = 16;

/** Head, lengths of payload and topic: what every message has. */
const messageHeadBytes = 7;
/** The same with everything that may be there. */
const messageHeadBytesMax = messageHeadBytes + 8 + 4;
const topicBytesMax = 65_535;
/** MQTT's bound on a variable byte integer (MQTT 5, section 1.5.5), and so on a place, a message and a subscription identifier. */
const integerMax = 268_435_455;
const integerBytesMax = 4;

const utf8 = new TextEncoder();
/** A topic's U+FEFF is a character of it [MQTT-1.5.4-3]. */
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const noBytes = new Uint8Array(0);
const noIds: readonly number[] = [];

/** Collects messages and who waits for them into spools: `add` a message, then `enqueue` it for each session that shall get it. */
export class SpoolBuilder {
  readonly #body = new GrowingBytes(4096);
  #finished: Spool[] = [];
  #finishedBytes = 0;
  #queues: OpenQueue[] = [];
  readonly #queuesBySession = new Map<number, OpenQueue>();
  #entryBytes = 0;
  #groupBytes = 0;
  #messages = 0;
  /** Of the message added last. */
  #place = 0;
  #messageBytes = 0;

  /** Nobody waits for anything. */
  get isEmpty(): boolean {
    return this.#finished.length === 0 && this.#queues.length === 0;
  }

  /** Bytes of all bodies and entries. */
  get bytes(): number {
    return this.#finishedBytes + this.#body.used + this.#entryBytes;
  }

  /** Copies the message; it belongs to one spool with what is enqueued until the next one is added. */
  add(message: SpooledMessage): void {
    const bytes = this.#body.used + this.#groupBytes + messageBytesMax(message);
    const isFull = this.#messages >= limits.segmentItems || bytes > limits.segmentBytes;
    if (this.#messages > 0 && isFull) this.#close();
    this.#place = this.#body.used;
    this.#messageBytes = writeMessage(this.#body, message);
    this.#messages++;
  }

  /**
   * Puts the message added last into the queue of `session` as its number `number`. `sent`: the session's numbers up to this one may
   * be on their way to its client. `group`: the key of the shared subscription that it came by.
   */
  enqueue(
    session: number,
    number: number,
    qos: 1 | 2,
    retain: boolean,
    subscriptionIds: readonly number[],
    sent: number,
    group = "",
  ): void {
    assert(this.#messages > 0, "a message is added before it is enqueued");
    let queue = this.#queuesBySession.get(session);
    if (queue === undefined || queue.first + queue.count !== number) {
      queue = new OpenQueue(session, number);
      this.#queuesBySession.set(session, queue);
      this.#queues.push(queue);
    }
    const before = queue.entries.used;
    const groupKey = group === "" ? noBytes : utf8.encode(group);
    const bytes = this.#messageBytes + groupKey.length;
    writeEntry(queue.entries, this.#place, bytes, qos, retain, subscriptionIds, groupKey);
    this.#entryBytes += queue.entries.used - before;
    this.#groupBytes += groupKey.length;
    queue.count++;
    queue.bytes += bytes;
    queue.sent = sent;
  }

  /** What was collected, in order; every array has a buffer of its own. The builder is empty again. */
  finish(): readonly Spool[] {
    this.#close();
    const finished = this.#finished;
    this.#finished = [];
    this.#finishedBytes = 0;
    return finished;
  }

  #close(): void {
    if (this.#queues.length > 0) {
      this.#finished.push({ body: this.#body.copy(), queues: this.#queues.map((queue) => queue.finish()) });
      this.#finishedBytes += this.#body.used + this.#entryBytes;
    }
    this.#body.used = 0;
    this.#queues = [];
    this.#queuesBySession.clear();
    this.#entryBytes = 0;
    this.#groupBytes = 0;
    this.#messages = 0;
  }
}

/** One message alone, with a buffer of its own: what `decodeSpooled` reads at place 0. */
export function encodeSpooled(message: SpooledMessage): Uint8Array<ArrayBuffer> {
  const out = new GrowingBytes(messageBytesMax(message));
  writeMessage(out, message);
  return out.copy();
}

/** The message at `place`; its payload and properties alias `body`. Undefined when there is none. */
export function decodeSpooled(body: Uint8Array, place: number): SpooledMessage | undefined {
  if (!Number.isInteger(place) || place < 0 || place + messageHeadBytes > body.length) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const head = view.getUint8(place);
  const qos = qosOf(head & 3);
  if (qos === undefined || head > (withProperties | withExpiry | 3)) return undefined;
  const payloadBytes = view.getUint32(place + 1);
  const topicBytes = view.getUint16(place + 5);
  const expiryAt = place + messageHeadBytes;
  const propertiesAt = expiryAt + ((head & withExpiry) === 0 ? 0 : 8);
  const topicAt = propertiesAt + ((head & withProperties) === 0 ? 0 : 4);
  if (topicAt > body.length) return undefined;
  const expiresAtMs = propertiesAt === expiryAt ? 0 : view.getFloat64(expiryAt);
  if (propertiesAt !== expiryAt && !(Number.isSafeInteger(expiresAtMs) && expiresAtMs > 0)) return undefined;
  const propertiesBytes = topicAt === propertiesAt ? 0 : view.getUint32(propertiesAt);
  if (topicAt !== propertiesAt && propertiesBytes === 0) return undefined;
  const topicEnd = topicAt + topicBytes;
  const payloadAt = topicEnd + propertiesBytes;
  if (payloadAt + payloadBytes > body.length) return undefined;
  const topic = decodeText(body.subarray(topicAt, topicEnd));
  if (topic === undefined) return undefined;
  const properties = propertiesBytes === 0 ? noBytes : body.subarray(topicEnd, payloadAt);
  return { topic, payload: body.subarray(payloadAt, payloadAt + payloadBytes), qos, properties, expiresAtMs };
}

/** How long the message at `place` is there. Undefined when there is none. */
export function spooledBytes(body: Uint8Array, place: number): number | undefined {
  const message = decodeSpooled(body, place);
  if (message === undefined) return undefined;
  return message.payload.byteOffset + message.payload.length - body.byteOffset - place; // the payload is the last of it
}

/** All entries, in order of their numbers. Undefined when the bytes are anything else. */
export function decodeEntries(entries: Uint8Array): readonly SpoolEntry[] | undefined {
  const reader = new EntryReader(entries);
  const result: SpoolEntry[] = [];
  while (reader.at < entries.length) {
    const entry = reader.next();
    if (entry === undefined) return undefined;
    result.push(entry);
  }
  return result;
}

/** Append-only bytes. */
class GrowingBytes {
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView;
  used = 0;

  constructor(bytes: number) {
    this.bytes = new Uint8Array(bytes);
    this.view = new DataView(this.bytes.buffer);
  }

  reserve(bytes: number): void {
    if (this.used + bytes <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.used + bytes));
    grown.set(this.bytes.subarray(0, this.used));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  copy(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.used);
  }
}

class OpenQueue {
  readonly session: number;
  readonly first: number;
  /** Small: a message for ten thousand sessions opens as many. */
  readonly entries = new GrowingBytes(32);
  count = 0;
  bytes = 0;
  sent = 0;

  constructor(session: number, first: number) {
    this.session = session;
    this.first = first;
  }

  finish(): SpoolQueue {
    const { session, first, count, bytes, sent } = this;
    return { session, first, count, bytes, entries: this.entries.copy(), sent };
  }
}

function messageBytesMax({ topic, properties, payload }: SpooledMessage): number {
  return messageHeadBytesMax + topic.length * 3 + properties.length + payload.length;
}

/** Answers the bytes of topic, properties and payload. */
function writeMessage(out: GrowingBytes, message: SpooledMessage): number {
  const { topic, payload, properties, expiresAtMs } = message;
  out.reserve(messageBytesMax(message));
  const { bytes, view, used } = out;
  let head: number = message.qos;
  let at = used + messageHeadBytes;
  if (expiresAtMs > 0) {
    head |= withExpiry;
    view.setFloat64(at, expiresAtMs);
    at += 8;
  }
  if (properties.length > 0) {
    head |= withProperties;
    view.setUint32(at, properties.length);
    at += 4;
  }
  const topicBytes = writeText(bytes, at, topic);
  assert(topicBytes <= topicBytesMax, "a topic is as short as MQTT wants it");
  at += topicBytes;
  bytes.set(properties, at);
  at += properties.length;
  bytes.set(payload, at);
  bytes[used] = head;
  view.setUint32(used + 1, payload.length);
  view.setUint16(used + 5, topicBytes);
  out.used = at + payload.length;
  assert(out.used <= integerMax, "a spool's places are within MQTT's integers");
  return topicBytes + properties.length + payload.length;
}

/** Answers the bytes written. Nearly all topics are ASCII, and short enough that a loop is faster than a call. */
function writeText(bytes: Uint8Array, at: number, text: string): number {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 127) return utf8.encodeInto(text, bytes.subarray(at)).written;
    bytes[at + index] = code;
  }
  return text.length;
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function writeEntry(
  out: GrowingBytes,
  place: number,
  bytes: number,
  qos: 1 | 2,
  retain: boolean,
  subscriptionIds: readonly number[],
  group: Uint8Array,
): void {
  out.reserve(1 + integerBytesMax * (4 + subscriptionIds.length) + group.length);
  const hasIds = subscriptionIds.length > 0;
  const hasGroup = group.length > 0;
  out.bytes[out.used++] =
    qos | (retain ? withRetain : 0) | (hasIds ? withSubscriptionIds : 0) | (hasGroup ? withGroup : 0);
  writeInteger(out, place);
  writeInteger(out, bytes);
  if (hasIds) {
    writeInteger(out, subscriptionIds.length);
    for (const id of subscriptionIds) writeInteger(out, id);
  }
  if (!hasGroup) return;
  writeInteger(out, group.length);
  out.bytes.set(group, out.used);
  out.used += group.length;
}

function writeInteger(out: GrowingBytes, value: number): void {
  assert(value >= 0 && value <= integerMax, "MQTT's integers have 28 bits");
  let rest = value;
  for (; rest > 127; rest >>>= 7) out.bytes[out.used++] = (rest & 127) | 128;
  out.bytes[out.used++] = rest;
}

class EntryReader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): SpoolEntry | undefined {
    const head = this.#bytes[this.at++];
    if (head === undefined || head > (withRetain | withSubscriptionIds | withGroup | 3)) return undefined;
    const qos = qosOf(head & 3);
    if (qos === undefined || qos === 0) return undefined;
    const place = this.#integer();
    const bytes = this.#integer();
    const subscriptionIds = (head & withSubscriptionIds) === 0 ? noIds : this.#ids();
    const group = (head & withGroup) === 0 ? "" : this.#group();
    if (place === undefined || bytes === undefined || subscriptionIds === undefined || group === undefined)
      return undefined;
    return { place, bytes, qos, retain: (head & withRetain) !== 0, subscriptionIds, group, end: this.at };
  }

  #group(): string | undefined {
    const length = this.#integer();
    if (length === undefined || length === 0 || this.at + length > this.#bytes.length) return undefined;
    const from = this.at;
    this.at += length;
    return decodeText(this.#bytes.subarray(from, this.at));
  }

  #ids(): readonly number[] | undefined {
    const count = this.#integer();
    if (count === undefined || count === 0) return undefined;
    const ids: number[] = [];
    while (ids.length < count) {
      const id = this.#integer();
      if (id === undefined) return undefined; // at the end of the bytes at the latest
      ids.push(id);
    }
    return ids;
  }

  #integer(): number | undefined {
    let value = 0;
    for (let length = 0; length < integerBytesMax; length++) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) return undefined;
      value |= (byte & 127) << (length * 7);
      if (byte < 128) return byte === 0 && length > 0 ? undefined : value;
    }
    return undefined;
  }
}

function qosOf(code: number): Qos | undefined {
  return code === 0 || code === 1 || code === 2 ? code : undefined;
}
