// Which of many returning children is greeted now, and when the others are to ask again.
//
// Greetings begin at a bounded rate, and only so many are under way. A child that comes when that is used up gets a place in the time
// to come and is told how long that is. Places follow each other at the rate at which children are served, so those that were sent
// away come back spread out; whoever has no place yet is served only when none is left before it. No clock, no chance: the time is handed in.
import { limits } from "../limits.ts";

export type Admission =
  /** Greet it, and say when that is done. */
  | { readonly type: "admitted" }
  | {
      readonly type: "busy";
      /** Milliseconds after which the child is to ask again. */
      readonly retryAfterMs: number;
    };

interface Place {
  /** On the monotonic clock. */
  readonly atMs: number;
  /** How often the child came to its place and found no room. */
  readonly refusals: number;
}

const placeMsMin = 1_000 / limits.hellosPerSecond;
/** How far children with places may overdraw what the rate allows: they come a little late, and then closer together. */
const overdraft = limits.hellosBurst;
/** A place that nobody has come to for so long is given up. */
const forgottenAfterMs = 120_000;
/** Share of a single measurement in the smoothed time of service. */
const smoothing = 1 / 64;
const patienceMax = 3;

export class HelloAdmission {
  /** By name, in the order in which they were given. */
  readonly #places = new Map<string, Place>();
  #tokens: number = limits.hellosBurst;
  #countedAtMs: number;
  /** The first time that is nobody's place. */
  #freeAtMs: number;
  #greeting = 0;
  #doneAtMs: number;
  /** Time from one greeting that is done to the next, as measured while many were under way. */
  #serviceMs = 0;

  constructor(nowMs: number) {
    this.#countedAtMs = nowMs;
    this.#freeAtMs = nowMs;
    this.#doneAtMs = nowMs;
  }

  /** Greetings under way. */
  get greeting(): number {
    return this.#greeting;
  }

  /** Places that were given and not used yet. */
  get waiting(): number {
    return this.#places.size;
  }

  /** `child` said hello. */
  ask(child: string, nowMs: number): Admission {
    this.#count(nowMs);
    const place = this.#places.get(child);
    if (place !== undefined && nowMs < place.atMs) return { type: "busy", retryAfterMs: Math.ceil(place.atMs - nowMs) };
    if (this.#hasRoomFor(place, nowMs)) {
      this.#places.delete(child);
      this.#tokens--;
      this.#greeting++;
      return { type: "admitted" };
    }
    return this.#givePlace(child, place === undefined ? 0 : place.refusals + 1, nowMs);
  }

  /** A child that was admitted has been greeted, or is gone. */
  done(nowMs: number): void {
    if (this.#greeting > limits.hellosAtOnce / 2)
      this.#serviceMs += (nowMs - this.#doneAtMs - this.#serviceMs) * smoothing;
    this.#greeting--;
    this.#doneAtMs = nowMs;
  }

  #hasRoomFor(place: Place | undefined, nowMs: number): boolean {
    if (place === undefined)
      return this.#tokens >= 1 && nowMs >= this.#freeAtMs && this.#greeting < limits.hellosAtOnce;
    // Whoever was sent away from its place before finds more room: nobody is sent away for ever.
    const room = limits.hellosAtOnce * (1 + Math.min(patienceMax, place.refusals));
    return this.#tokens > -overdraft && this.#greeting < room;
  }

  #givePlace(child: string, refusals: number, nowMs: number): Admission {
    const atMs = Math.max(this.#freeAtMs, nowMs) + Math.max(placeMsMin, this.#serviceMs);
    this.#freeAtMs = atMs;
    this.#places.delete(child); // it goes to the end of their order
    this.#forget(nowMs);
    // Beyond what is remembered a child is told when to come, and is then one of those without a place.
    if (this.#places.size < limits.helloPlaces) this.#places.set(child, { atMs, refusals });
    return { type: "busy", retryAfterMs: Math.ceil(atMs - nowMs) };
  }

  #forget(nowMs: number): void {
    for (const [child, { atMs }] of this.#places) {
      if (nowMs - atMs < forgottenAfterMs) return;
      this.#places.delete(child);
    }
  }

  #count(nowMs: number): void {
    const grown = ((nowMs - this.#countedAtMs) * limits.hellosPerSecond) / 1_000;
    this.#tokens = Math.min(limits.hellosBurst, this.#tokens + grown);
    this.#countedAtMs = nowMs;
  }
}
