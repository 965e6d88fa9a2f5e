// Calls and events that travel through the tree: drives shared/machine/machine-core. Feeds in what clients, neighbours, the store and
// the functions say, and performs the effects in order. What this node publishes it never takes in again.
import { asFogbankError, FogbankError } from "#shared/errors.ts";
import type { NodeName } from "#shared/ids.ts";
import { bytesOfCallId, isCallId } from "#shared/machine/call-id.ts";
import type { Effect } from "#shared/machine/effect.ts";
import {
  decodeEnvelope,
  encodeEnvelope,
  problemOnTheWay,
  type Encoding,
  type Envelope,
  type Kind,
} from "#shared/machine/envelope.ts";
import { MachineCore } from "#shared/machine/machine-core.ts";
import { above, type Neighbour, type NeighbourView } from "#shared/machine/neighbour.ts";
import type { LocalCaller, ReplyTopics } from "#shared/machine/open-message.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";
import { decodeReceipt, encodeReceipt } from "#shared/machine/receipt-wire.ts";
import { replyProperties } from "#shared/machine/request-properties.ts";
import { encodeReply } from "#shared/machine/request.ts";
import type { Bus, InboundPublish, Message, Verdict } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { ParentLink } from "#shared/system/parent-link.ts";
import type { Random } from "#shared/system/random.ts";
import {
  callOfCancelTopic,
  downTopic,
  eventFilterOf,
  eventTopic,
  functionFilter,
  functionTopic,
  machineCancelFilter,
  machineReplyTopic,
  parseUpTopic,
  upFilterOf,
  type FrameKind,
} from "#shared/topics.ts";
import { publisherOf } from "../auth/publisher.ts";
import type { FunctionRunner } from "../functions/function-runner.ts";
import type { NodeStore } from "../store/node-store.ts";
import { CallRecords } from "./call-records.ts";
import { ownEvent, takeIn } from "./intake.ts";
import type { OfferedNames } from "./offered-names.ts";
import { LastWords } from "./last-words.ts";
import { eventBody, refusalBody, replyBody, resultBody } from "./report-bodies.ts";
import { ResultStreams } from "./result-streams.ts";
import { RestoredMessages } from "./stored-messages.ts";
import { Surroundings, type PresenceView } from "./surroundings.ts";

/** What conditions come to. */
export interface Conditions {
  /** Evaluates for this node. The error says line and column. */
  check(text: string): { readonly holds: boolean } | { readonly error: string };
  /** Whether it may hold for the child or anything below it. True when in doubt. */
  mayHoldBelow(text: string, child: string): boolean;
}

export interface MachineDeps {
  readonly bus: Pick<Bus, "intercept" | "publish" | "rightsOf">;
  readonly store: Pick<NodeStore, "write" | "read">;
  readonly parent: ParentLink;
  readonly tree: PresenceView;
  readonly runner: FunctionRunner;
  readonly offers: Pick<OfferedNames, "isAwaited">;
  readonly conditions: Conditions;
  readonly clock: Clock;
  /** Tree time, milliseconds since 1970. */
  readonly treeNow: () => number;
  /** Whether that stems from a root. */
  readonly isSynced: () => boolean;
  readonly random: Random;
  readonly log: Logger;
}

export interface MachineStats {
  readonly accepted: number;
  readonly refused: number;
  readonly ran: number;
  readonly open: number;
  /** Envelopes and receipts on the links to neighbours, and their bytes. */
  readonly framesIn: number;
  readonly framesOut: number;
  readonly frameBytesIn: number;
  readonly frameBytesOut: number;
}

export interface MachineMessaging extends AsyncDisposable {
  stats(): MachineStats;
  /** Ends what runs here and says what is known of every call, while there is still somebody to hear it. */
  endAll(): void;
  /**
   * Raises an event of this node itself. Resolves when it is durable (durable ones) or handed on. Rejects with FOGBANK_CALL_REFUSED
   * when there is no room, and with FOGBANK_STORE_CLOSED when the node stops.
   */
  raise(event: {
    readonly name: string;
    readonly kind: "internal" | "external";
    readonly args: PlainValue;
    readonly durable: boolean;
    readonly ttlMs?: number;
    /** The whole machine, unless given. */
    readonly scope?: "subtree" | "machine";
    readonly condition?: string;
  }): Promise<void>;
}

/** `keptBytesMax`: what open calls and events may take in the store. */
export interface MachineSelf {
  readonly name: NodeName;
  readonly keptBytesMax: number;
}

/** Goes on with what was open when the node stopped, and follows messages until it is disposed. */
export async function startMachineMessages(deps: MachineDeps, self: MachineSelf): Promise<MachineMessaging> {
  const machine = new MachineMessages(deps, self);
  await machine.restore();
  machine.open();
  return machine;
}

/** Who waits to hear that a message is durable. */
type Settle = (verdict: Verdict) => void;

/** How often time passes: while something is under way, and while all that is open waits for somebody to come back. */
const busyMs = 50;
const quietMs = 250;
const refusedSendersMax = 1_000;
/** Envelopes that may come before the greeting with the parent is over. */
const earlyMax = 1_000;
const take: Verdict = { type: "take" };
const stopping = "the node stops";
const noSuchCall = "there is no call with this id that began at this node";
const notYours = "this call can only be called off by the user who made it";
const noCaller: LocalCaller = { kind: "local", replies: new Map(), user: "", results: undefined };

class MachineMessages implements MachineMessaging {
  readonly #deps: MachineDeps;
  readonly #self: NodeName;
  readonly #core: MachineCore;
  readonly #surroundings: Surroundings;
  readonly #stack = new DisposableStack();
  readonly #stop = new AbortController();
  readonly #unsettled = new Map<string, Settle[]>();
  readonly #streams: ResultStreams;
  readonly #lastWords: LastWords;
  readonly #records: CallRecords;
  #early: Uint8Array[] = [];
  readonly #restored: RestoredMessages;
  #sweeping: Promise<void> | undefined;
  #wake = Promise.withResolvers<void>();
  /** Ends a long sleep when something happens. */
  #nap: AbortController | undefined;
  #refused = 0;
  readonly #traffic = { framesIn: 0, framesOut: 0, frameBytesIn: 0, frameBytesOut: 0 };
  readonly #refusedBefore = new Set<string>();
  #isStopping = false;

  constructor(deps: MachineDeps, { name, keptBytesMax }: MachineSelf) {
    this.#deps = deps;
    this.#self = name;
    this.#core = new MachineCore(name, keptBytesMax);
    this.#streams = new ResultStreams((message) => deps.bus.publish(message));
    const { conditions, runner } = deps;
    this.#lastWords = new LastWords(
      (id) => deps.store.write("dropMessage", { id: bytesOfCallId(id) }, "urgent"),
      (word) => this.#performOne(word),
    );
    this.#records = new CallRecords(deps);
    this.#restored = new RestoredMessages(deps, ({ record, bytes }) => {
      const verdict = conditions.check(record.envelope.condition);
      this.#perform(this.#core.restore(this.#surroundings.world(), record, bytes, verdict));
    });
    this.#surroundings = new Surroundings(
      {
        ...deps,
        mayHoldBelow: (text, child) => conditions.mayHoldBelow(text, child),
        offers: (functionName) => runner.offers({ name: functionName, topic: functionTopic(functionName) }),
        isOfferAwaited: (functionName) => deps.offers.isAwaited(functionName),
      },
      name,
    );
  }

  restore(): Promise<void> {
    return this.#restored.read();
  }

  open(): void {
    const { parent } = this.#deps;
    this.#intercept(functionFilter, (publish, settle) => this.#fromClient("function", publish, settle));
    for (const kind of ["internal", "external"] as const)
      this.#intercept(eventFilterOf(kind), (publish, settle) => this.#fromClient(kind, publish, settle));
    this.#intercept(machineCancelFilter, (publish, settle) => {
      settle(this.#cancelFromClient(publish));
    });
    for (const kind of ["c", "r"] as const) {
      this.#intercept(upFilterOf(kind), (publish, settle) => {
        settle(take);
        const name = parseUpTopic(publish.topic)?.child ?? "";
        const child = this.#surroundings.world().neighbour(name as NodeName);
        if (child !== undefined) this.#frame(kind, child, publish.payload);
      });
      this.#stack.use(parent.onFrame(kind, (payload) => this.#fromParent(kind, payload)));
    }
    this.#stack.use(parent.onUp(() => this.#parentUp()));
    this.#sweeping = this.#sweep();
    void this.#restored.wait(this.#stop.signal);
  }

  stats(): MachineStats {
    return { ...this.#core.stats(), ...this.#traffic, refused: this.#refused };
  }

  endAll(): void {
    this.#isStopping = true;
    this.#perform(this.#core.stop(this.#surroundings.world()));
  }

  raise(event: Parameters<MachineMessaging["raise"]>[0]): Promise<void> {
    const envelope = ownEvent(this.#deps, this.#self, event);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (reason: string): void => reject(new FogbankError("FOGBANK_CALL_REFUSED", reason));
    const checked = this.#deps.conditions.check(envelope.condition);
    const refused = "error" in checked ? checked.error : (problemOnTheWay(envelope) ?? this.#refusalOf(envelope));
    if (refused !== undefined || "error" in checked) fail(`could not raise "${event.name}": ${refused}`);
    else
      this.#publish(envelope, noCaller, checked.holds, (verdict) => {
        if (verdict.type === "refuse") fail(`could not raise "${event.name}": ${verdict.reason}`);
        else resolve();
      });
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endAll();
    this.#stack.dispose();
    this.#stop.abort();
    this.#wake.resolve();
    await this.#sweeping;
    for (const id of this.#unsettled.keys()) this.#settle(id, { type: "refuse", reason: stopping });
  }

  #intercept(filter: string, handler: (publish: InboundPublish, settle: Settle) => void): void {
    this.#stack.use(this.#deps.bus.intercept(filter, handler));
  }

  #fromClient(kind: Exclude<Kind, "cancel">, publish: InboundPublish, settle: Settle): void {
    const taken = takeIn(this.#deps, this.#self, kind, publish, publisherOf(this.#deps.bus, publish));
    const sender = publish.clientId ?? "this node";
    const refuse = (id: string, replies: ReplyTopics, encoding: Encoding, reason: string): void => {
      this.#countRefused(sender, reason);
      // Nobody waits for an answer to an event.
      settle(kind === "function" ? take : { type: "refuse", reason, now: true });
      this.#reply(replies, encodeReply(refusalBody(id, reason), encoding));
    };
    if ("refused" in taken) {
      refuse(taken.id, taken.replies, taken.encoding, taken.refused);
      return;
    }
    const { envelope, caller } = taken;
    const checked = this.#deps.conditions.check(envelope.condition);
    const refused = "error" in checked ? `the condition cannot be used: ${checked.error}` : this.#refusalOf(envelope);
    if (refused !== undefined || "error" in checked)
      refuse(envelope.id, caller.replies, envelope.encoding, refused ?? "");
    else this.#publish(envelope, caller, checked.holds, settle);
  }

  #refusalOf(envelope: Envelope): string | undefined {
    return this.#isStopping ? stopping : this.#core.refusalOf(envelope);
  }

  /** `settle` hears when the message is durable, if it is to be. */
  #publish(envelope: Envelope, caller: LocalCaller, holds: boolean, settle: Settle): void {
    const { id } = envelope;
    const isUnderWay = this.#unsettled.has(id);
    const effects = this.#core.publish(this.#surroundings.world(), envelope, caller, holds);
    const isKept = isUnderWay || effects.some((effect) => effect.type === "keep");
    if (isKept) this.#unsettled.set(id, [...(this.#unsettled.get(id) ?? []), settle]);
    else settle(take);
    this.#perform(effects);
  }

  #cancelFromClient(publish: InboundPublish): Verdict {
    const id = callOfCancelTopic(publish.topic);
    const { user } = publisherOf(this.#deps.bus, publish);
    const reason = "its caller called it off";
    const effects = isCallId(id) ? this.#core.cancel(this.#surroundings.world(), id, user, reason) : "unknown";
    if (typeof effects !== "string") {
      this.#perform(effects);
      return take;
    }
    const sender = publish.clientId ?? "this node";
    if (effects === "foreign") {
      // Not where that caller listens: it would take this for the end of its call.
      this.#countRefused(sender, notYours);
      return { type: "refuse", reason: notYours, now: true };
    }
    this.#countRefused(sender, noSuchCall);
    if (isCallId(id))
      this.#reply(new Map([[machineReplyTopic(id), undefined]]), encodeReply(refusalBody(id, noSuchCall), "json"));
    return take;
  }

  #fromParent(kind: "c" | "r", payload: Uint8Array): void {
    const view = this.#surroundings.above();
    if (view?.state === "online") this.#frame(kind, view, payload);
    // While the greeting goes on, nobody knows yet which parent this is.
    else if (kind === "c" && this.#early.length < earlyMax) this.#early.push(Uint8Array.from(payload));
  }

  #parentUp(): void {
    this.#surroundings.up();
    const early = this.#early;
    this.#early = [];
    this.#restored.look();
    this.#lookAround();
    for (const payload of early) this.#fromParent("c", payload);
  }

  #frame(kind: "c" | "r", from: NeighbourView, payload: Uint8Array): void {
    this.#traffic.framesIn++;
    this.#traffic.frameBytesIn += payload.length;
    const world = this.#surroundings.world();
    const decoded = kind === "c" ? decodeEnvelope(payload) : decodeReceipt(payload);
    if ("malformed" in decoded) {
      this.#countRefused(from.name, decoded.malformed);
      return;
    }
    const { frame } = decoded;
    if ("receipt" in frame) this.#perform(this.#core.heard(world, from, frame));
    else this.#perform(this.#core.hear(world, from, frame, this.#deps.conditions.check(frame.condition)));
  }

  #lookAround(): void {
    for (const view of this.#surroundings.changes())
      this.#perform(this.#core.neighbourChanged(this.#surroundings.world(), view));
  }

  async #sweep(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // Without messages there is nothing to watch: an idle node sleeps.
      if (this.#core.isIdle) await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
      const dueMs = this.#core.dueInMs(this.#surroundings.world(), busyMs, quietMs);
      this.#nap = dueMs > busyMs ? new AbortController() : undefined;
      const signal =
        this.#nap === undefined ? this.#stop.signal : AbortSignal.any([this.#stop.signal, this.#nap.signal]);
      await this.#deps.clock.sleep(dueMs, signal).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      this.#lookAround();
      this.#perform(this.#core.tick(this.#surroundings.world()));
    }
  }

  #perform(effects: readonly Effect[]): void {
    // When the node stops there is nobody left to hear it later.
    const rest = this.#isStopping ? effects : this.#lastWords.take(effects);
    for (const effect of rest) this.#performOne(effect);
    if (effects.length === 0) return;
    this.#wake.resolve();
    this.#nap?.abort();
  }

  #performOne(effect: Effect): void {
    const { runner, store } = this.#deps;
    switch (effect.type) {
      case "ask": {
        const bytes = encodeEnvelope(effect.envelope);
        for (const to of effect.to) this.#send(to, "c", bytes);
        return;
      }
      case "report":
        this.#send(effect.to, "r", encodeReceipt(effect.frame));
        return;
      case "reply": {
        const { to, report, envelope } = effect;
        this.#reply(to, encodeReply(replyBody(envelope, report), envelope.encoding), envelope.id);
        return;
      }
      case "results": {
        const { id, to, results, encoding } = effect;
        const bodies = results.map((result) => encodeReply(resultBody(result), encoding));
        this.#quietly(`results on ${to}`, this.#streams.tell(id, to, bodies));
        return;
      }
      case "refused":
        this.#countRefused(effect.from, effect.reason);
        return;
      case "remember":
      case "recall":
        void this.#record(effect);
        return;
      case "run":
        this.#run(effect.envelope);
        return;
      case "stop":
        runner.cancel(effect.id);
        return;
      case "outcome":
        this.#quietly("the outcome of a call", this.#settleRecord(effect));
        return;
      case "deliver": {
        const { kind, name, encoding, durable } = effect.envelope;
        const payload = encodeReply(eventBody(effect.envelope), encoding);
        this.#emit({ topic: eventTopic(kind, name), payload, qos: durable ? 1 : 0, retain: false });
        return;
      }
      case "keep":
        void this.#keep(effect);
        return;
      case "drop":
        this.#quietly("the end of a call", store.write("dropMessage", { id: bytesOfCallId(effect.id) }, "lazy"));
        return;
    }
  }

  #run(envelope: Envelope): void {
    const { id, name, args, origin, encoding, deadlineMs, mode } = envelope;
    const { runner, clock, treeNow } = this.#deps;
    const dueMs = clock.monotonic() + deadlineMs - treeNow();
    const how = { encoding, dueMs, isRepeatable: mode === "sync", topic: functionTopic(name) };
    runner.start({ id, name, args, origin, ...how }, (outcome) =>
      this.#perform(this.#core.ran(this.#surroundings.world(), id, { node: this.#self, ...outcome })),
    );
  }

  async #record(effect: Effect & { readonly type: "remember" | "recall" }): Promise<void> {
    const answer = await this.#records.ask(effect);
    if (!this.#stop.signal.aborted) this.#perform(this.#core.recorded(this.#surroundings.world(), effect.id, answer));
  }

  async #settleRecord(effect: Effect & { readonly type: "outcome" }): Promise<void> {
    try {
      await this.#records.settle(effect);
    } finally {
      // Where it cannot be written it is told nevertheless.
      if (!this.#stop.signal.aborted) this.#perform(this.#core.settled(this.#surroundings.world(), effect.id));
    }
  }

  async #keep({ id, deadlineMs, body }: Effect & { readonly type: "keep" }): Promise<void> {
    let verdict: Verdict = take;
    try {
      await this.#deps.store.write("keepMessage", { id: bytesOfCallId(id), deadlineMs, body }, "urgent");
    } catch (error) {
      const { code, message } = asFogbankError(error);
      if (!this.#stop.signal.aborted) this.#deps.log.error({ id, code, reason: message }, "message not made durable");
      verdict = { type: "refuse", reason: `it could not be made durable (${code})` };
    }
    this.#settle(id, verdict);
    if (this.#stop.signal.aborted) return;
    this.#perform(this.#core.kept(this.#surroundings.world(), id, verdict.type === "take"));
  }

  #settle(id: string, verdict: Verdict): void {
    const waiting = this.#unsettled.get(id) ?? [];
    this.#unsettled.delete(id);
    for (const settle of waiting) settle(verdict);
  }

  /** Logged once per sender: a program that does it wrong does it again. */
  #countRefused(sender: string, reason: string): void {
    this.#refused++;
    if (this.#refusedBefore.has(sender)) return;
    if (this.#refusedBefore.size >= refusedSendersMax) this.#refusedBefore.clear();
    this.#refusedBefore.add(sender);
    this.#deps.log.warn({ sender, reason }, "machine message refused");
  }

  #send(to: Neighbour, kind: FrameKind, payload: Uint8Array): void {
    this.#traffic.framesOut++;
    this.#traffic.frameBytesOut += payload.length;
    if (to === above) this.#deps.parent.send(kind, payload);
    else this.#emit({ topic: downTopic(to, kind), payload, qos: 0, retain: false });
  }

  /** Behind the results of that call that are on their way. */
  #reply(replies: ReplyTopics, payload: Uint8Array, id = ""): void {
    for (const [topic, correlation] of replies) {
      const message: Message = { topic, payload, qos: 1, retain: false, ...replyProperties(correlation) };
      this.#quietly(`an answer on ${topic}`, this.#streams.after(id, message));
    }
  }

  #emit(message: Message): void {
    this.#quietly(`a machine message on ${message.topic}`, this.#deps.bus.publish(message));
  }

  /** What may only fail when the node is going down, or has said why itself. */
  #quietly(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#deps.log.warn({ what, error: String(error) }, "not written or sent");
    });
  }
}
