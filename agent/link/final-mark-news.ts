// Which of the root's marks each child has yet to hear: those of streams that it has named in this session, when they have changed. And
// what this node is short of, so that a child which has it hands it on once more.
import type { StreamState } from "#shared/journal/stream.ts";
import type { FinalHolding, FinalMark, Shortage } from "#shared/link/final-news.ts";
import { limits } from "#shared/limits.ts";
import type { NodeStore } from "../store/node-store.ts";

/** So often it looks before all is told again: a frame may be lost, and a child may have had no room to write a mark down. */
const looksPerRepetition = 20;

type StreamName = Pick<StreamState, "origin" | "epoch" | "streamId">;

/** What one child has named, and what it is still to be told of it. Keys of streams. */
interface Child {
  readonly named: Set<string>;
  readonly untold: Set<string>;
  /** What it was last asked for. */
  asked: string;
}

/**
 * The work of a look grows with what has changed since the one before, not with children times streams: a parent of ten thousand does
 * this beside all else.
 */
export class FinalMarkNews {
  readonly #store: Pick<NodeStore, "read">;
  /** As of the last look into the store, by stream. */
  #marks: ReadonlyMap<string, FinalMark> = new Map();
  #shortages: ReadonlyMap<string, Shortage> = new Map();
  readonly #children = new Map<string, Child>();
  /** By stream, who has named it. */
  readonly #namers = new Map<string, Set<Child>>();
  #looks = 0;

  constructor(store: Pick<NodeStore, "read">) {
    this.#store = store;
  }

  /** A session has begun: nothing is told yet. */
  begin(child: string, streams: readonly StreamState[]): void {
    const before = this.#children.get(child);
    if (before !== undefined) for (const key of before.named) this.#forget(before, key);
    this.#children.delete(child);
    this.name(child, streams);
  }

  name(child: string, streams: readonly StreamState[]): void {
    for (const stream of streams) if (stream.class === "final") this.#name(child, keyOf(stream));
  }

  #name(name: string, key: string): void {
    const child = this.#children.get(name) ?? { named: new Set(), untold: new Set(), asked: "" };
    this.#children.set(name, child);
    if (child.named.has(key)) return;
    child.named.add(key);
    child.untold.add(key);
    const namers = this.#namers.get(key) ?? new Set();
    this.#namers.set(key, namers.add(child));
    const [longestKnown] = child.named;
    // What is forgotten here is told when the child names it again, at its next session at the latest.
    if (child.named.size > limits.namedBelow && longestKnown !== undefined) this.#forget(child, longestKnown);
  }

  #forget(child: Child, key: string): void {
    child.named.delete(key);
    child.untold.delete(key);
    const namers = this.#namers.get(key);
    namers?.delete(child);
    if (namers?.size === 0) this.#namers.delete(key);
  }

  /** What this node has had of the streams of class final that a Hello named, the child's own apart. */
  async relayed(child: string, named: readonly StreamState[]): Promise<{ readonly relayed?: readonly FinalHolding[] }> {
    const streams = named.filter((stream) => stream.class === "final" && stream.origin !== child);
    return streams.length === 0 ? {} : { relayed: await this.#store.read("finalHoldings", { streams }) };
  }

  async refresh(): Promise<void> {
    if (this.#namers.size === 0) return;
    const marks = await this.#store.read("finalMarks", {}).then(byStream, () => this.#marks);
    this.#shortages = await this.#store.read("shortages", {}).then(byStream, () => this.#shortages);
    for (const [key, { fin }] of marks)
      if (this.#marks.get(key)?.fin !== fin) for (const child of this.#namers.get(key) ?? []) child.untold.add(key);
    this.#marks = marks;
    if (++this.#looks % looksPerRepetition !== 0) return;
    for (const child of this.#children.values()) {
      child.asked = "";
      for (const key of child.named) child.untold.add(key);
    }
  }

  /** What to ask the child for in the next heartbeat: once, and again when that changes. */
  wanted(name: string): { readonly wanted?: readonly Shortage[] } {
    const child = this.#children.get(name);
    if (child === undefined || this.#shortages.size === 0) return {};
    const wanted: Shortage[] = [];
    for (const [key, shortage] of this.#shortages) {
      if (wanted.length === limits.streamsPerHello) break;
      if (child.named.has(key)) wanted.push(shortage);
    }
    const asked = JSON.stringify(wanted);
    if (wanted.length === 0 || child.asked === asked) return {};
    child.asked = asked;
    return { wanted };
  }

  /** What to put into the next frame to the child. */
  take(name: string): { readonly marks?: readonly FinalMark[] } {
    const untold = this.#children.get(name)?.untold;
    if (untold === undefined || untold.size === 0) return {};
    const marks: FinalMark[] = [];
    for (const key of untold) {
      if (marks.length === limits.streamsPerHello) break;
      untold.delete(key);
      const mark = this.#marks.get(key);
      // Of one that has none yet the child hears when it has.
      if (mark !== undefined && mark.fin > 0) marks.push(mark);
    }
    return marks.length === 0 ? {} : { marks };
  }
}

function byStream<T extends StreamName>(streams: readonly T[]): ReadonlyMap<string, T> {
  return new Map(streams.map((stream) => [keyOf(stream), stream]));
}

function keyOf({ origin, epoch, streamId }: StreamName): string {
  return `${origin}/${epoch}/${streamId}`;
}
