// A message on its way through the broker. Until something has to keep it, its payload is a place in the bytes that arrived.
import type { Message, Qos } from "#shared/system/bus.ts";
import type { SpooledMessage } from "#shared/system/session-store.ts";

const noBytes = new Uint8Array(0);

/** What a queued message costs beside its topic and payload. */
const overheadBytes = 128;

export class Publication implements Message, SpooledMessage {
  readonly topic: string;
  /** The topic in UTF-8. */
  readonly topicBytes: Uint8Array;
  readonly source: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Uint8Array;
  /** Milliseconds since 1970; 0: never. */
  readonly expiresAtMs: number;
  #detached: Publication | undefined;

  constructor(
    topic: string,
    topicBytes: Uint8Array,
    source: Uint8Array,
    from: number,
    to: number,
    qos: Qos,
    retain: boolean,
    properties: Uint8Array = noBytes,
    expiresAtMs = 0,
  ) {
    this.topic = topic;
    this.topicBytes = topicBytes;
    this.source = source;
    this.from = from;
    this.to = to;
    this.qos = qos;
    this.retain = retain;
    this.properties = properties;
    this.expiresAtMs = expiresAtMs;
  }

  get payload(): Uint8Array {
    return this.from === 0 && this.to === this.source.length ? this.source : this.source.subarray(this.from, this.to);
  }

  get payloadBytes(): number {
    return this.to - this.from;
  }

  /** What it costs in memory where it waits. */
  get cost(): number {
    return this.topicBytes.length + this.payloadBytes + this.properties.length + overheadBytes;
  }

  /** The same with bytes of its own: what arrived with it can be let go. One copy for all who ask. */
  detached(): Publication {
    if (this.#detached !== undefined) return this.#detached;
    const payload = this.source.slice(this.from, this.to);
    const properties = this.properties.length === 0 ? noBytes : this.properties.slice();
    const { topic, topicBytes, qos, retain, expiresAtMs } = this;
    const copy = new Publication(topic, topicBytes, payload, 0, payload.length, qos, retain, properties, expiresAtMs);
    copy.#detached = copy;
    this.#detached = copy;
    return copy;
  }
}

const utf8 = new TextEncoder();

/** One with the whole of `payload`. */
export function publicationOf(
  message: Pick<SpooledMessage, "topic" | "payload" | "qos"> & Partial<SpooledMessage>,
  retain: boolean,
): Publication {
  const { topic, payload, qos, properties, expiresAtMs } = message;
  const bytes = utf8.encode(topic);
  return new Publication(topic, bytes, payload, 0, payload.length, qos, retain, properties, expiresAtMs);
}
