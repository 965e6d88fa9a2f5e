// What a node has told its parent of the streams it knows: how far each has been numbered. A hello names what the parent may not know;
// what does not fit follows in heartbeats. Nothing counts as told for good before the Welcome to the hello that named it.
import type { NodeName } from "../ids.ts";
import type { StreamState } from "../journal/stream.ts";
import { limits } from "../limits.ts";

/** A stream and whether all of its numbers were handed on, or lost; of class final, whether the root's mark has passed all of them. */
export interface KnownStream extends StreamState {
  readonly isComplete: boolean;
}

export class ToldStreams {
  /** Which life of which database of which parent the rest is about. */
  #parent = "";
  /** By stream, the highest number that the parent knows: for good, and as far as this session goes. */
  readonly #known = new Map<string, number>();
  #told = new Map<string, number>();
  #inHello: readonly StreamState[] = [];
  /** All that there were at that hello, until its Welcome. */
  #atHello: readonly StreamState[] = [];
  /** By stream, what this session has yet to tell: it may be more than one frame takes. */
  readonly #news = new Map<string, StreamState>();

  /**
   * What the next hello names: own streams of `epoch`, then what is not complete here or not known to the parent, a bounded number.
   * Own streams come first.
   */
  forHello(streams: readonly KnownStream[], self: NodeName, epoch: number): readonly StreamState[] {
    this.#atHello = streams;
    this.#news.clear();
    const rank = (stream: KnownStream): number => {
      if (stream.origin === self) return stream.epoch === epoch ? 0 : 1;
      return this.#known.get(streamKey(stream)) === stream.high ? 3 : 2;
    };
    const wanted = streams.filter(
      (stream) => rank(stream) === 0 || !stream.isComplete || this.#known.get(streamKey(stream)) !== stream.high,
    );
    this.#inHello = wanted
      .toSorted((a, b) => rank(a) - rank(b))
      .slice(0, limits.streamsPerHello)
      .map(plain);
    return this.#inHello;
  }

  /**
   * The parent has answered that hello. In another life it may have another database, or an older copy that nothing else shows: what it
   * was told before that, it may not know. `sinceMs`: when that life began, if it says so.
   */
  welcomed(parent: {
    readonly name: NodeName;
    readonly instance: number;
    readonly sinceMs?: number | undefined;
  }): void {
    const name = `${parent.name}/${parent.instance}/${parent.sinceMs ?? ""}`;
    if (name !== this.#parent) this.#known.clear();
    this.#parent = name;
    for (const stream of this.#inHello) this.#known.set(streamKey(stream), stream.high);
    this.#told = new Map(this.#known);
    this.#note(this.#atHello);
    this.#atHello = [];
  }

  /**
   * What the next heartbeat names: a bounded number of those whose highest number the parent has not been told. `grown`: streams that
   * may have grown since the hello, or the last heartbeat.
   */
  forBeat(grown: readonly KnownStream[]): readonly StreamState[] {
    this.#note(grown);
    const some: StreamState[] = [];
    for (const [key, stream] of this.#news) {
      if (some.length === limits.streamsPerHello) break;
      some.push(plain(stream));
      this.#told.set(key, stream.high);
      this.#news.delete(key);
    }
    return some;
  }

  #note(streams: readonly StreamState[]): void {
    for (const stream of streams) {
      const key = streamKey(stream);
      if (this.#told.get(key) !== stream.high) this.#news.set(key, stream);
    }
  }

  /** The highest numbers of the own streams of `epoch` as the last hello gave them. */
  given(self: NodeName, epoch: number): ReadonlyMap<number, number> {
    const own = this.#inHello.filter((stream) => stream.origin === self && stream.epoch === epoch);
    return new Map(own.map(({ streamId, high }) => [streamId, high]));
  }
}

/** As it stands in a frame. */
function plain({ isComplete: _, ...stream }: StreamState & Partial<KnownStream>): StreamState {
  return stream;
}

function streamKey(stream: Pick<StreamState, "origin" | "epoch" | "streamId">): string {
  return `${stream.origin}/${stream.epoch}/${stream.streamId}`;
}
