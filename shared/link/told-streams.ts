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
  /** Which database of which parent the rest is about. */
  #parent = "";
  /** By stream, the highest number that the parent knows: for good, and as far as this session goes. */
  readonly #known = new Map<string, number>();
  #told = new Map<string, number>();
  #inHello: readonly StreamState[] = [];

  /**
   * What the next hello names: own streams of `epoch`, then what is not complete here or not known to the parent, a bounded number.
   * Own streams come first.
   */
  forHello(streams: readonly KnownStream[], self: NodeName, epoch: number): readonly StreamState[] {
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
      .map(({ isComplete: _, ...stream }) => stream);
    return this.#inHello;
  }

  /** The parent, this database of it, has answered that hello. */
  welcomed(parent: NodeName, instance: number): void {
    const name = `${parent}/${instance}`;
    if (name !== this.#parent) this.#known.clear();
    this.#parent = name;
    for (const stream of this.#inHello) this.#known.set(streamKey(stream), stream.high);
    this.#told = new Map(this.#known);
  }

  /** What the next heartbeat names: a bounded number of those whose highest number the parent has not been told. */
  forBeat(streams: readonly KnownStream[]): readonly StreamState[] {
    const news = streams.filter((stream) => this.#told.get(streamKey(stream)) !== stream.high);
    const some = news.slice(0, limits.streamsPerHello);
    for (const stream of some) this.#told.set(streamKey(stream), stream.high);
    return some.map(({ isComplete: _, ...stream }) => stream);
  }

  /** The highest numbers of the own streams of `epoch` as the last hello gave them. */
  given(self: NodeName, epoch: number): ReadonlyMap<number, number> {
    const own = this.#inHello.filter((stream) => stream.origin === self && stream.epoch === epoch);
    return new Map(own.map(({ streamId, high }) => [streamId, high]));
  }
}

function streamKey(stream: Pick<StreamState, "origin" | "epoch" | "streamId">): string {
  return `${stream.origin}/${stream.epoch}/${stream.streamId}`;
}
