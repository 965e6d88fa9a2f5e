// Drives shared/link/uplink-machine: opens the connections to the parent, feeds events in, performs the effects in order.
import { FogbankError } from "#shared/errors.ts";
import type { NodeName } from "#shared/ids.ts";
import type { Lane } from "#shared/journal/stream.ts";
import { decodeAck, encodeDeparture, type Departure } from "#shared/link/frames.ts";
import type { FinalMark } from "#shared/link/final-news.ts";
import type { NodePlace } from "#shared/link/descendant.ts";
import {
  decodeFromParent,
  encodeHeartbeat,
  encodeHello,
  protocolVersion,
  type Heartbeat,
  type Refusal,
  type Welcome,
} from "#shared/link/hello.ts";
import { ToldStreams } from "#shared/link/told-streams.ts";
import {
  initialUplink,
  stepUplink,
  type UplinkEffect,
  type UplinkEvent,
  type UplinkState,
} from "#shared/link/uplink-machine.ts";
import type { Backlog } from "#shared/system/backlog.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { ParentLink } from "#shared/system/parent-link.ts";
import type { Random } from "#shared/system/random.ts";
import { bulkClientId, downTopic, upTopic } from "#shared/topics.ts";
import type { NodeStore } from "../store/node-store.ts";
import { usernameOf } from "./child-gate.ts";
import { controlDialOptions } from "./control-dial.ts";
import type { OwnIdentity } from "./own-identity.ts";
import type { DialParent, ParentConnection } from "./parent-connection.ts";
import { Sending } from "./sending.ts";
import { TellingBelow } from "./telling-below.ts";
import type { TreeTime } from "./tree-time.ts";
import type { TreeView } from "./tree-view.ts";

export interface UplinkDeps {
  readonly store: NodeStore;
  readonly backlog: Backlog;
  readonly tree: TreeView;
  readonly time: TreeTime;
  readonly dial: DialParent;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface UplinkConfig {
  readonly name: NodeName;
  readonly identity: Pick<OwnIdentity, "current" | "settled" | "renewedBy">;
  readonly bootId: string;
  readonly place: NodePlace;
}

export interface UplinkStats {
  readonly sessions: number;
  readonly framesSent: number;
  readonly stalls: number;
}

const tickMs = 200;
/** Between two attempts to open the bulk connection, doubled each time: the parent may have no room for it. */
const bulkRetryMsMin = 1_000;
const bulkRetryMsMax = 30_000;

/** Runs until it is disposed; disposing tells the parent that the departure is on purpose. */
export function startUplink(
  deps: UplinkDeps,
  config: UplinkConfig,
): ParentLink & AsyncDisposable & { stats(): UplinkStats } {
  return new Uplink(deps, config);
}

class Uplink implements ParentLink, AsyncDisposable {
  readonly #deps: UplinkDeps;
  readonly #config: UplinkConfig;
  readonly #stop = new AbortController();
  readonly #ticking: Promise<void>;
  readonly #released: Disposable;
  #state: UplinkState;
  /** Aborts everything that belongs to the current attempt or session. */
  #attempt = new AbortController();
  #conn = 0;
  #control: ParentConnection | undefined;
  #bulk: ParentConnection | undefined;
  readonly #closing: Promise<void>[] = [];
  readonly #sending: Sending;
  readonly #told = new ToldStreams();
  readonly #below: TellingBelow;
  /** Number of the last answer about streams. */
  #streamsAsked = 0;
  /** Marks of the root that came in before the Welcome. */
  readonly #earlyMarks: FinalMark[] = [];
  #isBeating = false;
  readonly #frameHandlers = new Map<string, (payload: Uint8Array) => void>();
  readonly #upHandlers = new Set<() => void>();
  #stats = { sessions: 0, framesSent: 0, stalls: 0 };

  constructor(deps: UplinkDeps, config: UplinkConfig) {
    this.#deps = deps;
    this.#config = config;
    this.#sending = new Sending(deps, config.name);
    this.#below = new TellingBelow(deps.tree, deps.clock, config.name);
    this.#state = initialUplink(deps.clock.monotonic());
    this.#released = deps.backlog.onReleased(() => this.#dispatch({ type: "stored" }));
    this.#ticking = this.#tick();
  }

  stats(): UplinkStats {
    return this.#stats;
  }

  parent(): string | undefined {
    return this.#state.at === "running" ? this.#state.parent : undefined;
  }

  send(kind: string, payload: Uint8Array): boolean {
    if (this.#state.at !== "running" || this.#control === undefined) return false;
    this.#control.send(upTopic(this.#config.name, kind), payload);
    return true;
  }

  onFrame(kind: string, handler: (payload: Uint8Array) => void): Disposable {
    this.#frameHandlers.set(kind, handler);
    return { [Symbol.dispose]: () => void this.#frameHandlers.delete(kind) };
  }

  onUp(handler: () => void): Disposable {
    this.#upHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#upHandlers.delete(handler) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#released[Symbol.dispose]();
    await this.#ticking;
    if (this.#state.at === "running") this.#control?.send(upTopic(this.#config.name, "w"), this.#departure(true));
    this.#closeConnections(true);
    this.#state = initialUplink(0);
    await Promise.all([...this.#closing, this.#sending[Symbol.asyncDispose]()]);
  }

  async #tick(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#dispatch({ type: "tick" });
      // News of those below go up soon; everything else can wait for the next heartbeat.
      if (this.#state.at === "running" && !this.#isBeating && this.#below.hasNews())
        this.#run(this.#sendBeat(this.#attempt.signal));
      await this.#deps.clock.sleep(tickMs, this.#stop.signal).catch(() => undefined);
    }
  }

  #dispatch(event: UplinkEvent): void {
    if (this.#stop.signal.aborted) return;
    const [state, effects] = stepUplink(this.#state, event, this.#deps.clock.monotonic(), this.#deps.random.unit());
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: UplinkEffect): void {
    switch (effect.type) {
      case "dial":
        this.#attempt = new AbortController();
        this.#run(this.#dialControl(this.#attempt.signal));
        return;
      case "close":
        this.#closeConnections(false);
        return;
      case "hello":
        this.#run(this.#sendHello(this.#attempt.signal));
        return;
      case "beat":
        this.#run(this.#sendBeat(this.#attempt.signal));
        return;
      case "open-lane":
        this.#run(this.#keepBulkOpen(this.#attempt.signal));
        return;
      case "read":
        this.#run(this.#read(effect, this.#attempt.signal));
        return;
      case "send":
        this.#send(effect.lane, effect.frameNumber);
        return;
      case "forget":
        this.#sending.forget(effect);
        return;
      case "refused":
        this.#sending.refuse(effect.naks);
        return;
      case "stalled":
        this.#stats.stalls++;
        this.#sending.nameAgain();
        this.#deps.log.warn({ lane: effect.lane }, "uplink without progress: sending again");
        return;
      case "report":
        this.#report();
        return;
    }
  }

  /** What an effect starts may fail only when the node is going down; anything else ends this attempt. */
  #run(work: Promise<void>): void {
    const signal = this.#attempt.signal;
    work.catch((error: unknown) => {
      if (signal.aborted || this.#stop.signal.aborted) return;
      this.#dispatch({ type: "closed", reason: error instanceof Error ? error.message : String(error) });
    });
  }

  async #dialControl(signal: AbortSignal): Promise<void> {
    const { name, identity } = this.#config;
    await identity.settled();
    // Only compared for equality; drawn instead of counted, so that a node whose disk is full can still connect.
    this.#conn = this.#deps.random.uint32();
    const options = controlDialOptions({
      name,
      identity: identity.current(),
      departure: this.#departure(false),
      onMessage: (topic, payload) => this.#receive(topic, payload, signal),
      onClosed: (reason) => this.#dispatch({ type: "closed", reason }),
      signal,
    });
    const connection = await this.#deps.dial(options, signal);
    if (signal.aborted) {
      await connection[Symbol.asyncDispose]();
      return;
    }
    this.#control = connection;
    this.#dispatch({ type: "opened" });
  }

  async #keepBulkOpen(signal: AbortSignal, retryMs = bulkRetryMsMin): Promise<void> {
    let waitMs = retryMs;
    const closed = Promise.withResolvers<void>();
    try {
      const connection = await this.#deps.dial(
        {
          clientId: bulkClientId(this.#config.name),
          username: usernameOf(this.#config.identity.current()),
          subscribe: undefined,
          will: undefined,
          onMessage: () => undefined,
          onClosed: () => closed.resolve(),
        },
        signal,
      );
      if (signal.aborted) {
        await connection[Symbol.asyncDispose]();
        return;
      }
      this.#bulk = connection;
      waitMs = bulkRetryMsMin;
      this.#dispatch({ type: "lane-opened" });
      signal.addEventListener("abort", () => closed.resolve(), { once: true });
      await closed.promise;
      if (signal.aborted) return;
      this.#bulk = undefined;
      this.#dispatch({ type: "lane-closed" });
    } catch (error) {
      if (!(error instanceof FogbankError)) throw error;
    }
    if (signal.aborted) return;
    await this.#deps.clock.sleep(waitMs * (0.5 + this.#deps.random.unit()), signal);
    await this.#keepBulkOpen(signal, Math.min(bulkRetryMsMax, 2 * waitMs));
  }

  /** Given up, the connections break, so that the parent hears of it; left on purpose, they end with a goodbye. */
  #closeConnections(onPurpose: boolean): void {
    this.#attempt.abort();
    for (const connection of [this.#control, this.#bulk]) {
      if (onPurpose && connection !== undefined) this.#closing.push(Promise.resolve(connection[Symbol.asyncDispose]()));
      else connection?.drop();
    }
    this.#control = undefined;
    this.#bulk = undefined;
    this.#sending.end();
    this.#earlyMarks.length = 0;
  }

  #receive(topic: string, payload: Uint8Array, signal: AbortSignal): void {
    if (signal.aborted) return;
    const { name } = this.#config;
    if (topic === downTopic(name, "a")) {
      const ack = decodeAck(payload, name);
      if ("malformed" in ack) this.#malformed(topic, ack.malformed);
      else {
        for (const nak of ack.frame.naks) this.#deps.log.warn({ ...nak }, "parent did not take a segment");
        this.#settle(ack.frame.marks);
        if (ack.frame.naks.length > 0) this.#sending.nameAgain();
        this.#dispatch({ type: "ack", ack: ack.frame });
      }
    } else if (topic === downTopic(name, "h")) {
      const answer = decodeFromParent(payload);
      if ("malformed" in answer) this.#malformed(topic, answer.malformed);
      else if ("welcome" in answer.frame) this.#run(this.#welcome(answer.frame.welcome, signal));
      else if ("refusal" in answer.frame) this.#refused(answer.frame.refusal);
      else {
        const { nowMs, synced = false, marks, wanted, rulings, belowHeard } = answer.frame.beat;
        this.#deps.time.learn(nowMs, synced);
        this.#below.heard(belowHeard);
        this.#settle(marks);
        this.#handOnOnce(wanted);
        if (rulings !== undefined) this.#deps.tree.hearRulings(rulings);
        this.#dispatch({ type: "beat", beat: answer.frame.beat });
      }
    } else if (this.#state.at === "running" || this.#state.at === "greeting") {
      // A parent takes its child for connected a moment before the child has its Welcome.
      this.#frameHandlers.get(topic.slice(topic.lastIndexOf("/") + 1))?.(payload);
    }
  }

  async #welcome(welcome: Welcome, signal: AbortSignal): Promise<void> {
    const { name: origin, identity } = this.#config;
    const { parent, parentInstance: instance, parentSinceMs: sinceMs } = welcome;
    if (await identity.renewedBy(welcome, this.#told.given(origin, identity.current().epoch))) {
      if (!signal.aborted) this.#dispatch({ type: "closed", reason: "this node goes on under a new epoch" });
      return;
    }
    await this.#sending.settled(); // of what another parent had
    const { holds, relayed } = welcome;
    const args = { parent, instance, holds, ...(relayed === undefined ? {} : { relayed }) };
    const { parents } = await this.#deps.store.write("meet", args);
    this.#deps.tree.setParents(parents);
    if (signal.aborted) return;
    // What a root has need not be sent again, even when its acknowledgement got lost. Any other parent may have had it and handed it
    // on, to this very node when the tree was different: only an answer to what is sent now counts.
    const isRoot = welcome.path[0]?.uplink === "root";
    const acked = isRoot
      ? welcome.holds.filter(({ ranges }) => ranges.length > 0).map((held) => ({ ...held, origin }))
      : [];
    this.#sending.begin(welcome.holds, acked);
    this.#stats.sessions++;
    this.#told.welcomed({ name: parent, instance, sinceMs });
    this.#below.welcomed(welcome);
    this.#deps.time.learn(welcome.nowMs, welcome.synced ?? false);
    this.#deps.tree.setNameAlarm(undefined);
    this.#dispatch({ type: "welcome", welcome });
    if (this.#earlyMarks.length > 0) this.#settle(this.#earlyMarks.splice(0));
    for (const handler of this.#upHandlers) handler();
  }

  /**
   * Lazily: a mark that is lost with this process is told again in the next session. Not before the Welcome has been compared: to an older
   * copy, the root's mark on what the original numbered would count as one on its own messages.
   */
  #settle(marks: readonly FinalMark[] | undefined): void {
    if (marks === undefined) return;
    if (this.#state.at !== "running") {
      this.#earlyMarks.push(...marks);
      return;
    }
    this.#deps.store
      .write("settleFinal", { marks }, "lazy")
      .catch((error: unknown) => this.#deps.log.warn({ error: String(error) }, "marks of the root not stored"));
  }

  #refused(refusal: Refusal): void {
    if (refusal.code === "name-taken") this.#deps.tree.setNameAlarm(refusal.text);
    this.#dispatch({ type: "refused", refusal });
  }

  /** What is not written down is asked for again. */
  #handOnOnce(wanted: Heartbeat["wanted"]): void {
    if (wanted === undefined) return;
    this.#deps.store
      .write("handOnOnce", { wanted })
      .catch((error: unknown) =>
        this.#deps.log.warn({ error: String(error) }, "what the parent lacks is not handed on"),
      );
  }

  #malformed(topic: string, reason: string): void {
    this.#deps.log.error({ topic, reason }, "parent sent a malformed frame");
    this.#dispatch({ type: "closed", reason: `the parent sent a malformed frame: ${reason}` });
  }

  async #sendHello(signal: AbortSignal): Promise<void> {
    const greeting = await this.#deps.store.read("greeting", {});
    if (signal.aborted) return;
    const { name, bootId, place } = this.#config;
    const { uuid, epoch } = this.#config.identity.current();
    const { time } = this.#deps;
    this.#streamsAsked = greeting.asked;
    const streams = this.#told.forHello(greeting.streams, name, epoch);
    const hello = encodeHello({
      version: protocolVersion,
      name,
      epoch,
      bootId,
      streams,
      nowMs: time.now(),
      conn: this.#conn,
      uuid,
      place,
      ...this.#below.forHello(streams),
      lows: greeting.lows.filter((low) =>
        streams.some((one) => one.origin === name && one.epoch === low.epoch && one.streamId === low.streamId),
      ),
      ...(greeting.parents.length === 0 ? {} : { parents: greeting.parents }),
    });
    this.#control?.send(upTopic(name, "h"), hello);
    this.#dispatch({ type: "greeted", bytes: hello.length });
  }

  async #sendBeat(signal: AbortSignal): Promise<void> {
    this.#isBeating = true;
    try {
      const grown = await this.#deps.store.read("streamsSince", { asked: this.#streamsAsked });
      if (signal.aborted) return;
      this.#streamsAsked = grown.asked;
      const streams = this.#told.forBeat(grown.streams);
      this.#beatWith({ streams, ...this.#below.forBeat(streams) });
    } finally {
      this.#isBeating = false;
    }
  }

  #beatWith(news: Omit<Heartbeat, "nowMs" | "creditBytes" | "path">): void {
    const beat = { ...news, nowMs: this.#deps.time.now(), creditBytes: undefined, path: undefined };
    this.#control?.send(upTopic(this.#config.name, "h"), encodeHeartbeat(beat));
  }

  async #read(effect: UplinkEffect & { type: "read" }, signal: AbortSignal): Promise<void> {
    const event = await this.#sending.read(effect, signal);
    if (!signal.aborted) this.#dispatch(event);
  }

  #send(lane: Lane, frameNumber: number): void {
    const connection = lane === "control" ? this.#control : this.#bulk;
    if (connection === undefined || this.#state.at !== "running") return;
    const frame = this.#sending.frame(lane, frameNumber, this.#state.session);
    if (frame === undefined) return;
    connection.send(upTopic(this.#config.name, "b"), frame);
    this.#stats.framesSent++;
  }

  #departure(onPurpose: boolean): Uint8Array {
    const departure: Departure = { name: this.#config.name, conn: this.#conn, onPurpose };
    return encodeDeparture(departure);
  }

  #report(): void {
    const state = this.#state;
    if (state.at === "running") this.#deps.tree.setUplink({ state: "up", reason: undefined, path: state.path });
    else this.#deps.tree.setUplink({ state: "down", reason: state.reason, cause: state.cause });
  }
}
