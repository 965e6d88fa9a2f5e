// One machine message at one node: what this node made of it, what the neighbours it was sent to answered, and whether more can come.
// It changes in place, since thousands of children may report, and sums up only when it is asked.
import type { NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import { isEvent, phases, type Envelope, type Phase } from "./envelope.ts";
import { LinkState, type LinkClass } from "./link-state.ts";
import { allResults, fewResults, mergeReceipts, type Bounds } from "./merge-receipts.ts";
import { above, type Neighbour, type NeighbourView, type World } from "./neighbour.ts";
import {
  emptyReceipt,
  isFinalStatus,
  ownReceipt,
  type Detached,
  type NodeResult,
  type Receipt,
  type Unheard,
} from "./receipt.ts";
import type { ReceiptFrame } from "./receipt-wire.ts";
import { ResultStream } from "./result-stream.ts";

/** Where answers to a local caller go, with what MQTT 5 wants back. */
export type ReplyTopics = ReadonlyMap<string, Uint8Array | undefined>;

/**
 * Who is answered: local clients, or the neighbour that asked. `name`: who stood there when it was last answered. `user`: who called,
 * empty for a client without a name; `results`: the topic for the result of each node, if there is to be one.
 */
export type Caller =
  | { readonly kind: "local"; replies: ReplyTopics; readonly user: string; readonly results: string | undefined }
  | { readonly kind: "neighbour"; readonly key: Neighbour; name: NodeName };

export type LocalCaller = Caller & { readonly kind: "local" };

export function callerOf({ key, name }: NeighbourView): Caller {
  return { kind: "neighbour", key, name };
}

/**
 * What this node does about it: nothing (more); waits for the others or the common start; waits for its record in the store; runs it;
 * waits for its outcome in the store.
 */
export type OwnStep = "none" | "held" | "recording" | "running" | "settling";

export class OpenMessage {
  envelope: Envelope;
  readonly caller: Caller;
  /** The deadline on the clock that never steps: tree time is for the wire. */
  readonly deadlineMonotonicMs: number;
  /** When half of its life is over. */
  readonly halfMonotonicMs: number;
  step: OwnStep = "none";
  /** It is held until a program is back that offers the function: what the record says has been looked at. */
  isOfferAwaited = false;
  /** Its id has been written down, so that it is not begun twice. */
  isRemembered = false;
  /** What it came to while that is not on disk yet: told before, a kill could make it another one. */
  outcome: NodeResult | undefined;
  /** Whether it survives this process; `asked`: its row is on the way. */
  kept: "no" | "asked" | "yes" = "no";
  /** Bytes of that row. */
  keptBytes = 0;
  /** The disk may have room again. */
  #keepAgainMs = 0;
  cancelled: string | undefined;
  /** It is not for this node to pass on. */
  isRefused = false;
  /** How often neighbours were asked anew because nodes have come, and which such look the caller has asked for. */
  looks = 0;
  callersLook: number;
  /** Something changed since the last report. */
  dirty = true;
  reportedMonotonicMs: number;
  /** Tree time at which this node began to report to another parent than before. */
  adoptedMs: number | undefined;
  /** The last word, and when it was said: kept for a while to be repeated, and so that the id stays known. */
  ended: { readonly receipt: Receipt; readonly monotonicMs: number } | undefined;
  /** What the caller was told last, if it is a neighbour: the next report goes on from there. */
  told: { readonly number: number; readonly receipt: Receipt } | undefined;
  /** Results that a local caller wants one by one. */
  readonly stream: ResultStream | undefined;
  readonly #bounds: Bounds;
  /** Undefined where the condition does not hold. */
  #own: NodeResult | undefined;
  readonly #links = new Map<Neighbour, LinkState>();
  /** How many links there are of each class. */
  readonly #classes: Record<LinkClass, number> = { open: 0, lost: 0, settled: 0, done: 0 };
  /** What parents said that are the parent no more. */
  readonly #former: Detached[] = [];
  /** Who was never asked when the call was called off. */
  readonly #dropped: Unheard[] = [];
  /** Something changed since completeness was last looked at. */
  #isLookedAt = false;
  /** Somebody has come who may have been asked elsewhere. */
  #hasComings = false;
  /** No link is due before. */
  #dueMs = 0;

  constructor(envelope: Envelope, caller: Caller, own: NodeResult | undefined, { nowMs, monotonicMs }: World) {
    this.envelope = envelope;
    this.caller = caller;
    this.#own = own;
    this.callersLook = envelope.look;
    this.#bounds = envelope.wantsAll ? allResults : fewResults;
    this.stream = caller.kind === "local" && caller.results !== undefined ? new ResultStream() : undefined;
    // A wrong clock somewhere must not keep a message for ever, nor end it unanswered.
    const leftMs = Math.min(Math.max(0, envelope.deadlineMs - nowMs), limits.callTtlMsMax);
    this.deadlineMonotonicMs = monotonicMs + leftMs;
    this.halfMonotonicMs = monotonicMs + leftMs / 2;
    this.reportedMonotonicMs = monotonicMs;
  }

  get id(): string {
    return this.envelope.id;
  }

  get phase(): Phase {
    return this.cancelled === undefined ? this.envelope.phase : phases.cancel;
  }

  /** Derived from the message alone, so that it is the same after a restart. */
  get #awaitedFromMs(): number {
    return this.envelope.timeMs - limits.leftAwaitedMs;
  }

  get own(): NodeResult | undefined {
    return this.#own;
  }

  get bounds(): Bounds {
    return this.#bounds;
  }

  /** What neighbours are told. */
  onward(): Envelope {
    const { envelope, cancelled } = this;
    const next = { ...envelope, hops: envelope.hops + 1, look: this.looks };
    return cancelled === undefined ? next : { ...next, kind: "cancel", args: cancelled, condition: "" };
  }

  /** Whether it is to outlive this process. */
  get mustSurvive(): boolean {
    const { envelope, caller } = this;
    if (isEvent(envelope)) return envelope.durable;
    if (envelope.kind === "cancel") return false;
    if (caller.kind === "local" || this.isAnybodyLost) return true;
    return this.step === "held" && (envelope.phase === phases.ready || envelope.startAtMs !== undefined);
  }

  /** Whether what is held may begin. */
  isTime({ nowMs }: World): boolean {
    const { phase, startAtMs } = this.envelope;
    return phase !== phases.ready && (startAtMs === undefined || nowMs >= startAtMs);
  }

  /** Whether this node is still at it, or does not know yet whether it was. */
  get isOwnOpen(): boolean {
    return this.#own === undefined ? this.step === "recording" : !isFinalStatus(this.#own.status);
  }

  /** The own outcome moved on; a final one stays as it is. Answers whether anything changed. */
  setOwn(own: NodeResult): boolean {
    if (!this.isOwnOpen || this.ended !== undefined) return false;
    this.#own = own;
    this.#changed();
    this.stream?.add([own]);
    if (isFinalStatus(own.status)) this.step = "none";
    return true;
  }

  /** What it came to may be told. Answers whether anything changed. */
  endOwn(): boolean {
    return this.step === "settling" && this.outcome !== undefined && this.setOwn(this.outcome);
  }

  /** Takes `view` as one to send to, unless it is the caller or cannot match. Answers whether it is one. */
  observe(world: World, view: NeighbourView): boolean {
    const link = this.#links.get(view.key);
    // Where nothing is known but that a call is called off nobody is waited for who is away.
    if (this.envelope.kind === "cancel" && view.state !== "online") {
      if (link !== undefined) this.#remove(link);
      return link !== undefined;
    }
    if (link !== undefined && this.#isOutOfQuestion(world, link, view)) this.#remove(link);
    else if (link !== undefined) this.#look(link, view, world.nowMs);
    else if (!this.#isFor(world, view)) return false;
    else {
      const added = new LinkState(view, this.#awaitedFromMs);
      // It came when the message was on its way already: it may have been asked elsewhere.
      if (view.state === "online" && view.sinceMs >= this.envelope.timeMs) added.adoptedMs = world.nowMs;
      this.#add(added);
    }
    return true;
  }

  /** Neighbours that are to be told of the present phase now; they count as told. */
  takeDue({ nowMs, monotonicMs }: World): readonly Neighbour[] {
    if (monotonicMs < this.#dueMs) return [];
    const due: Neighbour[] = [];
    this.#dueMs = Number.POSITIVE_INFINITY;
    for (const link of this.#links.values()) {
      if (link.isDue(this.phase, monotonicMs)) {
        link.asked(this.phase, nowMs, monotonicMs);
        due.push(link.key);
      }
      this.#dueMs = Math.min(this.#dueMs, link.dueAgainMs(this.phase));
    }
    return due;
  }

  /** Something is to be looked at before `monotonicMs`: all but waiting for those that are away. */
  isBusy(monotonicMs: number): boolean {
    if (this.ended !== undefined) return false;
    return (
      this.dirty || this.#dueMs < monotonicMs || monotonicMs >= this.deadlineMonotonicMs || this.phase === phases.ready
    );
  }

  /** There may be something to be sent. */
  wake(): void {
    this.#dueMs = 0;
  }

  /** A neighbour reported. Of one that it was not sent to, nothing is taken. */
  setReceipt(from: Neighbour, frame: Omit<ReceiptFrame, "id">, at: Pick<World, "nowMs" | "monotonicMs">): boolean {
    const link = this.#links.get(from);
    if (link === undefined || !link.wasAsked) return false;
    const before = link.class;
    const news = link.heard(frame, at, this.#bounds);
    if (link.isBroken) this.wake();
    if (news === undefined) return false;
    this.#reclass(link, before);
    this.#changed();
    this.stream?.add(news);
    return true;
  }

  /** Goes on after its end, because somebody has come since. Answers whether it does. */
  reopen(world: World): boolean {
    if (world.monotonicMs >= this.deadlineMonotonicMs || this.cancelled !== undefined || this.isRefused) return false;
    if (this.#classes.open + this.#classes.lost === 0 && !this.#hasComings) return false;
    this.ended = undefined;
    this.#hasComings = false;
    this.wake();
    return true;
  }

  /** What was never sent is not sent any more: `self` does not wait for those that it was for, but they are still named. */
  dropUnsent(self: NodeName): void {
    for (const link of this.#links.values()) {
      if (link.wasAsked) continue;
      if (link.isAwaited && !isEvent(this.envelope)) this.#dropped.push(link.unheard(self));
      this.#remove(link);
    }
    this.#changed();
  }

  /** The store did not take it. */
  isNotKept({ monotonicMs }: World): void {
    this.kept = "no";
    this.#keepAgainMs = monotonicMs + limits.keepAgainMs;
  }

  mayBeKept({ monotonicMs }: World): boolean {
    return this.kept === "no" && monotonicMs >= this.#keepAgainMs;
  }

  /** Neighbours that it waits for are away. */
  get isAnybodyLost(): boolean {
    return this.#classes.lost > 0;
  }

  /** Nothing more can come, or nothing but from those that have been heard elsewhere. */
  isComplete(self: NodeName): boolean {
    if (this.isOwnOpen || this.#classes.open > 0) return false;
    const { lost, settled } = this.#classes;
    if (lost + settled === 0 && this.#former.every(({ receipt }) => receipt.complete)) return true;
    // A look at all receipts: they may tell that those who are away have been heard elsewhere.
    if (this.#isLookedAt) return false;
    this.#isLookedAt = true;
    return this.receipt(self).complete;
  }

  /** What is known now. An event has no receipt: who has it, has it. */
  receipt(self: NodeName): Receipt {
    if (isEvent(this.envelope)) return emptyReceipt;
    const parts: Receipt[] = this.#own === undefined ? [] : [ownReceipt(this.#own)];
    if (this.#dropped.length > 0) parts.push({ ...emptyReceipt, waiting: this.#dropped });
    const detached = [...this.#former];
    const waiting: Receipt["waiting"][number][] = [];
    let isSecret = false;
    for (const link of this.#links.values()) {
      const { name, receipt, view } = link;
      if (receipt === undefined) {
        if (!link.isAwaited) continue;
        // One that is away is only named once this node can promise that it waits for it.
        if (view.state !== "online" && this.kept !== "yes") isSecret = true;
        else waiting.push(link.unheard(self));
      } else if (view.state === "online") parts.push(this.#claimed(link, receipt));
      else {
        detached.push({ node: name, heardMs: link.heardMs, receipt: { ...receipt, detached: [] } });
        detached.push(...receipt.detached);
        if (!receipt.complete) waiting.push(link.unheard(self));
      }
    }
    const merged = mergeReceipts(parts, detached, waiting, this.#bounds);
    const isQuiet = !this.isOwnOpen && this.#classes.open === 0 && !isSecret;
    return { ...merged, settled: merged.settled && isQuiet, complete: merged.complete && isQuiet };
  }

  /** What is said upward: the receipt, and that this node has moved. */
  report(self: NodeName): Receipt {
    const receipt = this.ended?.receipt ?? this.receipt(self);
    if (this.adoptedMs === undefined) return receipt;
    const others = receipt.adopted.filter(({ node }) => node !== self).slice(0, limits.callDetached - 1);
    return { ...receipt, adopted: [{ node: self, atMs: this.adoptedMs }, ...others] };
  }

  #isFor(world: World, { key, state, sinceMs, name }: NeighbourView): boolean {
    const { caller, envelope } = this;
    if (caller.kind === "neighbour" && caller.key === key) {
      // Another parent than the one that it came from may have it from nobody else: the two may have changed places.
      const isAnother = key === above && caller.name !== name && state === "online";
      return isAnother && isEvent(envelope) && envelope.scope === "machine";
    }
    if (key === above) return envelope.scope === "machine";
    // Who left long ago is not waited for; should it come back, it is looked at again.
    return (
      (state !== "left" || sinceMs >= this.#awaitedFromMs || isEvent(envelope)) &&
      world.mayHoldBelow(envelope.condition, name)
    );
  }

  /** One that was away, and of which only now it is known that it cannot match: after a restart nothing was known of it. */
  #isOutOfQuestion(world: World, link: LinkState, { key, state, name }: NeighbourView): boolean {
    if (key === above || link.wasAsked || state !== "online") return false;
    return !world.mayHoldBelow(this.envelope.condition, name);
  }

  #remove(link: LinkState): void {
    this.#links.delete(link.key);
    this.#classes[link.class]--;
    this.#changed();
  }

  #add(link: LinkState): void {
    this.#links.set(link.key, link);
    this.#classes[link.class]++;
    this.#dueMs = 0;
    this.#changed();
  }

  #look(link: LinkState, view: NeighbourView, nowMs: number): void {
    const before = link.class;
    const { state, session, below } = link.view;
    if (below !== view.below && !isEvent(this.envelope)) link.outdate(++this.looks);
    if (link.name !== view.name) {
      if (link.receipt !== undefined) {
        const { name: node, heardMs, receipt } = link;
        this.#former.push({ node, heardMs, receipt: { ...receipt, detached: [] } }, ...receipt.detached);
      }
      link.forget();
    }
    link.view = view;
    if (view.state === "online" && (state !== "online" || session !== view.session)) {
      link.adoptedMs = nowMs;
      this.#hasComings = true;
    }
    this.#reclass(link, before);
    if (state !== view.state || session !== view.session || below !== view.below) {
      this.#dueMs = 0;
      this.#changed();
    }
  }

  #changed(): void {
    this.dirty = true;
    this.#isLookedAt = false;
  }

  #reclass(link: LinkState, before: LinkClass): void {
    this.#classes[before]--;
    this.#classes[link.class]++;
  }

  #claimed({ key, name, adoptedMs }: LinkState, receipt: Receipt): Receipt {
    if (adoptedMs === undefined || key === above || receipt.adopted.some(({ node }) => node === name)) return receipt;
    return {
      ...receipt,
      adopted: [{ node: name, atMs: adoptedMs }, ...receipt.adopted.slice(0, limits.callDetached - 1)],
    };
  }
}
