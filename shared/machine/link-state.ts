// What one neighbour is known to know of one message, and what it has answered:
//
//   unsent ──ask──▶ asked, silent ──receipt──▶ heard ──complete receipt──▶ complete
//                     └── again after 2 s, 4 s, … and in each new session ──┘
//
// Whoever was heard and is not complete is asked again after a minute without a word, two, four, … since its last word may be lost.
//
// What is to be sent is derived from this state at every look, never from the moment at which something happened.
import type { NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import type { Phase } from "./envelope.ts";
import { withTold } from "./keep-told.ts";
import type { Bounds } from "./merge-receipts.ts";
import type { Neighbour, NeighbourView, World } from "./neighbour.ts";
import type { NodeResult, Receipt, Unheard } from "./receipt.ts";
import type { ReceiptFrame } from "./receipt-wire.ts";
import { SaidReceipt } from "./said-receipt.ts";

/**
 * `open`: more may come. `lost`: more may come when it is back. `settled`: more may come when those are back for whom it waits.
 * `done`: nothing more is waited for.
 */
export type LinkClass = "open" | "lost" | "settled" | "done";

interface Ask {
  readonly session: number;
  readonly phase: Phase;
  readonly look: number;
  /** Tree time of the first one. */
  readonly firstMs: number;
  /** When it is repeated if nothing is heard, milliseconds that never step. */
  readonly againMs: number;
  readonly waitMs: number;
}

export class LinkState {
  readonly key: Neighbour;
  view: NeighbourView;
  /** What counts of what it has said. */
  receipt: Receipt | undefined;
  /** Tree time of its last word. */
  heardMs = 0;
  readonly #said = new SaidReceipt();
  /** What counted before it began to say all anew. */
  #told: Receipt | undefined;
  #isDone = false;
  #heardPhase: Phase | -1 = -1;
  /** When it was heard last, and after how much silence it is asked again: milliseconds that never step. */
  #heardMonotonicMs = Number.NEGATIVE_INFINITY;
  #silentMs: number = limits.silentMs;
  #asked: Ask | undefined;
  /** Others have come below it since it answered: its answer stands, and there may be more. */
  #wantedLook = 0;
  #heardLook = 0;
  /** Tree time since which it is here, if it may have answered elsewhere before. */
  adoptedMs: number | undefined;
  readonly #awaitedFromMs: number;

  /** `awaitedFromMs`: whoever left on purpose later than that is waited for. Tree time. */
  constructor(view: NeighbourView, awaitedFromMs: number) {
    this.key = view.key;
    this.view = view;
    this.#awaitedFromMs = awaitedFromMs;
  }

  /** Whose answers these are. */
  get name(): NodeName {
    return this.view.name;
  }

  get wasAsked(): boolean {
    return this.#asked !== undefined;
  }

  /** Tree time since which it has not been heard. */
  get silentSinceMs(): number {
    return this.view.state === "online" ? (this.#asked?.firstMs ?? this.view.sinceMs) : this.view.sinceMs;
  }

  /** Whoever left on purpose long before is not waited for, unless it has said that it will go on with this when it is back. */
  get isAwaited(): boolean {
    return this.view.state !== "left" || this.receipt !== undefined || this.view.sinceMs >= this.#awaitedFromMs;
  }

  /** It is waited for at `self`. */
  unheard(self: NodeName): Unheard {
    const unheard = { node: this.name, sinceMs: this.silentSinceMs, at: self };
    return this.view.state === "left" ? { ...unheard, hasLeft: true } : unheard;
  }

  get isComplete(): boolean {
    return this.#isDone;
  }

  /** Something that it said is missing. */
  get isBroken(): boolean {
    return this.#said.isBroken;
  }

  get class(): LinkClass {
    if (this.isComplete) return this.#isStale && this.view.state === "online" ? "open" : "done";
    if (this.view.state !== "online") return this.isAwaited ? "lost" : "done";
    return this.receipt?.settled === true ? "settled" : "open";
  }

  /** Whether it is to be told of `phase` now. */
  isDue(phase: Phase, monotonicMs: number): boolean {
    if (this.view.state !== "online" || (this.#isDone && !this.#isStale)) return false;
    const asked = this.#asked;
    if (asked === undefined || asked.session !== this.view.session || asked.phase < phase) return true;
    return monotonicMs >= this.#againMs(asked, phase);
  }

  /** When that may be so next; never: not before something happens. */
  dueAgainMs(phase: Phase): number {
    if (this.view.state !== "online" || (this.#isDone && !this.#isStale)) return Number.POSITIVE_INFINITY;
    return this.#asked === undefined ? 0 : this.#againMs(this.#asked, phase);
  }

  #againMs({ againMs, waitMs }: Ask, phase: Phase): number {
    const isAnswered = this.#heardPhase >= phase && this.#heardMonotonicMs >= againMs - waitMs;
    if (!isAnswered || this.#isStale || this.#said.isBroken) return againMs;
    return Math.max(againMs, this.#heardMonotonicMs + this.#silentMs);
  }

  asked(phase: Phase, nowMs: number, monotonicMs: number): void {
    const { session } = this.view;
    const before = this.#asked;
    const look = this.#wantedLook;
    const isRepeated = before?.session === session && before.phase === phase;
    const isLooked = isRepeated && before.look !== look;
    const waitMsMax = isLooked ? limits.lookAgainMsMax : limits.askAgainMsMax;
    const waitMs = isRepeated ? Math.min(waitMsMax, before.waitMs * 2) : limits.askAgainMs;
    // For the sake of those who have come it is asked without having been silent.
    if (isRepeated && !isLooked && this.#heardPhase >= phase)
      this.#silentMs = Math.min(limits.silentMsMax, this.#silentMs * 2);
    this.#asked = { session, phase, look, waitMs, firstMs: before?.firstMs ?? nowMs, againMs: monotonicMs + waitMs };
  }

  /**
   * A complete receipt is only replaced by another one, none by an older one. Answers the results that are new or may be; undefined:
   * nothing changed.
   */
  heard(
    frame: Omit<ReceiptFrame, "id">,
    { nowMs, monotonicMs }: Pick<World, "nowMs" | "monotonicMs">,
    bounds: Bounds,
  ): readonly NodeResult[] | undefined {
    const word = this.#said.take(frame, this.view.session, bounds);
    if (word === undefined) return undefined;
    // Also where this word does not count: the next one goes on from it.
    if (word.isAnew) this.#told = this.receipt;
    if (this.#isDone && !word.receipt.complete && !this.#isStale) return undefined;
    this.#isDone = word.receipt.complete;
    this.receipt = this.#told === undefined ? word.receipt : withTold(word.receipt, this.#told, bounds);
    this.#heardLook = frame.look;
    this.heardMs = nowMs;
    this.#heardMonotonicMs = monotonicMs;
    if (frame.since !== undefined) this.#silentMs = limits.silentMs;
    if (frame.phase > this.#heardPhase) this.#heardPhase = frame.phase;
    return word.results;
  }

  /** Others have come below it: it is asked once more what it has to say. */
  outdate(look: number): void {
    if (this.wasAsked) this.#wantedLook = look;
  }

  get #isStale(): boolean {
    return this.#heardLook < this.#wantedLook;
  }

  /** Another node stands there now: nothing of the old one holds for it. */
  forget(): void {
    this.receipt = undefined;
    this.#said.forget();
    this.#told = undefined;
    this.#isDone = false;
    this.#heardPhase = -1;
    this.#asked = undefined;
  }
}
