// The link of a hollow node: drives shared/link/uplink-machine over one connection. It has no store, so it has nothing to send but
// what it says about itself, and the frames of machine messages.
import { FogbankError } from "#shared/errors.ts";
import type { NodeName } from "#shared/ids.ts";
import { encodeDeparture } from "#shared/link/frames.ts";
import type { NodePlace } from "#shared/link/descendant.ts";
import { decodeFromParent, encodeHeartbeat, encodeHello, protocolVersion } from "#shared/link/hello.ts";
import {
  initialUplink,
  stepUplink,
  type UplinkEffect,
  type UplinkEvent,
  type UplinkState,
} from "#shared/link/uplink-machine.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Random } from "#shared/system/random.ts";
import { downTopic, upTopic, type FrameKind } from "#shared/topics.ts";
import { controlDialOptions } from "../link/control-dial.ts";
import type { DialParent, ParentConnection } from "../link/parent-connection.ts";
import type { TreeTime } from "../link/tree-time.ts";
import type { HollowCounts } from "./hollow-counts.ts";

export interface HollowLinkDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly time: TreeTime;
  readonly dial: DialParent;
  /** Shared by all nodes of the process. */
  readonly counts: HollowCounts;
}

export interface HollowSelf {
  readonly name: NodeName;
  readonly place: NodePlace;
}

/** Who hears what comes from the parent, and that a session has begun or ended. */
export interface HollowListener {
  /** The payload is only valid during the call. */
  frame(kind: "c" | "r", payload: Uint8Array): void;
  changed(): void;
}

/** The session with the parent; another number for each. */
export interface HollowSession {
  readonly parent: NodeName | undefined;
  readonly number: number;
  /** When that changed, tree time. */
  readonly sinceMs: number;
}

export class HollowLink {
  readonly #deps: HollowLinkDeps;
  readonly #self: HollowSelf;
  readonly #listener: HollowListener;
  readonly #uuid: string;
  readonly #epoch: number;
  #state: UplinkState;
  #attempt = new AbortController();
  #conn = 0;
  #control: ParentConnection | undefined;
  #session: HollowSession;
  #isOver = false;

  constructor(deps: HollowLinkDeps, self: HollowSelf, listener: HollowListener) {
    const { clock, random } = deps;
    this.#deps = deps;
    this.#self = self;
    this.#listener = listener;
    this.#uuid = random.uuid();
    this.#epoch = random.uint32();
    this.#state = initialUplink(clock.monotonic());
    this.#session = { parent: undefined, number: 0, sinceMs: deps.time.now() };
  }

  get session(): HollowSession {
    return this.#session;
  }

  /** Levels below the root; undefined without a session. */
  get depth(): number | undefined {
    return this.#state.at === "running" ? this.#state.path.length : undefined;
  }

  /** Lets time pass; the first time it dials. */
  tick(): void {
    this.#dispatch({ type: "tick" });
  }

  /** Best effort. */
  send(kind: FrameKind, payload: Uint8Array): void {
    if (this.#control === undefined) return;
    this.#deps.counts.sent(kind, payload.length);
    this.#control.send(upTopic(this.#self.name, kind), payload);
  }

  /** Says that the departure is on purpose. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#session.parent !== undefined) this.send("w", this.#departure(true));
    this.#isOver = true;
    this.#attempt.abort();
    this.#changed(undefined);
    await this.#control?.[Symbol.asyncDispose]();
  }

  #dispatch(event: UplinkEvent): void {
    if (this.#isOver) return;
    const { clock, random } = this.#deps;
    const [state, effects] = stepUplink(this.#state, event, clock.monotonic(), random.unit());
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  /** Those about stored data are of no concern: a read that finds nothing may as well never end. */
  #perform(effect: UplinkEffect): void {
    switch (effect.type) {
      case "dial":
        this.#attempt = new AbortController();
        void this.#dial(this.#attempt.signal);
        return;
      case "close":
        this.#attempt.abort();
        this.#control?.drop();
        this.#control = undefined;
        return;
      case "hello":
        this.send("h", this.#hello());
        return;
      case "beat":
        this.send("h", this.#beat());
        return;
      case "report":
        this.#changed(this.#state.at === "running" ? this.#state.parent : undefined);
        return;
      case "open-lane":
      case "read":
      case "send":
      case "forget":
      case "refused":
      case "stalled":
        return;
    }
  }

  async #dial(signal: AbortSignal): Promise<void> {
    const { name } = this.#self;
    this.#conn = this.#deps.random.uint32();
    try {
      const options = controlDialOptions({
        name,
        identity: { uuid: this.#uuid, epoch: this.#epoch },
        departure: this.#departure(false),
        onMessage: (topic, payload) => this.#receive(topic, payload, signal),
        onClosed: (reason) => this.#dispatch({ type: "closed", reason }),
        signal,
      });
      const connection = await this.#deps.dial(options, signal);
      if (signal.aborted) {
        connection.drop();
        return;
      }
      this.#control = connection;
      this.#dispatch({ type: "opened" });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof FogbankError)) throw error;
      this.#dispatch({ type: "closed", reason: error.message });
    }
  }

  #receive(topic: string, payload: Uint8Array, signal: AbortSignal): void {
    if (signal.aborted) return;
    const kind = topic.slice(topic.lastIndexOf("/") + 1);
    this.#deps.counts.received(kind, payload.length);
    if (topic === downTopic(this.#self.name, "h")) this.#hear(payload);
    else if (kind === "c" || kind === "r") this.#listener.frame(kind, payload);
  }

  #hear(payload: Uint8Array): void {
    const answer = decodeFromParent(payload);
    if ("malformed" in answer) {
      this.#dispatch({ type: "closed", reason: `the parent sent a malformed frame: ${answer.malformed}` });
      return;
    }
    const { frame } = answer;
    if ("refusal" in frame) {
      this.#deps.counts.refused++;
      this.#dispatch({ type: "refused", refusal: frame.refusal });
      return;
    }
    const { nowMs, synced = false } = "welcome" in frame ? frame.welcome : frame.beat;
    this.#deps.time.learn(nowMs, synced);
    if ("welcome" in frame) this.#dispatch({ type: "welcome", welcome: frame.welcome });
    else this.#dispatch({ type: "beat", beat: frame.beat });
  }

  /** The listener hears only of another session, not of news from above. */
  #changed(parent: NodeName | undefined): void {
    const { parent: before, number } = this.#session;
    if (parent === before) return;
    const { counts, time } = this.#deps;
    counts.connected += parent === undefined ? -1 : before === undefined ? 1 : 0;
    this.#session = { parent, number: number + 1, sinceMs: time.now() };
    this.#listener.changed();
  }

  #hello(): Uint8Array {
    const { name, place } = this.#self;
    return encodeHello({
      version: protocolVersion,
      name,
      epoch: this.#epoch,
      bootId: this.#uuid,
      streams: [],
      nowMs: this.#deps.time.now(),
      conn: this.#conn,
      uuid: this.#uuid,
      place,
      descendants: [],
      lows: [],
    });
  }

  #beat(): Uint8Array {
    const nothing = { streams: [], creditBytes: undefined, path: undefined, descendants: undefined };
    return encodeHeartbeat({ nowMs: this.#deps.time.now(), ...nothing });
  }

  #departure(onPurpose: boolean): Uint8Array {
    return encodeDeparture({ name: this.#self.name, conn: this.#conn, onPurpose });
  }
}
