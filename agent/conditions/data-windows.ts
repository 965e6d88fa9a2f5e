// What has been published on each data topic lately, for `data(path)` in conditions: the last payload, and the short ones of a while.
//
// Every captured message passes here, and hardly any is ever asked for: so bytes are copied as they come, and only read when a
// condition wants them. Kept in memory alone: after a start there is nothing until something is published.
import type { DataStatistics, JsonValue } from "#shared/condition/data.ts";
import { limits } from "#shared/limits.ts";
import { dataPrefix } from "#shared/topics.ts";

export interface DataWindows {
  /** A message on `topic` has been captured, stamped with `timeMs` by a clock that may step. Copies what it keeps of `payload`. */
  saw(topic: string, payload: Uint8Array, timeMs: number): void;
  /** Of the topic `/data/<path>`; undefined when nothing has been seen there for long. */
  read(path: string): DataStatistics | undefined;
}

/** `nowMs`: a clock that does not step. */
export function createDataWindows(nowMs: () => number, windowMs: number): DataWindows {
  const windows = new TwoGenerations();
  let stampedMs = Number.NaN;
  let seenAtMs = 0;
  return {
    saw(topic, payload, timeMs) {
      if (!topic.startsWith(dataPrefix)) return;
      // Reading the clock costs more than all the rest: it is enough whenever the stamp has changed.
      if (timeMs !== stampedMs) {
        stampedMs = timeMs;
        seenAtMs = nowMs();
      }
      windows.get(topic).add(seenAtMs, payload);
    },
    read: (path) => windows.find(dataPrefix + path)?.read(nowMs() - windowMs),
  };
}

/**
 * Windows by topic. When the younger half is full it becomes the older one, and what was in that goes: it has not been used since.
 * Windows that go are used again for other topics.
 */
class TwoGenerations {
  #young = new Map<string, TopicWindow>();
  #old = new Map<string, TopicWindow>();
  #spare: TopicWindow[] = [];

  /** A new one if there is none. */
  get(topic: string): TopicWindow {
    return this.find(topic) ?? this.#keep(topic, this.#spare.pop() ?? new TopicWindow());
  }

  find(topic: string): TopicWindow | undefined {
    const young = this.#young.get(topic);
    if (young !== undefined) return young;
    const old = this.#old.get(topic);
    if (old === undefined) return undefined;
    this.#old.delete(topic);
    return this.#keep(topic, old);
  }

  #keep(topic: string, window: TopicWindow): TopicWindow {
    this.#young.set(topic, window);
    if (this.#young.size < limits.dataTopics / 2) return window;
    this.#spare = [...this.#old.values()];
    for (const spare of this.#spare) spare.clear();
    [this.#old, this.#young] = [this.#young, new Map()];
    return window;
  }
}

const samplesMin = 8;
/** Bytes of a payload that counts in an average: a number, or a reading with its unit. */
const sampleBytes = 48;

/** A ring of short payloads, and the last one whatever it is. Grows as long as it is used. */
class TopicWindow {
  #times = new Float64Array(samplesMin);
  #lengths = new Uint8Array(samplesMin);
  #bytes = new Uint8Array(samplesMin * sampleBytes);
  /** Samples so far; the next one goes to the slot with the remainder of that. */
  #samples = 0;
  #last: Uint8Array | undefined;
  /** Of `#last`; 0 when the last payload is a sample, or too large. */
  #lastBytes = 0;
  #isLastSample = false;

  /** As new, but for the room that it has. */
  clear(): void {
    this.#samples = 0;
    this.#lastBytes = 0;
    this.#isLastSample = false;
  }

  add(atMs: number, payload: Uint8Array): void {
    const { length } = payload;
    this.#isLastSample = length <= sampleBytes;
    if (this.#isLastSample) {
      if (this.#samples === this.#times.length && this.#samples < limits.dataSamples) this.#grow();
      const slot = this.#samples++ % this.#times.length;
      this.#times[slot] = atMs;
      this.#lengths[slot] = length;
      copy(payload, this.#bytes, slot * sampleBytes);
    } else if (length <= limits.dataLastBytes) {
      if (this.#last === undefined || this.#last.length < length) this.#last = new Uint8Array(length);
      this.#last.set(payload);
      this.#lastBytes = length;
    } else this.#lastBytes = 0;
  }

  read(sinceMs: number): DataStatistics {
    let [count, sum, min, max] = [0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const size = this.#times.length;
    for (let sample = this.#samples - 1; sample >= Math.max(0, this.#samples - size); sample--) {
      if ((this.#times[sample % size] ?? 0) < sinceMs) break;
      const number = numberOf(parse(this.#sample(sample)));
      if (number === undefined) continue;
      count++;
      sum += number;
      min = Math.min(min, number);
      max = Math.max(max, number);
    }
    const last = parse(this.#isLastSample ? this.#sample(this.#samples - 1) : this.#kept());
    return count === 0 ? { last, count } : { last, count, avg: sum / count, min, max };
  }

  #sample(sample: number): Uint8Array {
    const slot = sample % this.#times.length;
    const from = slot * sampleBytes;
    return this.#bytes.subarray(from, from + (this.#lengths[slot] ?? 0));
  }

  #kept(): Uint8Array | undefined {
    return this.#lastBytes === 0 ? undefined : this.#last?.subarray(0, this.#lastBytes);
  }

  /** Twice as many slots. The ring is full and its first slot the oldest, so that the order stays. */
  #grow(): void {
    this.#times = grown(this.#times, Float64Array);
    this.#lengths = grown(this.#lengths, Uint8Array);
    this.#bytes = grown(this.#bytes, Uint8Array);
  }
}

function grown<T extends Float64Array | Uint8Array>(from: T, Kind: new (length: number) => T): T {
  const twice = new Kind(from.length * 2);
  twice.set(from);
  return twice;
}

/** Faster than `set` for a few bytes. */
function copy(from: Uint8Array, to: Uint8Array, at: number): void {
  for (let index = 0; index < from.length; index++) to[at + index] = from[index] ?? 0;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** JSON, or else the text itself; undefined for what is neither. */
function parse(payload: Uint8Array | undefined): JsonValue | undefined {
  if (payload === undefined) return undefined;
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}

/** A number, a text that is one, or the `v` of a reading such as `{"v": 21.5, "unit": "°C"}`; undefined for the infinite, too. */
function numberOf(value: JsonValue | undefined): number | undefined {
  const number = typeof value === "string" ? numberOfText(value) : typeof value === "object" ? readingOf(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

function numberOfText(text: string): number | undefined {
  return /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(text) ? Number(text) : undefined;
}

function readingOf(value: JsonValue): JsonValue | undefined {
  return typeof value !== "object" || value === null || isList(value) ? undefined : value["v"];
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
