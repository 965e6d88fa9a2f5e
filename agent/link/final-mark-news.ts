// Which of the root's marks each child has yet to hear: those of streams that it has named in this session, when they have changed. And
// what this node is short of, so that a child which has it hands it on once more.
import type { StreamState } from "#shared/journal/stream.ts";
import type { FinalHolding, FinalMark, Shortage } from "#shared/link/final-news.ts";
import { limits } from "#shared/limits.ts";
import type { NodeStore } from "../store/node-store.ts";

/** So often it looks before all is told again: a frame may be lost, and a child may have had no room to write a mark down. */
const looksPerRepetition = 20;

type StreamName = Pick<StreamState, "origin" | "epoch" | "streamId">;

export class FinalMarkNews {
  readonly #store: Pick<NodeStore, "read">;
  /** As of the last look into the store. */
  #marks: readonly FinalMark[] = [];
  #shortages: readonly Shortage[] = [];
  /** By child, what it was last asked for. */
  readonly #asked = new Map<string, string>();
  /** By child, then by stream that it has named: the mark that it was told. */
  readonly #told = new Map<string, Map<string, number>>();
  #looks = 0;
  /** Children for whom there may be something: every acknowledgement asks. */
  readonly #open = new Set<string>();

  constructor(store: Pick<NodeStore, "read">) {
    this.#store = store;
  }

  /** A session has begun: nothing is told yet. */
  begin(child: string, streams: readonly StreamState[]): void {
    this.#told.delete(child);
    this.#asked.delete(child);
    this.name(child, streams);
  }

  name(child: string, streams: readonly StreamState[]): void {
    for (const stream of streams) {
      if (stream.class !== "final") continue;
      const told = this.#told.get(child) ?? new Map<string, number>();
      this.#told.set(child, told);
      if (told.has(keyOf(stream))) continue;
      told.set(keyOf(stream), 0);
      this.#open.add(child);
      const [longestKnown] = told.keys();
      // What is forgotten here is told when the child names it again, at its next session at the latest.
      if (told.size > limits.namedBelow && longestKnown !== undefined) told.delete(longestKnown);
    }
  }

  /** What this node has had of the streams of class final that a Hello named, the child's own apart. */
  async relayed(child: string, named: readonly StreamState[]): Promise<{ readonly relayed?: readonly FinalHolding[] }> {
    const streams = named.filter((stream) => stream.class === "final" && stream.origin !== child);
    return streams.length === 0 ? {} : { relayed: await this.#store.read("finalHoldings", { streams }) };
  }

  async refresh(): Promise<void> {
    if (this.#told.size === 0) return;
    this.#marks = await this.#store.read("finalMarks", {}).catch(() => this.#marks);
    this.#shortages = await this.#store.read("shortages", {}).catch(() => this.#shortages);
    const isRepetition = ++this.#looks % looksPerRepetition === 0;
    if (isRepetition) this.#asked.clear();
    for (const [child, told] of this.#told) {
      this.#open.add(child);
      if (isRepetition) for (const stream of told.keys()) told.set(stream, 0);
    }
  }

  /** What to ask the child for in the next heartbeat: once, and again when that changes. */
  wanted(child: string): { readonly wanted?: readonly Shortage[] } {
    const told = this.#told.get(child);
    const wanted = this.#shortages.filter((one) => told?.has(keyOf(one)) === true).slice(0, limits.streamsPerHello);
    const asked = JSON.stringify(wanted);
    if (wanted.length === 0 || this.#asked.get(child) === asked) return {};
    this.#asked.set(child, asked);
    return { wanted };
  }

  /** What to put into the next frame to the child. */
  take(child: string): { readonly marks?: readonly FinalMark[] } {
    const told = this.#told.get(child);
    if (told === undefined || !this.#open.delete(child)) return {};
    const marks: FinalMark[] = [];
    for (const mark of this.#marks) {
      const before = told.get(keyOf(mark));
      if (before === undefined || before >= mark.fin || marks.length === limits.streamsPerHello) continue;
      told.set(keyOf(mark), mark.fin);
      marks.push(mark);
    }
    return marks.length === 0 ? {} : { marks };
  }
}

function keyOf({ origin, epoch, streamId }: StreamName): string {
  return `${origin}/${epoch}/${streamId}`;
}
