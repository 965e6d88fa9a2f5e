// What one neighbour is known to know of one message, and what it has answered:
//
//   unsent ──ask──▶ asked, silent ──receipt──▶ heard ──complete receipt──▶ complete
//                     └── again after 2 s, 4 s, … and in each new session ──┘
//
// What is to be sent is derived from this state at every look, never from the moment at which something happened.
import type { NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import type { Phase } from "./envelope.ts";
import type { Neighbour, NeighbourView } from "./neighbour.ts";
import type { Receipt } from "./receipt.ts";
import type { ReceiptFrame } from "./receipt-wire.ts";

/**
 * `open`: more may come. `lost`: more may come when it is back. `settled`: more may come when those are back for whom it waits.
 * `done`: nothing more is waited for.
 */
export type LinkClass = "open" | "lost" | "settled" | "done";

interface Ask {
  readonly session: number;
  readonly phase: Phase;
  /** Tree time of the first one. */
  readonly firstMs: number;
  /** When it is repeated if nothing is heard, milliseconds that never step. */
  readonly againMs: number;
  readonly waitMs: number;
}

export class LinkState {
  readonly key: Neighbour;
  view: NeighbourView;
  receipt: Receipt | undefined;
  /** Tree time of its last word. */
  heardMs = 0;
  #heardPhase: Phase | -1 = -1;
  /** Session and number of its last receipt. */
  #last = { session: -1, number: -1 };
  #asked: Ask | undefined;
  /** Others have come below it since it answered: its answer stands, and there may be more. */
  #wantedLook = 0;
  #heardLook = 0;
  /** Tree time since which it is here, if it may have answered elsewhere before. */
  adoptedMs: number | undefined;

  constructor(view: NeighbourView) {
    this.key = view.key;
    this.view = view;
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

  get isComplete(): boolean {
    return this.receipt?.complete === true;
  }

  get class(): LinkClass {
    if (this.isComplete) return this.#isStale && this.view.state === "online" ? "open" : "done";
    // Whoever went on purpose is not waited for, unless it has said that it will go on with this when it is back.
    if (this.view.state === "left") return this.receipt === undefined ? "done" : "lost";
    if (this.view.state === "lost") return "lost";
    return this.receipt?.settled === true ? "settled" : "open";
  }

  /** Whether it is to be told of `phase` now. */
  isDue(phase: Phase, monotonicMs: number): boolean {
    if (this.view.state !== "online" || (this.isComplete && !this.#isStale)) return false;
    const asked = this.#asked;
    if (asked === undefined || asked.session !== this.view.session || asked.phase < phase) return true;
    return (this.#heardPhase < phase || this.#isStale) && monotonicMs >= asked.againMs;
  }

  /** When that may be so next; never: not before something happens. */
  dueAgainMs(phase: Phase): number {
    const isAnswered = this.isComplete || this.#heardPhase >= phase;
    if (this.view.state !== "online" || (isAnswered && !this.#isStale)) return Number.POSITIVE_INFINITY;
    return this.#asked?.againMs ?? 0;
  }

  asked(phase: Phase, nowMs: number, monotonicMs: number): void {
    const { session } = this.view;
    const before = this.#asked;
    const isRepeated = before?.session === session && before.phase === phase;
    const waitMs = isRepeated ? Math.min(limits.askAgainMsMax, before.waitMs * 2) : limits.askAgainMs;
    this.#asked = { session, phase, waitMs, firstMs: before?.firstMs ?? nowMs, againMs: monotonicMs + waitMs };
  }

  /** A complete receipt is only replaced by another one, none by an older one. Answers whether anything changed. */
  heard({ receipt, phase, number, look }: Omit<ReceiptFrame, "id">, nowMs: number): boolean {
    const { session } = this.view;
    if (this.#last.session === session && number < this.#last.number) return false;
    this.#last = { session, number };
    if (this.isComplete && !receipt.complete && !this.#isStale) return false;
    this.receipt = receipt;
    this.#heardLook = look;
    this.heardMs = nowMs;
    if (phase > this.#heardPhase) this.#heardPhase = phase;
    return true;
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
    this.#heardPhase = -1;
    this.#asked = undefined;
  }
}
