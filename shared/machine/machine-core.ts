// Machine messages at one node: a diffusing computation over the tree. A message comes from a local client, the parent or a child; it
// runs here where its condition holds; it goes on to every other neighbour that may match; receipts come back the same way.
//
//   caller ──ask──▶ this node ──ask──▶ other neighbours
//          ◀─receipt─    own outcome + ◀─receipt─
//
// No clock, no chance, no input or output: each input changes what is known, and what follows from that is answered as effects.
import type { NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import { barrierDecision } from "./barrier.ts";
import type { Effect, Recorded } from "./effect.ts";
import { isEvent, phases, type Envelope } from "./envelope.ts";
import { withDetached } from "./merge-receipts.ts";
import type { MessageRecord } from "./message-record.ts";
import { above, type NeighbourView, type World } from "./neighbour.ts";
import { awaitsOffer, nextOf, nodeStops } from "./next-step.ts";
import { problemOf, type Verdict } from "./on-arrival.ts";
import { OpenBudget } from "./open-budget.ts";
import { callerOf, OpenMessage, type Caller, type LocalCaller } from "./open-message.ts";
import { outcomeOf } from "./outcome-effect.ts";
import type { CallStatus, NodeResult } from "./receipt.ts";
import type { ReceiptFrame } from "./receipt-wire.ts";
import { Reports } from "./reports.ts";
import { ToldEvents } from "./told-events.ts";

export interface CoreStats {
  readonly accepted: number;
  readonly ran: number;
  /** Came or would have begun past their deadline. */
  readonly expired: number;
  /** Came again: they were here already, or had run here. */
  readonly repeated: number;
  readonly open: number;
}

type Effects = readonly Effect[];

const calledOff = "its caller called it off";

export class MachineCore {
  readonly #self: NodeName;
  readonly #messages = new Map<string, OpenMessage>();
  readonly #budget: OpenBudget;
  readonly #reports: Reports;
  readonly #told = new ToldEvents();
  #isStopping = false;
  readonly #counts = { accepted: 0, ran: 0, expired: 0, repeated: 0 };

  /** `keptBytesMax`: what open messages may take in the store. */
  constructor(self: NodeName, keptBytesMax: number) {
    this.#self = self;
    this.#budget = new OpenBudget(keptBytesMax);
    this.#reports = new Reports(self);
  }

  stats(): CoreStats {
    return { ...this.#counts, open: this.#budget.open };
  }

  /** Nothing is followed, nor remembered to be repeated: time need not pass here. */
  get isIdle(): boolean {
    return this.#messages.size === 0;
  }

  knows(id: string): "local" | "neighbour" | undefined {
    return this.#messages.get(id)?.caller.kind;
  }

  /** Why a message of a local client cannot be taken now. */
  refusalOf(envelope: Envelope): string | undefined {
    if (this.knows(envelope.id) === "neighbour") return "a message with this id has come from another node";
    const known = this.#messages.get(envelope.id)?.envelope;
    if (known !== undefined && (known.kind !== envelope.kind || known.name !== envelope.name))
      return `another message has this id: of "${known.name}"`;
    if (known !== undefined) return undefined;
    const reason = this.#budget.tooMany(envelope) ?? this.#budget.tooMuch();
    return reason === undefined ? undefined : `${reason}: try again later`;
  }

  /** A local client's message, which `refusalOf` lets pass. Asked again: the answer as it stands, and the last word when it comes. */
  publish(world: World, envelope: Envelope, caller: LocalCaller, holds: boolean): Effects {
    const known = this.#messages.get(envelope.id);
    if (known !== undefined || this.#wasTold(world, envelope)) this.#counts.repeated++;
    if (this.#wasTold(world, envelope)) return [];
    if (known === undefined) return this.#follow(world, envelope, caller, holds);
    if (known.caller.kind !== "local") return [];
    known.caller.replies = new Map([...known.caller.replies, ...caller.replies]);
    return this.#reports.report(world, known);
  }

  /** A message from a neighbour. */
  hear(world: World, from: NeighbourView, envelope: Envelope, verdict: Verdict): Effects {
    const known = this.#messages.get(envelope.id);
    if (envelope.kind === "cancel") return this.#hearCancel(world, from, envelope, known);
    if (known !== undefined) return this.#hearAgain(world, from, envelope, known);
    const isOver = world.nowMs >= envelope.deadlineMs || this.#wasTold(world, envelope);
    if (isEvent(envelope) && isOver && world.nowMs >= envelope.deadlineMs) this.#counts.expired++;
    else if (isEvent(envelope) && isOver) this.#counts.repeated++;
    if (isEvent(envelope) && isOver) return [this.#reports.nothing(from, envelope)];
    const tooMany = this.#budget.tooMany(envelope);
    const problem = problemOf(from, envelope, verdict) ?? tooMany;
    const refused: Effects = problem === undefined ? [] : [{ type: "refused", from: from.name, reason: problem }];
    // Whoever has an event keeps it as long as nothing is said of it here, and sends it again.
    if (isEvent(envelope) && tooMany !== undefined) return refused;
    const holds = "holds" in verdict && verdict.holds;
    return [...refused, ...this.#follow(world, envelope, callerOf(from), holds, problem)];
  }

  /** Whether it has been told, if it is an event that leaves no trace on disk. */
  #wasTold({ monotonicMs }: World, envelope: Envelope): boolean {
    return isEvent(envelope) && !envelope.durable && this.#told.has(envelope.id, monotonicMs);
  }

  /** A neighbour's receipt. */
  heard(world: World, from: NeighbourView, frame: ReceiptFrame): Effects {
    const message = this.#messages.get(frame.id);
    if (message === undefined || message.ended !== undefined) return [];
    message.observe(world, from);
    return message.setReceipt(from.key, frame, world) ? this.#act(world, message) : [];
  }

  /** A neighbour has come, gone, begun another session, or may match now. */
  neighbourChanged(world: World, view: NeighbourView): Effects {
    const effects: Effect[] = [];
    for (const message of this.#messages.values()) {
      // Of one that has ended, too: it may be asked again for the sake of those who have come.
      if (message.observe(world, view)) effects.push(...this.#act(world, message));
    }
    return effects;
  }

  /** What the store says about the id of a message that is about to run. */
  recorded(world: World, id: string, answer: Recorded): Effects {
    const message = this.#messages.get(id);
    if (message === undefined || message.step !== "recording") return [];
    const { envelope } = message;
    if (answer.type === "known") this.#counts.repeated++;
    if (isEvent(envelope)) {
      message.step = "none";
      return answer.type === "known" ? [] : this.#deliver(world, message);
    }
    // It may have been counted in another place before the restart.
    if (answer.type === "known" && message.caller.kind === "neighbour") message.adoptedMs ??= world.nowMs;
    const next = nextOf(world, message, answer, this.#isStopping);
    switch (next.type) {
      case "said":
        return this.#setOwn(world, message, { ...next.result, node: this.#self });
      case "over":
        if (next.result.status === "expired") this.#counts.expired++;
        return this.#finish(world, message, { ...next.result, node: this.#self });
      case "nothing":
        message.step = "none";
        return this.#act(world, message);
      case "forget":
        this.#forget(message);
        return [];
      case "wait":
        message.isOfferAwaited = true;
        message.step = "held";
        return [];
      case "run":
        message.setOwn({ node: this.#self, status: "started" });
        message.step = "running";
        this.#counts.ran++;
        return [{ type: "run", envelope }];
    }
  }

  /** The outcome is on disk, or cannot be. */
  settled(world: World, id: string): Effects {
    const message = this.#messages.get(id);
    return message?.endOwn() === true ? this.#act(world, message) : [];
  }

  /** How a run ended. */
  ran(world: World, id: string, result: NodeResult): Effects {
    const message = this.#messages.get(id);
    if (message?.step !== "running") return [];
    message.step = "none"; // nothing is left to be stopped
    return this.#finish(world, message, result);
  }

  /**
   * Whether the open message is on disk now. Its publisher has been told when it is not: a durable event is forgotten, a call called off.
   * What came from a neighbour is still followed, and nobody promised to be waited for.
   */
  kept(world: World, id: string, isKept: boolean): Effects {
    const message = this.#messages.get(id);
    if (message === undefined || message.ended !== undefined || message.kept !== "asked") return [];
    if (!isKept && message.envelope.durable) {
      this.#forget(message);
      return [];
    }
    if (!isKept) {
      this.#budget.release(message);
      message.isNotKept(world);
      if (message.caller.kind !== "local") return [];
      message.caller.replies = new Map(); // the refusal was its last word
      return this.#cancel(world, message, "it could not be made durable");
    }
    message.kept = "yes";
    message.dirty = true;
    const effects = this.#act(world, message);
    return message.envelope.durable ? [...effects, ...this.#reports.report(world, message)] : effects;
  }

  /** `user` calls it off. `unknown`: there is no such call of a local client; `foreign`: somebody else's. */
  cancel(world: World, id: string, user: string, reason: string): Effects | "unknown" | "foreign" {
    const message = this.#messages.get(id);
    if (message?.caller.kind !== "local" || isEvent(message.envelope)) return "unknown";
    return message.caller.user === user ? this.#cancel(world, message, reason) : "foreign";
  }

  /** Lets time pass. */
  tick(world: World): Effects {
    const effects: Effect[] = [];
    for (const message of this.#messages.values()) effects.push(...this.#tickOne(world, message));
    return effects;
  }

  /** How long nothing is due: `busyMs` while something is under way, else `quietMs`. A common start is met to the millisecond. */
  dueInMs({ nowMs, monotonicMs }: World, busyMs: number, quietMs: number): number {
    let dueMs = quietMs;
    for (const message of this.#messages.values()) {
      const { step, envelope, isOfferAwaited } = message;
      if (message.isBusy(monotonicMs + quietMs)) dueMs = Math.min(dueMs, busyMs);
      if (step === "held" && !isOfferAwaited && envelope.startAtMs !== undefined)
        dueMs = Math.min(dueMs, envelope.startAtMs - nowMs);
    }
    return Math.max(1, dueMs);
  }

  /** Goes on with a message of an earlier life. */
  restore(world: World, { envelope, caller, cancelled }: MessageRecord, bytes: number, verdict: Verdict): Effects {
    if (this.#messages.has(envelope.id)) return [];
    const holds = "holds" in verdict && verdict.holds;
    return this.#follow(world, envelope, caller, holds, undefined, { bytes, cancelled });
  }

  /** The node stops: what runs here ends, and what is known is said while there is somebody to hear it. The rest goes on later. */
  stop(world: World): Effects {
    const effects: Effect[] = [];
    this.#isStopping = true;
    for (const message of this.#messages.values()) {
      if (message.ended !== undefined) continue;
      const isStopped = message.step !== "held" || message.kept !== "yes";
      if (isStopped && message.isOwnOpen) {
        effects.push(...this.#callOff(message, nodeStops));
        message.endOwn(); // its record is written before the node has stopped
        effects.push(...this.#act(world, message));
      }
      if (message.ended === undefined) effects.push(...this.#reports.report(world, message));
    }
    return effects;
  }

  #follow(
    world: World,
    envelope: Envelope,
    caller: Caller,
    holds: boolean,
    problem?: string,
    restored?: { readonly bytes: number; readonly cancelled: string | undefined },
  ): Effects {
    const own: NodeResult | undefined =
      problem !== undefined
        ? { node: this.#self, status: "refused", reason: problem }
        : holds
          ? { node: this.#self, status: "queued" }
          : undefined;
    const message = new OpenMessage(envelope, caller, own, world);
    this.#open(message);
    if (problem === undefined) this.#counts.accepted++;
    message.isRefused = problem !== undefined;
    if (own?.status === "queued") message.step = "held";
    if (restored !== undefined) this.#budget.isKept(message, restored.bytes);
    // Of one that has waited here, everybody is asked or named once more: some may have run it.
    const isPast = world.nowMs >= envelope.deadlineMs && restored === undefined;
    if (problem === undefined && !isPast) for (const view of world.neighbours()) message.observe(world, view);
    message.cancelled = restored?.cancelled;
    // One that was called off may have ended before.
    const recall = message.cancelled !== undefined && holds ? this.#recall(message) : [];
    return [...recall, ...this.#act(world, message, restored !== undefined)];
  }

  #open(message: OpenMessage): void {
    this.#messages.set(message.id, message);
    this.#budget.count(message, 1);
  }

  #recall(message: OpenMessage): Effects {
    message.step = "recording";
    return [{ type: "recall", id: message.id }];
  }

  /** What is known of the message already; asked by whom? */
  #hearAgain(world: World, from: NeighbourView, envelope: Envelope, known: OpenMessage): Effects {
    const { caller } = known;
    this.#counts.repeated++;
    // By another one than before, or under an id that was used here: this node is counted where it was asked first.
    if (caller.kind === "local" || caller.key !== from.key)
      return this.#isHere(known) ? [this.#reports.nothing(from, envelope)] : [];
    if (from.key === above && caller.name !== from.name) {
      caller.name = from.name;
      known.adoptedMs = world.nowMs;
    }
    known.callersLook = envelope.look;
    const effects: Effect[] = [];
    if (known.ended !== undefined && !isEvent(known.envelope) && known.reopen(world)) {
      this.#budget.count(known, 1);
      known.envelope = { ...known.envelope, args: envelope.args };
    }
    if (known.ended === undefined) effects.push(...this.#act(world, known));
    if (known.ended === undefined && envelope.phase > known.envelope.phase) {
      known.envelope = { ...known.envelope, phase: envelope.phase, startAtMs: envelope.startAtMs };
      effects.push(...this.#advance(world, known));
    }
    return [...effects, ...this.#reports.repeat(world, known)];
  }

  /** Whether it may be confirmed: whoever hears that an event is here forgets it. */
  #isHere({ envelope, kept, ended }: OpenMessage): boolean {
    return !isEvent(envelope) || !envelope.durable || kept === "yes" || ended !== undefined;
  }

  #hearCancel(world: World, from: NeighbourView, envelope: Envelope, known: OpenMessage | undefined): Effects {
    if (known === undefined) return this.#hearBareCancel(world, from, envelope);
    const { caller } = known;
    if (caller.kind === "local" || caller.key !== from.key) return [this.#reports.nothing(from, envelope)];
    known.callersLook = envelope.look;
    const { args } = envelope;
    const effects = this.#cancel(world, known, typeof args === "string" ? args : calledOff);
    return [...effects, ...this.#reports.repeat(world, known)];
  }

  /** The call itself may still come, or has been here before: what ran says how it ended, also below. */
  #hearBareCancel(world: World, from: NeighbourView, envelope: Envelope): Effects {
    const reason = problemOf(from, envelope, { holds: false }) ?? this.#budget.tooMany(envelope);
    if (reason !== undefined) return [{ type: "refused", from: from.name, reason }];
    const message = new OpenMessage(envelope, callerOf(from), undefined, world);
    message.cancelled = calledOff;
    this.#open(message);
    for (const view of world.neighbours()) message.observe(world, view);
    return [...this.#recall(message), ...this.#act(world, message)];
  }

  #cancel(world: World, message: OpenMessage, reason: string): Effects {
    if (message.ended !== undefined || message.cancelled !== undefined) return [];
    message.cancelled = reason;
    message.dropUnsent(this.#self);
    return [...this.#callOff(message, reason), ...this.#advance(world, message)];
  }

  #callOff(message: OpenMessage, reason: string): Effects {
    // It has ended by itself, or may have: then its record counts.
    if (message.step === "settling" || message.step === "recording") return [];
    const result = this.#result("cancelled", reason);
    if (message.step === "running") return this.#settle(message, result);
    message.setOwn(result);
    return [];
  }

  /** The message has changed: neighbours are to hear of it, and a restart is to find it so. */
  #advance(world: World, message: OpenMessage): Effects {
    message.wake();
    if (message.kept === "yes") message.kept = "no";
    return this.#act(world, message);
  }

  /** Does what follows from what is known of the message. `isRestored`: an event may have been told already. */
  #act(world: World, message: OpenMessage, isRestored = false): Effects {
    if (message.ended !== undefined) return [];
    const { envelope } = message;
    const effects: Effect[] = [...this.#reports.results(message)];
    if (message.mayBeKept(world) && message.mustSurvive) effects.push(this.#budget.keep(message));
    const isDurableEvent = isEvent(envelope) && envelope.durable;
    if (isDurableEvent && message.kept !== "yes") return effects;
    const due = message.takeDue(world);
    if (due.length > 0) effects.push({ type: "ask", to: due, envelope: message.onward() });
    const isHeldOn = message.isOfferAwaited && awaitsOffer(world, message);
    const isLeft = this.#isStopping && message.kept === "yes"; // it goes on after the start
    if (message.step === "held" && !isHeldOn && !isLeft && message.isTime(world))
      effects.push(...this.#begin(world, message, isRestored));
    if (isEvent(envelope) ? !isDurableEvent : message.isComplete(this.#self))
      effects.push(...this.#end(world, message));
    return effects;
  }

  #begin(world: World, message: OpenMessage, isRestored: boolean): Effects {
    const { envelope, id } = message;
    if (isEvent(envelope) && !isRestored) return this.#deliver(world, message);
    message.step = "recording";
    const isRun = world.monotonicMs < message.deadlineMonotonicMs && world.offers(envelope.name);
    message.isRemembered = isRun && envelope.mode === "async" && !isEvent(envelope);
    if (message.isRemembered) return [{ type: "remember", id, deadlineMs: envelope.deadlineMs }];
    return this.#recall(message);
  }

  #deliver(world: World, message: OpenMessage): Effects {
    message.step = "none";
    if (world.monotonicMs >= message.deadlineMonotonicMs) return [];
    this.#counts.ran++;
    const deliver: Effect = { type: "deliver", envelope: message.envelope };
    return message.envelope.durable ? [deliver, outcomeOf(message, this.#result("done"))] : [deliver];
  }

  #tickOne(world: World, message: OpenMessage): Effects {
    const { monotonicMs } = world;
    const { ended, envelope } = message;
    if (ended !== undefined) {
      // Ended ones give way when there are many; the durable ids still keep a function from running twice.
      const isCrowded = this.#messages.size > 4 * limits.openCalls;
      if (!isCrowded && monotonicMs - ended.monotonicMs < limits.endedCallMs) return [];
      this.#messages.delete(message.id);
      if (isEvent(envelope) && !envelope.durable) this.#told.add(message.id, message.deadlineMonotonicMs);
      return [];
    }
    const effects = monotonicMs >= message.deadlineMonotonicMs ? [...this.#overdue(world, message)] : [];
    // Whoever is further from the caller says its last word first.
    const graceMs = isEvent(envelope) ? 0 : limits.callHopMs * (1 - envelope.hops / (limits.callHops + 1));
    if (monotonicMs >= message.deadlineMonotonicMs + graceMs) return [...effects, ...this.#end(world, message)];
    effects.push(...this.#decide(world, message), ...this.#act(world, message));
    const isDue = message.dirty && monotonicMs - message.reportedMonotonicMs >= limits.receiptMs;
    return message.ended === undefined && isDue ? [...effects, ...this.#reports.report(world, message)] : effects;
  }

  /** What is still under way here at the deadline. */
  #overdue(world: World, message: OpenMessage): Effects {
    if (!message.isOwnOpen || message.step === "recording" || message.step === "settling") return [];
    if (message.step === "running")
      return this.#finish(world, message, this.#result("failed", "no answer before the deadline"));
    // Held: what the record says of an earlier life counts more.
    if (message.step === "held" && !isEvent(message.envelope)) return this.#begin(world, message, false);
    return [];
  }

  /** Whether enough are ready. */
  #decide(world: World, message: OpenMessage): Effects {
    if (message.caller.kind !== "local" || message.phase !== phases.ready) return [];
    const decision = barrierDecision(message.envelope, message.receipt(this.#self), world, message.halfMonotonicMs);
    if (decision === undefined) return [];
    if ("cancelled" in decision) return this.#cancel(world, message, decision.cancelled);
    message.envelope = { ...message.envelope, phase: phases.begin, startAtMs: decision.startAtMs };
    return this.#advance(world, message);
  }

  /** The own outcome of something that began. */
  #finish(world: World, message: OpenMessage, result: NodeResult): Effects {
    return [...this.#settle(message, result), ...this.#act(world, message)];
  }

  /**
   * The record is to know how something that began has ended. What does not run twice is told when the record does: after a kill that came
   * first there would be another outcome.
   */
  #settle(message: OpenMessage, result: NodeResult): Effects {
    const stop: Effects = message.step === "running" ? [{ type: "stop", id: message.id }] : [];
    if (message.isRemembered) {
      message.step = "settling";
      message.outcome = result;
    } else message.setOwn(result);
    return [...stop, outcomeOf(message, result)];
  }

  #setOwn(world: World, message: OpenMessage, result: NodeResult): Effects {
    return message.setOwn(result) ? this.#act(world, message) : [];
  }

  #result(status: CallStatus, reason?: string): NodeResult {
    return { node: this.#self, status, ...(reason === undefined ? {} : { reason }) };
  }

  /** The last word: whoever has not answered stays unheard [T5]. */
  #end(world: World, message: OpenMessage): Effects {
    if (message.ended !== undefined) return [];
    message.endOwn(); // it does not go unsaid because the disk is slow
    const receipt = message.receipt(this.#self);
    const isLocal = message.caller.kind === "local";
    const last = isLocal ? withDetached(receipt, message.bounds) : receipt;
    const detached = last.detached.map((one) => ({ ...one, receipt: { ...one.receipt, complete: true } }));
    message.ended = {
      receipt: { ...last, detached, complete: true, settled: true },
      monotonicMs: world.monotonicMs,
    };
    this.#budget.count(message, -1);
    message.stream?.end(last.results);
    const report = [...this.#reports.results(message), ...this.#reports.report(world, message)];
    // What is kept in memory now is kept to be repeated: the arguments are not.
    message.envelope = { ...message.envelope, args: null };
    return message.kept === "no" ? report : [...report, this.#budget.drop(message)];
  }

  /** As if it had never come. */
  #forget(message: OpenMessage): void {
    this.#budget.count(message, -1);
    this.#budget.release(message);
    this.#messages.delete(message.id);
  }
}
