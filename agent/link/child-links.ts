// The links from above: what children send to this node's broker below `$fog/up/<child>/`. Takes in their batches, acknowledges
// after the commit, tells them credit, time and the path to the root, and notices when they fall silent.
// The child's name is the one in the topic, which the broker has authorized; never one from a payload.
import { FogbankError } from "#shared/errors.ts";
import type { NodeName } from "#shared/ids.ts";
import { HelloAdmission } from "#shared/link/admission.ts";
import { creditOf, type Credit } from "#shared/link/credit.ts";
import { decodeBatch, decodeDeparture, encodeAck, type Ack, type Batch } from "#shared/link/frames.ts";
import {
  capabilities,
  decodeFromChild,
  encodeHeartbeat,
  encodeRefusal,
  encodeWelcome,
  protocolVersion,
  type Hello,
  type Heartbeat,
  type Refusal,
} from "#shared/link/hello.ts";
import { limits } from "#shared/limits.ts";
import {
  bornChild,
  departedChild,
  heardChild,
  keptOutChild,
  toldChild,
  watchedChild,
  type ChildPresence,
} from "#shared/link/child-presence.ts";
import { textOf, type NameRuling } from "#shared/link/name-rulings.ts";
import type { Bus, InboundPublish } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { bulkClientId, controlClientId, downTopic, parseUpTopic, upFilterOf } from "#shared/topics.ts";
import type { Contested, Heard, IngestOutcome, Unnamed } from "../store/intake-operations.ts";
import { movableBuffers } from "../store/movable-bodies.ts";
import type { NodeStore } from "../store/node-store.ts";
import { FinalMarkNews } from "./final-mark-news.ts";
import { isLeaf, knownChildOf } from "./known-child.ts";
import type { OwnIdentity } from "./own-identity.ts";
import { namesInBeat, namesInHello } from "./names-below.ts";
import { PathNews } from "./path-news.ts";
import { portionAnswer } from "./portion-answer.ts";
import { RulingNews } from "./ruling-news.ts";
import type { TreeTime } from "./tree-time.ts";
import type { TreeView } from "./tree-view.ts";
import { unfitHello } from "./unfit-hello.ts";

export interface ChildLinksDeps {
  readonly bus: Pick<Bus, "intercept" | "publish">;
  disconnect(clientId: string): void;
  isConnected(clientId: string): boolean;
  readonly store: NodeStore;
  readonly tree: TreeView;
  readonly time: TreeTime;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface ChildLinksStats {
  readonly stored: number;
  readonly duplicates: number;
  readonly malformed: number;
  /** Hellos that were asked to come again later. */
  readonly postponed: number;
  /** Streams that were named in hellos, heartbeats or batches and that the ledger has no place for, and children of that kind. */
  readonly unplaced: number;
}

export interface ChildLinksSelf {
  readonly name: NodeName;
  readonly identity: Pick<OwnIdentity, "current" | "onRenewed" | "sinceMs">;
}

/** Serves children until it is disposed. */
export function startChildLinks(
  deps: ChildLinksDeps,
  self: ChildLinksSelf,
): AsyncDisposable & { stats(): ChildLinksStats } {
  return new ChildLinks(deps, self);
}

type StreamName = Unnamed["streams"][number];

/** How often at most it is logged that the ledger has no place. */
const unplacedLogMs = 60_000;
/** Silence is noticed this much late at most. */
const watchMs = 500;

class ChildLinks implements AsyncDisposable {
  readonly #deps: ChildLinksDeps;
  readonly #self: ChildLinksSelf;
  readonly #stop = new AbortController();
  readonly #intercepting = new DisposableStack();
  readonly #beating: Promise<void>;
  readonly #work = new Set<Promise<void>>();
  readonly #paths = new PathNews(watchMs);
  readonly #marks: FinalMarkNews;
  readonly #rulings = new RulingNews();
  #waitingBytes = 0;
  #storeIsFull = false;
  readonly #admission: HelloAdmission;
  #stats = { stored: 0, duplicates: 0, malformed: 0, postponed: 0, unplaced: 0 };
  /** When that was logged last, of the clock that never steps. */
  #unplacedLoggedMs = -Infinity;
  #storeIsScarce = false;

  constructor(deps: ChildLinksDeps, self: ChildLinksSelf) {
    this.#deps = deps;
    this.#self = self;
    this.#admission = new HelloAdmission(deps.clock.monotonic());
    this.#marks = new FinalMarkNews(deps.store);
    // They say hello again, and hear that they talk to another database than before.
    this.#intercepting.use(
      self.identity.onRenewed(() => {
        for (const { name } of deps.tree.children()) this.#disconnect(name);
      }),
    );
    this.#intercepting.use(deps.tree.onPath(() => this.#tellPath()));
    for (const kind of ["h", "b", "w"] as const) {
      this.#intercepting.use(
        deps.bus.intercept(upFilterOf(kind), (publish, settle) => {
          // Held until it is dealt with: a child that ignores its credit is then read no further.
          void this.#receive(publish).finally(() => settle({ type: "take" }));
        }),
      );
    }
    this.#beating = this.#beat();
  }

  stats(): ChildLinksStats {
    return this.#stats;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#intercepting.dispose();
    this.#stop.abort();
    await this.#beating;
    await Promise.all(this.#work);
  }

  /** Resolves when the frame has been dealt with. */
  async #receive(publish: InboundPublish): Promise<void> {
    const address = parseUpTopic(publish.topic);
    if (address === undefined || this.#stop.signal.aborted) return;
    const { child, kind } = address;
    if (kind === "h") await this.#greet(child, publish.payload);
    else if (kind === "b") await this.#takeBatch(child, publish);
    else if (kind === "w") await this.#depart(child, publish.payload);
  }

  async #greet(child: string, payload: Uint8Array): Promise<void> {
    const greeting = decodeFromChild(payload);
    if ("malformed" in greeting) this.#malformed(child, greeting.malformed);
    else if ("hello" in greeting.frame) await this.#hello(child, greeting.frame.hello);
    else await this.#heartbeat(child, greeting.frame.beat);
  }

  async #hello(child: string, hello: Hello): Promise<void> {
    const refusal = this.#refusalOf(child, hello);
    if (refusal !== undefined) {
      this.#deps.log.warn({ child, reason: refusal.text }, "child refused");
      this.#send(child, "h", encodeRefusal(refusal));
      return;
    }
    const { clock, tree } = this.#deps;
    const admission = this.#admission.ask(child, clock.monotonic());
    if (admission.type === "busy") {
      this.#stats.postponed++;
      const text = "many nodes come back at once: this one's turn is later";
      this.#send(child, "h", encodeRefusal({ code: "busy", retryAfterMs: admission.retryAfterMs, text }));
      return;
    }
    const born = bornChild(tree.child(child), hello, this.#moment());
    tree.setChild(born);
    await this.#track(this.#welcome(born, hello));
    this.#admission.done(clock.monotonic());
  }

  /** Takes in what the hello says. A child of whose present epoch that is not possible is sent away. Answers whether it stays. */
  async #hear(child: string, hello: Hello): Promise<boolean> {
    const { store, clock, tree } = this.#deps;
    const { streams, lows } = hello;
    const below = namesInHello(hello);
    const contested = this.#contested(child, streams);
    const heard = await store.write("hear", { child, streams, lows, below, nowMs: clock.now(), contested });
    this.#noteUnplaced(child, heard);
    const isPresent = (one: StreamName): boolean => one.origin === child && one.epoch === hello.epoch;
    if (!heard.isChildRefused && !heard.streams.some(isPresent)) return true;
    const known = tree.child(child);
    const { name, conn } = hello;
    if (known !== undefined) tree.setChild(departedChild(known, { name, conn, onPurpose: false }, clock.now()));
    const text = `no place for this node in the ledger: ${heard.reason}`;
    this.#send(child, "h", encodeRefusal({ code: "busy", retryAfterMs: limits.noPlaceBackoffMs, text }));
    return false;
  }

  #noteUnplaced(child: string, { streams, reason, isChildRefused = false }: Unnamed & Partial<Heard>): void {
    if (reason === undefined) return;
    this.#stats.unplaced += streams.length + (isChildRefused ? 1 : 0);
    const nowMs = this.#deps.clock.monotonic();
    if (nowMs - this.#unplacedLoggedMs < unplacedLogMs) return;
    this.#unplacedLoggedMs = nowMs;
    const { unplaced } = this.#stats;
    this.#deps.log.error({ child, reason, unplaced }, "the ledger has no place for what a child names");
  }

  #refusalOf(child: string, hello: Hello): Refusal | undefined {
    const unfit = unfitHello(this.#deps.tree, this.#self.name, child, hello);
    if (unfit !== undefined) return unfit;
    const ruling = this.#deps.tree.rulingAgainst(child, hello.uuid);
    if (ruling === undefined) return undefined;
    this.#update(undefined, keptOutChild(this.#deps.tree.child(child), hello, this.#moment()));
    return { code: "name-taken", retryAfterMs: limits.duplicateRetryMs, text: textOf(ruling) };
  }

  async #welcome(child: ChildPresence, hello: Hello): Promise<void> {
    const { store, tree } = this.#deps;
    const { name, session } = child;
    if (!(await this.#hear(name, hello))) return;
    await store.write("putChild", { child: knownChildOf(child) });
    this.#marks.begin(name, hello.streams);
    const holdings = await store.read("holdings", { node: name });
    const relayed = await this.#marks.relayed(name, hello.streams);
    const known = new Set(hello.streams.filter(({ origin }) => origin === name).map(({ epoch }) => epoch));
    // Only the session that is current now may begin: a second hello may have overtaken this one.
    if (tree.child(name)?.session !== session) return;
    const welcome = encodeWelcome({
      version: protocolVersion,
      parent: this.#self.name,
      parentInstance: this.#self.identity.current().instance,
      parentSinceMs: this.#self.identity.sinceMs,
      session,
      holds: holdings
        .filter(({ epoch }) => known.has(epoch))
        .map((held) => ({ ...held, ranges: held.ranges.slice(-limits.rangesOnWire) })),
      ...relayed,
      ...this.#credit(),
      capabilities: capabilities.deflate | capabilities.descendantNews,
      nowMs: this.#deps.time.now(),
      synced: this.#deps.time.synced(),
      path: tree.path(),
    });
    this.#paths.tell(name, tree.version().above);
    this.#rulings.begin(name);
    this.#send(name, "h", welcome);
  }

  async #heartbeat(child: string, beat: Heartbeat): Promise<void> {
    const known = this.#deps.tree.child(child);
    if (known?.state !== "online") return;
    const at = this.#moment();
    const now = beat.below === undefined ? heardChild(known, at, beat.descendants) : toldChild(known, at, beat.below);
    this.#deps.tree.setChild(now);
    if (beat.below !== undefined) this.#send(child, "h", portionAnswer(this.#deps.time, beat.below.portion));
    if (isLeaf(now) !== isLeaf(known)) void this.#track(this.#put(now));
    const { streams } = beat;
    const below = namesInBeat(beat);
    if (streams.length === 0 && below.length === 0) return;
    this.#marks.name(child, streams);
    const contested = this.#contested(child, streams);
    const news = { child, streams, lows: [], below, nowMs: this.#deps.clock.now(), contested };
    // Batches of those that are named may be right behind.
    const heard = this.#deps.store.write("hear", news, below.length === 0 ? "lazy" : undefined);
    await this.#track(heard.then((answer) => this.#noteUnplaced(child, answer)));
  }

  async #takeBatch(child: string, publish: InboundPublish): Promise<void> {
    const decoded = decodeBatch(publish.payload, child);
    if ("malformed" in decoded) {
      this.#malformed(child, decoded.malformed);
      return;
    }
    const known = this.#deps.tree.child(child);
    const batch = decoded.frame;
    // Of an older session, or before the hello: nothing is taken, nothing is answered [O11].
    if (known?.state !== "online" || batch.session !== known.session) return;
    if (publish.clientId === controlClientId(child))
      this.#deps.tree.setChild(heardChild(known, this.#moment(), undefined));
    await this.#track(this.#ingest(child, batch, publish.payload.length));
  }

  async #ingest(child: string, batch: Batch, bytes: number): Promise<void> {
    // The bodies alias the packet, whose buffer is used again. These copies go to the store's thread.
    const segments = batch.segments.map((segment) => ({
      ...segment,
      body: segment.body === null ? null : new Uint8Array(segment.body),
    }));
    const { streams, lows, relays } = batch;
    this.#marks.name(child, streams);
    this.#waitingBytes += bytes;
    try {
      const nowMs = this.#deps.clock.now();
      const clockOffsetMs = this.#deps.time.unsyncedOffsetMs();
      const args = {
        child,
        batch: { streams, lows, segments, ...(relays && { relays }) },
        nowMs,
        ...(clockOffsetMs === undefined ? {} : { clockOffsetMs }),
        contested: this.#contested(child, [...streams, ...segments]),
      };
      // Alarms come on the control connection: no pause between commits holds them up.
      const haste = batch.lane === "control" ? "urgent" : undefined;
      const outcome = await this.#deps.store.write("ingest", args, haste, movableBuffers(segments));
      this.#stats.stored += outcome.stored;
      this.#stats.duplicates += outcome.duplicates;
      this.#setFull(false);
      this.#noteUnplaced(child, outcome.unnamed);
      this.#acknowledge(child, batch, outcome);
    } catch (error) {
      if (!(error instanceof FogbankError) || error.code === "FOGBANK_STORE_CLOSED") return;
      this.#setFull(true, error);
      this.#acknowledge(child, batch, {
        acked: [],
        naks: batch.segments.slice(0, 1).map((segment) => ({ segment, code: "no-room" })),
      });
    } finally {
      this.#waitingBytes -= bytes;
    }
  }

  /** Of what the child tells or sends: that of nodes which are live below other children. */
  #contested(child: string, told: readonly Pick<Contested, "origin" | "epoch">[]): readonly Contested[] {
    const seen = new Set<string>();
    return told.flatMap(({ origin, epoch }) => {
      if (origin === child || seen.has(`${origin}/${epoch}`)) return [];
      seen.add(`${origin}/${epoch}`);
      const vouched = this.#deps.tree.vouched(child, origin, epoch);
      return vouched === undefined ? [] : [{ origin, epoch, vouched: [...vouched] }];
    });
  }

  /** Only called after the commit: what an acknowledgement names is durable here [O5]. */
  #acknowledge(child: string, batch: Batch, outcome: Pick<IngestOutcome, "acked" | "naks">): void {
    const ack: Ack = {
      session: batch.session,
      lane: batch.lane,
      frameNumber: batch.frameNumber,
      ...this.#credit(),
      acked: outcome.acked,
      naks: outcome.naks.map(({ segment: { origin, epoch, streamId, first }, code }) => ({
        origin,
        epoch,
        streamId,
        first,
        code,
      })),
      ...this.#marks.take(child),
    };
    for (const nak of ack.naks)
      if (nak.code !== "no-room" && nak.code !== "no-place")
        this.#deps.log.error({ child, ...nak }, "segment not taken");
    this.#send(child, "a", encodeAck(ack, child));
  }

  async #depart(child: string, payload: Uint8Array): Promise<void> {
    const departure = decodeDeparture(payload);
    await Promise.resolve(); // a connection that takes over stands right behind the will that it fires [J-T7]
    const known = this.#deps.tree.child(child);
    if ("malformed" in departure || known === undefined) return;
    if (!departure.frame.onPurpose && this.#deps.isConnected(controlClientId(child))) return;
    this.#update(known, departedChild(known, departure.frame, this.#deps.clock.now()));
  }

  /** Heartbeats down every few seconds, and in between a look for children that have fallen silent. */
  async #beat(): Promise<void> {
    const { clock } = this.#deps;
    let beatAtMs = clock.monotonic();
    while (!this.#stop.signal.aborted) {
      await clock.sleep(watchMs, this.#stop.signal).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      this.#dropSilent();
      this.#tellPath();
      if (clock.monotonic() - beatAtMs < limits.heartbeatMs) continue;
      beatAtMs = clock.monotonic();
      await this.#lookAtStore();
      await this.#marks.refresh();
      this.#deps.tree.expireAlarms();
      this.#sendBeats();
    }
  }

  #dropSilent(): void {
    for (const child of this.#deps.tree.children()) {
      const watched = watchedChild(child, this.#moment());
      this.#update(child, watched);
      if (watched !== child) this.#disconnect(child.name);
    }
  }

  #tellPath(): void {
    const { tree, time, clock } = this.#deps;
    const due = this.#paths.due(tree.children(), tree.version().above, clock.monotonic());
    if (due.length === 0) return;
    const beat = { nowMs: time.now(), synced: time.synced(), streams: [], ...this.#credit() };
    const frame = encodeHeartbeat({ ...beat, path: tree.path(), descendants: undefined });
    for (const name of due) this.#send(name, "h", frame);
  }

  #sendBeats(): void {
    const { tree, time } = this.#deps;
    const path = tree.path();
    const { above } = tree.version();
    const credit = this.#credit();
    const rulings = this.#enforceNames();
    for (const { name, state } of tree.children()) {
      if (state !== "online") continue;
      const news = this.#paths.knows(name, above) ? undefined : path;
      this.#paths.tell(name, above);
      const beat: Heartbeat = {
        nowMs: time.now(),
        synced: time.synced(),
        streams: [],
        ...credit,
        path: news,
        descendants: undefined,
        ...this.#marks.take(name),
        ...this.#marks.wanted(name),
        ...this.#rulings.take(name, rulings.get(name) ?? []),
      };
      this.#send(name, "h", encodeHeartbeat(beat));
    }
  }

  /** Sends away whose name another node has borne for longer. Answers by child what it is to hear. */
  #enforceNames(): ReadonlyMap<string, readonly NameRuling[]> {
    const { tree } = this.#deps;
    const byChild = Map.groupBy(tree.reviewNames(), ({ child }) => child);
    for (const name of byChild.keys()) {
      const child = tree.child(name);
      if (child?.state === "online" && tree.rulingAgainst(name, child.uuid) !== undefined) this.#disconnect(name); // it hears why when it says hello again
    }
    return new Map([...byChild].map(([child, routed]) => [child, routed.map(({ ruling }) => ruling)]));
  }

  async #lookAtStore(): Promise<void> {
    const usage = await this.#deps.store.read("usage", {}).catch(() => undefined);
    if (usage === undefined) return;
    this.#setFull(usage.full);
    this.#storeIsScarce = usage.usedBytes > usage.maxBytes * limits.urgentOnlyShare && !usage.yields;
  }

  #update(before: ChildPresence | undefined, after: ChildPresence): void {
    if (after === before) return;
    this.#deps.tree.setChild(after);
    void this.#track(this.#put(after));
  }

  #put(child: ChildPresence): Promise<unknown> {
    return this.#deps.store.write("putChild", { child: knownChildOf(child) }, "lazy");
  }

  #setFull(full: boolean, error?: FogbankError): void {
    if (full === this.#storeIsFull) return;
    this.#storeIsFull = full;
    if (full) this.#deps.log.error({ reason: error?.message }, "no room for data of children");
    else this.#deps.log.info({}, "room for data of children again");
  }

  #malformed(child: string, reason: string): void {
    this.#stats.malformed++;
    this.#deps.log.warn({ child, reason }, "child sent a malformed frame: connection closed");
    this.#disconnect(child);
  }

  #disconnect(child: string): void {
    this.#deps.disconnect(controlClientId(child));
    this.#deps.disconnect(bulkClientId(child));
  }

  #credit(): Credit {
    const room = this.#storeIsFull ? "full" : this.#storeIsScarce ? "scarce" : "free";
    return creditOf(this.#deps.tree.onlineChildren(), this.#waitingBytes, room);
  }

  #send(child: string, kind: "h" | "a", payload: Uint8Array): void {
    void this.#track(this.#deps.bus.publish({ topic: downTopic(child, kind), payload, qos: 0, retain: false }));
  }

  /** Keeps `work` until it is done. It fails only when the store or the broker is closing, or has said why itself. */
  #track(work: Promise<unknown>): Promise<void> {
    const done = work.then(
      () => undefined,
      (error: unknown) => {
        if (!this.#stop.signal.aborted) this.#deps.log.warn({ error: String(error) }, "frame of a child not answered");
      },
    );
    this.#work.add(done);
    void done.finally(() => this.#work.delete(done));
    return done;
  }

  #moment(): { readonly nowMs: number; readonly monotonicMs: number } {
    return { nowMs: this.#deps.clock.now(), monotonicMs: this.#deps.clock.monotonic() };
  }
}
