// What the uplink sends, between the store and the connections: asks the store for the next frame of a lane, wraps it into a batch, and
// tells the store what became of it. Which streams and low marks the parent has heard of is known for one session.
import type { AckedRanges, Ack } from "#shared/link/frames.ts";
import { frameBatch } from "#shared/link/frames.ts";
import type { Welcome } from "#shared/link/hello.ts";
import type { UplinkEffect, UplinkEvent } from "#shared/link/uplink-machine.ts";
import { isNodeName, type NodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import type { Lane, StreamState } from "#shared/journal/stream.ts";
import type { Backlog } from "#shared/system/backlog.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { HandedOn, OutgoingAnswer } from "../store/link-operations.ts";
import type { NodeStore } from "../store/node-store.ts";
import type { TreeTime } from "./tree-time.ts";

export interface SendingDeps {
  readonly store: NodeStore;
  readonly backlog: Backlog;
  readonly time: TreeTime;
  readonly clock: Clock;
  readonly log: Logger;
}

type ReadEffect = UplinkEffect & { readonly type: "read" };
type ForgetEffect = UplinkEffect & { readonly type: "forget" };
type ReadEvent = UplinkEvent & { readonly type: "read" };

const forgetRetryMs = 1_000;

export class Sending implements AsyncDisposable {
  readonly #deps: SendingDeps;
  readonly #name: NodeName;
  readonly #stop = new AbortController();
  /** Number of the session in this process. */
  #session = 0;
  /** What the last read of each lane found. */
  readonly #found = new Map<Lane, NonNullable<OutgoingAnswer["found"]> & { readonly idMax: number }>();
  /** By lane and frame number: no segment in the frame has a larger id. Of frames that may still be answered. */
  readonly #idMaxOf: Record<Lane, Map<number, number>> = { control: new Map(), bulk: new Map() };
  /** Streams that this session has named on a lane, and low marks that it has told. */
  readonly #named = new Set<string>();
  readonly #lows = new Map<string, number>();
  /** Acknowledged since the last read of the store. */
  #acked: AckedRanges[] = [];
  /** Own streams of which the parent has many ranges. */
  #crowded: readonly { readonly epoch: number; readonly streamId: number }[] = [];
  /** What the Welcome says the parent has, deleted. */
  #cleared: Promise<unknown> = Promise.resolve();
  #writing: Promise<unknown> = Promise.resolve();

  /** `name`: this node. */
  constructor(deps: SendingDeps, name: NodeName) {
    this.#deps = deps;
    this.#name = name;
  }

  /** Resolves when everything that was acknowledged by now has been written down. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#writing;
  }

  /** A session begins. `had`: what need not be sent any more. */
  begin(holds: Welcome["holds"], had: readonly AckedRanges[]): void {
    this.#session++;
    this.#crowded = holds
      .filter(({ ranges }) => ranges.length >= limits.rangesBeforeOldestFirst)
      .map(({ epoch, streamId }) => ({ epoch, streamId }));
    const cleared = had.map((numbers): HandedOn => ({ ...numbers, isFromWelcome: true }));
    if (cleared.length > 0) this.#cleared = this.#track(this.#forget(cleared, false));
  }

  /** The session is over. */
  end(): void {
    this.#found.clear();
    for (const frames of Object.values(this.#idMaxOf)) frames.clear();
    this.#named.clear();
    this.#lows.clear();
  }

  /** Reads the next frame; `frame` wraps it. */
  async read({ lane, generation, choices, deflate }: ReadEffect, signal: AbortSignal): Promise<ReadEvent> {
    const { store, backlog, time, clock } = this.#deps;
    await this.#cleared;
    const acked = this.#acked;
    this.#acked = [];
    const idMax = backlog.releasedId();
    const read = await store.read("outgoing", {
      lane,
      generation,
      choices,
      deflate,
      stamps: time.stamps(),
      acked,
      crowded: this.#crowded,
      session: this.#session,
      idMax,
      nowMs: clock.monotonic(),
    });
    if (read.damaged.length > 0) void this.#track(this.#giveUp(read.damaged));
    if (read.found !== null && !signal.aborted) this.#found.set(lane, { ...read.found, idMax });
    const { found, dry } = read;
    if (found === null) return { type: "read", lane, generation, found, dry };
    const bytes = found.segments.end - found.segments.start;
    return { type: "read", lane, generation, found: { priority: found.priority, bytes }, dry };
  }

  /** The batch with what the last read of that lane found. */
  frame(lane: Lane, frameNumber: number, session: number): Uint8Array | undefined {
    const read = this.#found.get(lane);
    if (read === undefined) return undefined;
    this.#found.delete(lane);
    this.#idMaxOf[lane].set(frameNumber, read.idMax);
    const streams = read.streams.filter((stream) => this.#isNew(`${lane}/${streamKey(stream)}`));
    const lows = read.lows.filter(({ epoch, streamId, low }) => {
      const key = `${epoch}/${streamId}`;
      if (this.#lows.get(key) === low) return false;
      this.#lows.set(key, low);
      return true;
    });
    // Whose messages these are is said in the frame itself: a heartbeat on the other connection might come later.
    const origins = new Set(streams.map(({ origin }) => origin).filter((origin) => origin !== this.#name));
    const relays = [...origins].filter(isNodeName);
    return frameBatch({ session, lane, frameNumber, streams, lows, relays }, read.segments);
  }

  /**
   * The parent has committed these. The reader of the store hears of it with the next read, so that they are not sent once more. What has
   * come since the frame was read stays: the frame may have carried a gap of the same numbers.
   */
  forget({ lane, frameNumber, acked }: Pick<ForgetEffect, "lane" | "frameNumber" | "acked">): void {
    const frames = this.#idMaxOf[lane];
    const idMax = frames.get(frameNumber);
    // A frame that was not sent in this session, or was answered long ago: whatever its answer names is sent again.
    if (idMax === undefined) return;
    // Frames of before have been answered, or are lost.
    for (const number of frames.keys()) if (number < frameNumber) frames.delete(number);
    this.#acked.push(...acked);
    const handedOn = acked.map((numbers) => ({ ...numbers, idMax }));
    void this.#track(this.#forget(handedOn, true));
  }

  /** What was refused or lost took the descriptions of its streams with it. */
  nameAgain(): void {
    this.#named.clear();
  }

  /** The parent did not take these: only they wait. When that cannot be written down, they are sent again with the rest. */
  refuse(naks: Ack["naks"]): void {
    void this.#track(this.#refuse(naks));
  }

  async #refuse(naks: Ack["naks"]): Promise<void> {
    const { store, clock, time, log } = this.#deps;
    try {
      const { messages } = await store.write("refused", { naks, nowMs: time.now(), monotonicMs: clock.monotonic() });
      if (messages > 0) log.error({ messages }, "refused by the parent again and again: named as lost and put aside");
    } catch (error) {
      if (!this.#stop.signal.aborted) log.warn({ error: String(error) }, "refused segments not kept back");
    }
  }

  /** A body that is not what was stored is given up at once. */
  async #giveUp(damaged: OutgoingAnswer["damaged"]): Promise<void> {
    const { store, time, log } = this.#deps;
    for (const segment of damaged) {
      try {
        const args = { ...segment, reason: "corrupt", nowMs: time.now() } as const;
        const { messages } = await store.write("quarantine", args);
        log.error({ ...segment, messages }, "stored segment is damaged: named as lost and put aside");
      } catch (error) {
        if (!this.#stop.signal.aborted) log.warn({ ...segment, error: String(error) }, "damaged segment not put aside");
      }
    }
  }

  async #forget(acked: readonly HandedOn[], isLazy: boolean): Promise<void> {
    for (let failures = 0; !this.#stop.signal.aborted; failures++) {
      try {
        await this.#deps.store.write("forget", { acked }, isLazy ? "lazy" : undefined);
        return;
      } catch (error) {
        if (failures === 0) this.#deps.log.error({ error: String(error) }, "delivered data not deleted yet");
        await this.#deps.clock.sleep(forgetRetryMs, this.#stop.signal).catch(() => undefined);
      }
    }
  }

  #track(work: Promise<void>): Promise<unknown> {
    this.#writing = Promise.all([this.#writing, work]);
    return work;
  }

  #isNew(key: string): boolean {
    if (this.#named.has(key)) return false;
    this.#named.add(key);
    return true;
  }
}

/** A stream by all that names it. */
function streamKey(stream: Pick<StreamState, "origin" | "epoch" | "streamId">): string {
  return `${stream.origin}/${stream.epoch}/${stream.streamId}`;
}
