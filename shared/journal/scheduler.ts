// Which priority the next frame to the parent takes, and how large it may be. P0 goes first, in at most half of the credit; P1, P2 and
// P3 share what is left by deficit round robin, 8 : 4 : 1. Nobody starves, and room is never left unused while something waits.
import { laneOf, type Lane, type Priority } from "./stream.ts";

/** Priorities that take turns. */
type SharingPriority = 1 | 2 | 3;

export interface SchedulerState {
  /** Whose turn it is. */
  readonly turn: SharingPriority;
  /** Bytes that each may still send in its turn; below 0 after a frame that was larger. */
  readonly deficits: Readonly<Record<SharingPriority, number>>;
}

/** Something for each of P0, P1, P2, P3. */
type PerPriority<T> = readonly [T, T, T, T];

export interface Demand {
  /** Bytes that the parent lets this node have in flight, on both connections together. */
  readonly creditBytes: number;
  /** The same for P0 alone, while the credit is 0. */
  readonly urgentCreditBytes: number;
  /** Bytes sent and not answered, and those that a read under way may bring. */
  readonly inFlight: PerPriority<number>;
  /** Whether there may be something to send. */
  readonly waiting: PerPriority<boolean>;
  /** Bytes that the next frame of each connection may have; 0 when none may go now. */
  readonly frameBytes: Readonly<Record<Lane, number>>;
}

/** The next frame: of the first of `choices` that has something, one priority to a frame. */
export interface Turn {
  readonly lane: Lane;
  readonly choices: readonly { readonly priority: Priority; readonly bytes: number }[];
}

/** Smaller frames are not worth their overhead. */
export const frameBytesMin = 1024;
const sharing: readonly SharingPriority[] = [1, 2, 3];
const weights: Readonly<Record<SharingPriority, number>> = { 1: 8, 2: 4, 3: 1 };
/** Bytes that a turn brings to weight 1: P1 then fills the largest frame in one turn. */
const quantumBytes = 32 * 1024;

export const freshScheduler: SchedulerState = { turn: 1, deficits: { 1: 0, 2: 0, 3: 0 } };

/** The frame to read next, or undefined when nothing may go. The state changes only by whose turn it is. */
export function nextTurn(state: SchedulerState, demand: Demand): readonly [SchedulerState, Turn | undefined] {
  const urgentBytes = urgentFrameBytes(demand);
  const candidates = sharing.filter((priority) => sharedFrameBytes(demand, priority) > 0);
  const [next, chosen] = candidates.length === 0 ? [state, undefined] : takeTurn(state, candidates);
  if (urgentBytes > 0) {
    const urgent = { priority: 0, bytes: urgentBytes } as const;
    // When there turns out to be none, the same read serves P1, but only in its turn.
    if (chosen !== 1) return [state, { lane: "control", choices: [urgent] }];
    return [next, { lane: "control", choices: [urgent, { priority: 1, bytes: sharedFrameBytes(demand, 1) }] }];
  }
  if (chosen === undefined) return [state, undefined];
  const lane = laneOf(chosen);
  const others = candidates.filter((priority) => priority !== chosen && laneOf(priority) === lane);
  const choices = [chosen, ...others].map((priority) => ({ priority, bytes: sharedFrameBytes(demand, priority) }));
  return [next, { lane, choices }];
}

/** A frame of that priority was sent. */
export function charged(state: SchedulerState, priority: Priority, bytes: number): SchedulerState {
  if (priority === 0) return state;
  return { ...state, deficits: { ...state.deficits, [priority]: state.deficits[priority] - bytes } };
}

/** Nothing of that priority waits: what it did not use is not saved up. */
export function withoutDemand(state: SchedulerState, priority: Priority): SchedulerState {
  if (priority === 0 || state.deficits[priority] <= 0) return state;
  return { ...state, deficits: { ...state.deficits, [priority]: 0 } };
}

/** Half of the credit is for P0. Its first frame needs no room: what fills the credit must not delay an alarm. */
function urgentFrameBytes(demand: Demand): number {
  const { creditBytes, urgentCreditBytes, inFlight, waiting, frameBytes } = demand;
  const limit = creditBytes > 0 ? Math.floor(creditBytes / 2) : urgentCreditBytes;
  if (!waiting[0] || frameBytes.control === 0 || limit === 0) return 0;
  if (inFlight[0] === 0) return Math.min(frameBytes.control, Math.max(frameBytesMin, limit));
  const left = limit - inFlight[0];
  const room = creditBytes > 0 ? Math.min(left, creditBytes - totalOf(inFlight)) : left;
  return room < frameBytesMin ? 0 : Math.min(frameBytes.control, room);
}

function sharedFrameBytes({ creditBytes, inFlight, waiting, frameBytes }: Demand, priority: SharingPriority): number {
  const frame = frameBytes[laneOf(priority)];
  if (!waiting[priority] || frame === 0 || creditBytes === 0) return 0;
  const total = totalOf(inFlight);
  // With nothing in flight one frame may go, however small the credit is.
  if (total === 0) return Math.min(frame, Math.max(frameBytesMin, creditBytes));
  const room = creditBytes - total;
  return room < frameBytesMin ? 0 : Math.min(frame, room);
}

/** Passes the turn on until it is at a candidate that may send. Each round raises all of them, so it ends. */
function takeTurn(
  state: SchedulerState,
  candidates: readonly SharingPriority[],
): readonly [SchedulerState, SharingPriority] {
  const deficits = { ...state.deficits };
  let turn = state.turn;
  while (!candidates.includes(turn) || deficits[turn] <= 0) {
    turn = turn === 3 ? 1 : turn === 1 ? 2 : 3;
    if (candidates.includes(turn)) deficits[turn] += weights[turn] * quantumBytes;
  }
  return [{ turn, deficits }, turn];
}

function totalOf(inFlight: PerPriority<number>): number {
  return inFlight[0] + inFlight[1] + inFlight[2] + inFlight[3];
}
