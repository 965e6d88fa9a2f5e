// One call at several levels, at the node that makes it: whom to ask when, and when there is nothing more to wait for. Whoever is asked
// is asked in the same way in both modes [J13].
//
//   concurrent   all legs begin at once; the call is over when each has its outcome [J11]
//   sequential   one leg at a time; it is over with the first success, or after the last leg [J12]
//
// A request or its answer may get lost with a link: it is sent again, under the same id, when a session with the parent begins and after
// longer and longer waits until the leg's time is up. The node that is asked runs it once.
import type { Destination } from "./destinations.ts";
import { timedOut, type LevelOutcome } from "./outcome.ts";

export type LevelMode = "concurrent" | "sequential";

export type LegState =
  /** Sequential: not its turn yet. */
  | { readonly at: "waiting" }
  | {
      readonly at: "asked";
      readonly deadlineMs: number;
      /** How often it has been sent. */
      readonly attempts: number;
      /** When it is sent again; `Infinity` for this node itself. */
      readonly againAtMs: number;
    }
  | { readonly at: "ended"; readonly outcome: LevelOutcome };

export interface Leg {
  readonly destination: Destination;
  readonly state: LegState;
}

export interface LevelCall {
  readonly mode: LevelMode;
  /** What each leg is given, milliseconds. */
  readonly timeoutMs: number;
  readonly legs: readonly Leg[];
  readonly isFinished: boolean;
}

export type LevelCallEvent =
  | { readonly type: "begin" }
  /** `attempt`: which sending it answers. */
  | { readonly type: "outcome"; readonly node: string; readonly attempt: number; readonly outcome: LevelOutcome }
  /** A session with the parent has begun. */
  | { readonly type: "linked" }
  | { readonly type: "tick" }
  /** The node stops: legs that are under way end with that outcome, and no other begins. */
  | { readonly type: "stop"; readonly outcome: LevelOutcome };

export type LevelCallEffect =
  /** Run it on this node. */
  | { readonly type: "run"; readonly leg: Leg; readonly timeoutMs: number }
  /** Send the request up. */
  | { readonly type: "ask"; readonly leg: Leg; readonly attempt: number; readonly leftMs: number }
  | { readonly type: "report"; readonly leg: Leg; readonly outcome: LevelOutcome }
  /** Once, after everything else. `ok`: one leg (sequential) or all (concurrent) have succeeded. */
  | { readonly type: "finish"; readonly ok: boolean };

/** The first wait before a request is sent again; each is twice the one before. */
const askAgainMs = 1_000;

export function newLevelCall(mode: LevelMode, timeoutMs: number, destinations: readonly Destination[]): LevelCall {
  const legs = destinations.map((destination): Leg => ({ destination, state: { at: "waiting" } }));
  return { mode, timeoutMs, legs, isFinished: false };
}

/** `nowMs` never steps back. */
export function stepLevelCall(
  call: LevelCall,
  event: LevelCallEvent,
  nowMs: number,
): readonly [LevelCall, readonly LevelCallEffect[]] {
  if (call.isFinished) return [call, []];
  const effects: LevelCallEffect[] = [];
  const isStopping = event.type === "stop";
  const legs = call.legs.map((leg) => stepLeg(leg, event, nowMs, effects));
  const begun = isStopping ? legs : begin({ ...call, legs }, nowMs, effects);
  const isFinished = isStopping || isOver(call.mode, begun);
  if (isFinished) effects.push({ type: "finish", ok: hasSucceeded(call.mode, begun) });
  return [{ ...call, legs: begun, isFinished }, effects];
}

/** When a tick is due, `Infinity` for never. */
export function nextTickMs({ legs }: LevelCall): number {
  const due = legs.map(({ state }) =>
    state.at === "asked" ? Math.min(state.deadlineMs, state.againAtMs) : Number.POSITIVE_INFINITY,
  );
  return Math.min(...due);
}

function stepLeg(leg: Leg, event: LevelCallEvent, nowMs: number, effects: LevelCallEffect[]): Leg {
  const { destination, state } = leg;
  if (state.at !== "asked") return leg;
  switch (event.type) {
    case "begin":
      return leg;
    case "outcome":
      return event.node === destination.node && isBelieved(event) ? end(leg, event.outcome, effects) : leg;
    case "stop":
      return end(leg, event.outcome, effects);
    case "linked":
    case "tick":
      if (nowMs >= state.deadlineMs) return end(leg, timedOut, effects);
      if (destination.reach !== "above") return leg;
      return event.type === "linked" || nowMs >= state.againAtMs ? ask(leg, state, nowMs, effects) : leg;
  }
}

/** A node on the way that cannot pass on a repetition does not know whether the first one got there. */
function isBelieved({ outcome, attempt }: LevelCallEvent & { readonly type: "outcome" }): boolean {
  return outcome.status !== "unreachable" || attempt === 1;
}

function end(leg: Leg, outcome: LevelOutcome, effects: LevelCallEffect[]): Leg {
  const ended: Leg = { ...leg, state: { at: "ended", outcome } };
  effects.push({ type: "report", leg: ended, outcome });
  return ended;
}

function ask(leg: Leg, state: LegState & { at: "asked" }, nowMs: number, effects: LevelCallEffect[]): Leg {
  const attempts = state.attempts + 1;
  const againAtMs = nowMs + askAgainMs * 2 ** (attempts - 1);
  const asked: Leg = { ...leg, state: { ...state, attempts, againAtMs } };
  effects.push({ type: "ask", leg: asked, attempt: attempts, leftMs: state.deadlineMs - nowMs });
  return asked;
}

/** Begins what may begin now: everything, or the next one when nothing is under way and nothing has succeeded. */
function begin({ mode, timeoutMs, legs }: LevelCall, nowMs: number, effects: LevelCallEffect[]): readonly Leg[] {
  const begun = [...legs];
  for (const [at, leg] of begun.entries()) {
    const { state } = leg;
    if (state.at === "waiting") begun[at] = beginLeg(leg, timeoutMs, nowMs, effects);
    if (mode === "concurrent") continue;
    const now = begun[at]?.state;
    if (now?.at === "asked" || (now?.at === "ended" && now.outcome.status === "ok")) break;
  }
  return begun;
}

function beginLeg(leg: Leg, timeoutMs: number, nowMs: number, effects: LevelCallEffect[]): Leg {
  const { reach } = leg.destination;
  if (typeof reach === "object") return end(leg, { status: "unreachable", reason: reach.unreachable }, effects);
  const state = {
    at: "asked",
    deadlineMs: nowMs + timeoutMs,
    attempts: 0,
    againAtMs: Number.POSITIVE_INFINITY,
  } as const;
  if (reach === "above") return ask(leg, state, nowMs, effects);
  const asked: Leg = { ...leg, state };
  effects.push({ type: "run", leg: asked, timeoutMs });
  return asked;
}

function isOver(mode: LevelMode, legs: readonly Leg[]): boolean {
  return legs.every(({ state }) => state.at === "ended") || (mode === "sequential" && hasSucceeded(mode, legs));
}

function hasSucceeded(mode: LevelMode, legs: readonly Leg[]): boolean {
  const isOk = ({ state }: Leg): boolean => state.at === "ended" && state.outcome.status === "ok";
  return mode === "sequential" ? legs.some(isOk) : legs.every(isOk);
}
