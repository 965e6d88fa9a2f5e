// The child's end of a link, as a value:
//
//   down --tick, wait over--> connecting --opened--> greeting --welcome--> running
//     ^                           |                     |                     |
//     +------ closed, timed out, refused, silent, no progress: from anywhere -+
//
// It decides when to dial, what to say and when to send; it does not know sockets, the store or the clock.
// Effects are performed in order. A segment leaves the store only through `forget`, which follows the parent's acknowledgement.
import type { NodeName } from "../ids.ts";
import {
  charged,
  freshScheduler,
  nextTurn,
  withoutDemand,
  type SchedulerState,
  type Turn,
} from "../journal/scheduler.ts";
import { laneOf, type Lane, type Priority } from "../journal/stream.ts";
import { limits } from "../limits.ts";
import { nextWaitMs } from "./backoff.ts";
import type { Ack, AckedRanges } from "./frames.ts";
import { capabilities, type Heartbeat, type PathHop, type Refusal, type Welcome } from "./hello.ts";
import {
  bytesOf,
  freshLane,
  isOverdue,
  nextFrameBytes,
  overtakes,
  withAcked,
  withGeneration,
  withRead,
  withReadOver,
  withRewind,
  withSent,
  withStored,
  type LaneState,
} from "./lane.ts";

/** Why an uplink is down: it broke or cannot be opened, it made no progress, the parent does not take this node. */
export type OutageCause = "lost" | "stuck" | "refused";

/** How long the link has been away, kept through every attempt. */
interface Outage {
  /** When it began; when the node started, for a first connection. */
  readonly lostAtMs: number;
  /** The last wait between two attempts. */
  readonly waitMs: number;
  readonly reason: string;
  readonly cause: OutageCause;
  /** The last one of any lane. None comes twice: by it, reads of an older session are told from those of this one [O11]. */
  readonly generation: number;
}

export type UplinkState =
  | ({ readonly at: "down"; readonly retryAtMs: number } & Outage)
  | ({ readonly at: "connecting"; readonly sinceMs: number } & Outage)
  | ({ readonly at: "greeting"; readonly sinceMs: number; readonly patienceMs: number } & Outage)
  | RunningUplink;

export interface RunningUplink {
  readonly at: "running";
  readonly parent: NodeName;
  readonly session: number;
  readonly path: readonly PathHop[];
  readonly sinceMs: number;
  /** Last byte from the parent on the control connection. */
  readonly heardAtMs: number;
  readonly beatAtMs: number;
  /** Bytes that both lanes together may have in flight, and those that P0 may when that is 0. */
  readonly creditBytes: number;
  readonly urgentCreditBytes: number;
  readonly scheduler: SchedulerState;
  readonly control: LaneState;
  readonly bulk: LaneState;
  readonly generation: number;
  /** The parent takes deflated bodies. */
  readonly inflates: boolean;
  /** The wait before this session: kept until the link has been stable. */
  readonly waitMs: number;
}

export type UplinkEvent =
  | { readonly type: "tick" }
  | { readonly type: "opened" }
  /** The hello has been handed to the connection. */
  | { readonly type: "greeted"; readonly bytes: number }
  | { readonly type: "closed"; readonly reason: string }
  | { readonly type: "lane-opened" }
  | { readonly type: "lane-closed" }
  | { readonly type: "welcome"; readonly welcome: Welcome }
  | { readonly type: "refused"; readonly refusal: Refusal }
  | { readonly type: "beat"; readonly beat: Heartbeat }
  | { readonly type: "ack"; readonly ack: Ack }
  /** The store has, or may have, something new to send. */
  | { readonly type: "stored" }
  /** Answer to `read`: what will be on the wire, or null. `dry`: the choices that had nothing. */
  | {
      readonly type: "read";
      readonly lane: Lane;
      readonly generation: number;
      readonly found: { readonly priority: Priority; readonly bytes: number } | null;
      readonly dry: readonly Priority[];
    };

export type UplinkEffect =
  | { readonly type: "dial" }
  | { readonly type: "close"; readonly reason: string }
  | { readonly type: "hello" }
  | { readonly type: "beat" }
  | { readonly type: "open-lane" }
  /** Read the next segments of the first choice that has some, none that was handed out in this generation; answer with a `read` event. */
  | ({ readonly type: "read"; readonly generation: number; readonly deflate: boolean } & Turn)
  /** Send what the last read found. */
  | { readonly type: "send"; readonly lane: Lane; readonly frameNumber: number }
  /** The parent has committed these, out of that frame: delete them. */
  | {
      readonly type: "forget";
      readonly lane: Lane;
      readonly frameNumber: number;
      readonly acked: readonly AckedRanges[];
    }
  /** The parent does not take these: keep them back for a while, or give them up. */
  | { readonly type: "refused"; readonly naks: Ack["naks"] }
  | { readonly type: "stalled"; readonly lane: Lane }
  | { readonly type: "report" };

/** The state of a node that has just started at `nowMs`: it dials at the first tick. */
export function initialUplink(nowMs: number): UplinkState {
  const outage = { lostAtMs: nowMs, waitMs: 0, reason: "not connected yet", cause: "lost", generation: 0 } as const;
  return { at: "down", retryAtMs: nowMs, ...outage };
}

type Step = [UplinkState, readonly UplinkEffect[]];

/** `jitter` in [0, 1) spreads the next attempt. */
export function stepUplink(state: UplinkState, event: UplinkEvent, nowMs: number, jitter: number): Step {
  switch (event.type) {
    case "tick":
      return state.at === "running" ? tickRunning(state, nowMs, jitter) : tickWaiting(state, nowMs, jitter);
    case "opened":
      if (state.at !== "connecting") return [state, []];
      return [{ ...state, at: "greeting", sinceMs: nowMs, patienceMs: limits.helloTimeoutMs }, [{ type: "hello" }]];
    case "greeted":
      return [state.at === "greeting" ? withPatience(state, event.bytes, nowMs) : state, []];
    case "closed":
      return lose(state, event.reason, nowMs, jitter, []);
    case "welcome":
      return state.at === "greeting" ? start(state, event.welcome, nowMs) : [state, []];
    case "refused":
      return state.at === "greeting" ? refuse(state, event.refusal, nowMs, jitter) : [state, []];
    default:
      // What belongs to a session that is gone changes nothing [O11].
      return state.at === "running" ? stepRunning(state, event, nowMs) : [state, []];
  }
}

type RunningEvent = Exclude<UplinkEvent, { type: "tick" | "opened" | "greeted" | "closed" | "welcome" | "refused" }>;

function stepRunning(state: RunningUplink, event: RunningEvent, nowMs: number): Step {
  switch (event.type) {
    case "beat":
      return heartbeat(state, event.beat, nowMs);
    case "ack":
      return acknowledge(state, event.ack, nowMs);
    case "stored":
      return pump({ ...state, control: withStored(state.control), bulk: withStored(state.bulk) }, nowMs);
    case "read":
      return hasRead(state, event, nowMs);
    case "lane-opened":
      return pump({ ...state, bulk: { ...state.bulk, open: true } }, nowMs);
    case "lane-closed":
      return [rewound({ ...state, bulk: { ...state.bulk, open: false } }, "bulk", nowMs), []];
  }
}

function tickWaiting(state: Exclude<UplinkState, RunningUplink>, nowMs: number, jitter: number): Step {
  switch (state.at) {
    case "down":
      if (nowMs < state.retryAtMs) return [state, []];
      return [{ ...state, at: "connecting", sinceMs: nowMs }, [{ type: "dial" }]];
    case "connecting":
      if (nowMs - state.sinceMs < limits.connectTimeoutMs) return [state, []];
      return lose(state, "the parent did not accept the connection in time", nowMs, jitter, []);
    case "greeting":
      if (nowMs - state.sinceMs < state.patienceMs) return [state, []];
      return lose(state, "the parent did not answer the hello in time", nowMs, jitter, []);
  }
}

/** A hello may be long, and the link slow: an answer is due when it has got through. */
function withPatience(state: UplinkState & { readonly at: "greeting" }, bytes: number, nowMs: number): UplinkState {
  const wayMs = Math.ceil((bytes / limits.helloBytesPerSecond) * 1000);
  return { ...state, sinceMs: nowMs, patienceMs: limits.helloTimeoutMs + wayMs };
}

function tickRunning(state: RunningUplink, nowMs: number, jitter: number): Step {
  if (nowMs - state.heardAtMs >= limits.linkSilenceMs) {
    return lose(state, "the parent has fallen silent", nowMs, jitter, []);
  }
  const effects: UplinkEffect[] = [];
  let next: RunningUplink = state;
  for (const lane of ["control", "bulk"] as const) {
    if (!isOverdue(next[lane], nowMs)) continue;
    effects.push({ type: "stalled", lane });
    const expiries = next[lane].expiries + 1;
    if (expiries >= limits.rtoExpiriesMax) {
      return lose(next, "connected, but without progress", nowMs, jitter, effects, "stuck");
    }
    next = rewound({ ...next, [lane]: { ...next[lane], expiries, lastAckAtMs: nowMs } }, lane, nowMs);
  }
  if (nowMs - next.beatAtMs >= limits.heartbeatMs) {
    effects.push({ type: "beat" });
    next = { ...next, beatAtMs: nowMs };
  }
  // Derived from what is stored, every tick: no event is needed for a backlog to drain. [2.9]
  next = restartWhenIdle(restartWhenIdle(next, "control"), "bulk");
  const [pumped, more] = pump(next, nowMs);
  return [pumped, [...effects, ...more]];
}

/** With nothing in flight, whatever is still stored is to be sent, also what was handed out before. */
function restartWhenIdle(state: RunningUplink, lane: Lane): RunningUplink {
  return state[lane].frames.length === 0 && state[lane].reading === undefined ? regenerated(state, lane) : state;
}

function regenerated(state: RunningUplink, lane: Lane): RunningUplink {
  const generation = state.generation + 1;
  return { ...state, generation, [lane]: withGeneration(state[lane], generation) };
}

function rewound(state: RunningUplink, lane: Lane, pausedUntilMs: number): RunningUplink {
  const generation = state.generation + 1;
  return { ...state, generation, [lane]: withRewind(state[lane], generation, pausedUntilMs) };
}

function start(state: Outage, welcome: Welcome, nowMs: number): Step {
  const generation = state.generation + 1;
  const running: RunningUplink = {
    at: "running",
    parent: welcome.parent,
    session: welcome.session,
    path: welcome.path,
    sinceMs: nowMs,
    heardAtMs: nowMs,
    beatAtMs: nowMs,
    creditBytes: welcome.creditBytes,
    urgentCreditBytes: welcome.urgentCreditBytes ?? 0,
    scheduler: freshScheduler,
    control: freshLane(limits.controlWindowBytes, generation, true),
    bulk: freshLane(limits.bulkWindowBytes, generation, false),
    generation,
    inflates: ((welcome.capabilities ?? 0) & capabilities.deflate) !== 0,
    waitMs: state.waitMs,
  };
  const [pumped, effects] = pump(running, nowMs);
  return [pumped, [{ type: "report" }, { type: "open-lane" }, ...effects]];
}

function refuse(state: Exclude<UplinkState, RunningUplink>, refusal: Refusal, nowMs: number, jitter: number): Step {
  const reason = `refused by the parent: ${refusal.text}`;
  const [down, effects] = lose(state, reason, nowMs, jitter, [], "refused");
  if (down.at !== "down") return [down, effects];
  const mayPass = refusal.code === "busy" || refusal.code === "name-taken";
  const waitMs = Math.max(refusal.retryAfterMs, mayPass ? 0 : limits.refusedBackoffMs);
  return [{ ...down, retryAtMs: nowMs + Math.round(waitMs * (1 + jitter / 4)) }, effects];
}

function lose(
  state: UplinkState,
  reason: string,
  nowMs: number,
  jitter: number,
  before: readonly UplinkEffect[],
  cause: OutageCause = "lost",
): Step {
  if (state.at === "down") return [state, before];
  const wasRunning = state.at === "running";
  const lostAtMs = wasRunning ? nowMs : state.lostAtMs;
  // A parent that accepts and drops at once must still meet a growing back-off.
  const held = wasRunning && nowMs - state.sinceMs >= limits.linkStableMs;
  const waitMs = nextWaitMs(held ? 0 : state.waitMs, nowMs - lostAtMs, jitter);
  const { generation } = state;
  const down: UplinkState = { at: "down", lostAtMs, waitMs, reason, cause, generation, retryAtMs: nowMs + waitMs };
  return [down, [...before, { type: "close", reason }, { type: "report" }]];
}

function heartbeat(state: RunningUplink, beat: Heartbeat, nowMs: number): Step {
  const next: RunningUplink = { ...withCredit(state, beat), heardAtMs: nowMs, path: beat.path ?? state.path };
  const [pumped, effects] = pump(next, nowMs);
  return [pumped, beat.path === undefined ? effects : [{ type: "report" }, ...effects]];
}

function withCredit(
  state: RunningUplink,
  {
    creditBytes,
    urgentCreditBytes = 0,
  }: { readonly creditBytes: number | undefined; readonly urgentCreditBytes?: number },
): RunningUplink {
  return creditBytes === undefined ? state : { ...state, creditBytes, urgentCreditBytes };
}

function acknowledge(state: RunningUplink, ack: Ack, nowMs: number): Step {
  if (ack.session !== state.session) return [state, []];
  const { lane, frameNumber } = ack;
  // What was sent before the frame that is answered is lost.
  const isRewind = overtakes(state[lane], frameNumber);
  let next: RunningUplink = {
    ...withCredit(state, ack),
    heardAtMs: nowMs,
    [lane]: withAcked(state[lane], frameNumber, nowMs),
  };
  if (isRewind) next = regenerated(next, lane);
  const effects: UplinkEffect[] = [];
  if (ack.acked.length > 0) effects.push({ type: "forget", lane, frameNumber, acked: ack.acked });
  const refused = ack.naks.filter(({ code }) => code !== "no-room");
  if (refused.length > 0) effects.push({ type: "refused", naks: refused });
  // Without room the rest would be refused as well: wait, then start over.
  if (refused.length < ack.naks.length) next = rewound(next, lane, nowMs + limits.rtoMsMin);
  const [pumped, more] = pump(next, nowMs);
  return [pumped, [...effects, ...more]];
}

function hasRead(state: RunningUplink, event: RunningEvent & { type: "read" }, nowMs: number): Step {
  const { lane: name, generation, found, dry } = event;
  const lane = state[name];
  if (lane.reading?.generation !== generation) return [state, []];
  const over = withReadOver(lane, dry);
  // The lane was rewound meanwhile, or its connection is gone: read again when it may.
  if (generation !== lane.generation) return pump({ ...state, [name]: over }, nowMs);
  let scheduler = over.dry.reduce(withoutDemand, state.scheduler);
  if (found === null) return pump({ ...state, scheduler, [name]: over }, nowMs);
  scheduler = charged(scheduler, found.priority, found.bytes);
  const send: UplinkEffect = { type: "send", lane: name, frameNumber: lane.nextNumber };
  const sent = withSent(over, found.priority, found.bytes, nowMs);
  const [pumped, effects] = pump({ ...state, scheduler, [name]: sent }, nowMs);
  return [pumped, [send, ...effects]];
}

/** Starts a read on every lane that may send and is not known to be dry: the next frame is read while others are in flight. */
function pump(state: RunningUplink, nowMs: number): [RunningUplink, readonly UplinkEffect[]] {
  const effects: UplinkEffect[] = [];
  let next = state;
  for (;;) {
    const [scheduler, turn] = nextTurn(next.scheduler, demandOf(next, nowMs));
    const first = turn?.choices[0];
    if (turn === undefined || first === undefined) return [next, effects];
    const lane = next[turn.lane];
    const deflate = next.inflates && lane.fullRate > 0 && lane.fullRate < limits.deflateBelowBytesPerSecond;
    effects.push({ type: "read", generation: lane.generation, deflate, ...turn });
    next = { ...next, scheduler, [turn.lane]: withRead(lane, first.priority, first.bytes) };
  }
}

function demandOf(state: RunningUplink, nowMs: number): Parameters<typeof nextTurn>[1] {
  const { creditBytes, urgentCreditBytes, control, bulk } = state;
  const waits = (priority: Priority): boolean => !state[laneOf(priority)].dry.includes(priority);
  const bytes = (priority: Priority): number => bytesOf(state[laneOf(priority)], priority);
  return {
    creditBytes,
    urgentCreditBytes,
    inFlight: [bytes(0), bytes(1), bytes(2), bytes(3)],
    waiting: [waits(0), waits(1), waits(2), waits(3)],
    frameBytes: { control: nextFrameBytes(control, nowMs), bulk: nextFrameBytes(bulk, nowMs) },
  };
}
