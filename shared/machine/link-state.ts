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
  #asked: Ask | undefined;
  /** It came when the message had been here for a while: it may have answered elsewhere before. */
  readonly adoptedMs: number | undefined;

  constructor(view: NeighbourView, adoptedMs?: number) {
    this.key = view.key;
    this.view = view;
    this.adoptedMs = adoptedMs;
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
    if (this.isComplete) return "done";
    // Whoever went on purpose is not waited for, unless it has said that it will go on with this when it is back.
    if (this.view.state === "left") return this.receipt === undefined ? "done" : "lost";
    if (this.view.state === "lost") return "lost";
    return this.receipt?.settled === true ? "settled" : "open";
  }

  /** Whether it is to be told of `phase` now. */
  isDue(phase: Phase, monotonicMs: number): boolean {
    if (this.view.state !== "online" || this.isComplete) return false;
    const asked = this.#asked;
    if (asked === undefined || asked.session !== this.view.session || asked.phase < phase) return true;
    return this.#heardPhase < phase && monotonicMs >= asked.againMs;
  }

  /** When that may be so next; never: not before something happens. */
  dueAgainMs(phase: Phase): number {
    if (this.view.state !== "online" || this.isComplete || this.#heardPhase >= phase) return Number.POSITIVE_INFINITY;
    return this.#asked?.againMs ?? 0;
  }

  asked(phase: Phase, nowMs: number, monotonicMs: number): void {
    const { session } = this.view;
    const before = this.#asked;
    const isRepeated = before?.session === session && before.phase === phase;
    const waitMs = isRepeated ? Math.min(limits.askAgainMsMax, before.waitMs * 2) : limits.askAgainMs;
    this.#asked = { session, phase, waitMs, firstMs: before?.firstMs ?? nowMs, againMs: monotonicMs + waitMs };
  }

  /** A complete receipt is only replaced by another one. Answers whether anything changed. */
  heard(receipt: Receipt, phase: Phase, nowMs: number): boolean {
    if (this.isComplete && !receipt.complete) return false;
    this.receipt = receipt;
    this.heardMs = nowMs;
    if (phase > this.#heardPhase) this.#heardPhase = phase;
    return true;
  }

  /** Another node stands there now: nothing of the old one holds for it. */
  forget(): void {
    this.receipt = undefined;
    this.#heardPhase = -1;
    this.#asked = undefined;
  }
}
