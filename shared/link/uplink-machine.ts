// The child's end of a link, as a value:
//
//   down --tick, wait over--> connecting --opened--> greeting --welcome--> running
//     ^                           |                     |                     |
//     +------ closed, timed out, refused, silent, no progress: from anywhere -+
//
// It decides when to dial, what to say and when to send; it does not know sockets, the store or the clock.
// Effects are performed in order. A segment leaves the store only through `forget`, which follows the parent's acknowledgement.
import type { NodeName } from "../ids.ts";
import type { Lane } from "../journal/stream.ts";
import { limits } from "../limits.ts";
import { nextWaitMs } from "./backoff.ts";
import type { Ack, AckedRanges } from "./frames.ts";
import type { Heartbeat, PathHop, Refusal, Welcome } from "./hello.ts";
import {
  freshLane,
  isOverdue,
  nextFrameBytes,
  withAcked,
  withNothingRead,
  withRewind,
  withStaleRead,
  withSent,
  withStored,
  type Cursors,
  type LaneState,
} from "./lane.ts";

/** How long the link has been away, kept through every attempt. */
interface Outage {
  /** When it began; when the node started, for a first connection. */
  readonly lostAtMs: number;
  /** The last wait between two attempts. */
  readonly waitMs: number;
  readonly reason: string;
}

export type UplinkState =
  | ({ readonly at: "down"; readonly retryAtMs: number } & Outage)
  | ({ readonly at: "connecting"; readonly sinceMs: number } & Outage)
  | ({ readonly at: "greeting"; readonly sinceMs: number } & Outage)
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
  readonly control: LaneState;
  readonly bulk: LaneState;
  /** The wait before this session: kept until the link has been stable. */
  readonly waitMs: number;
}

export type UplinkEvent =
  | { readonly type: "tick" }
  | { readonly type: "opened" }
  | { readonly type: "closed"; readonly reason: string }
  | { readonly type: "lane-opened" }
  | { readonly type: "lane-closed" }
  | { readonly type: "welcome"; readonly welcome: Welcome }
  | { readonly type: "refused"; readonly refusal: Refusal }
  | { readonly type: "beat"; readonly beat: Heartbeat }
  | { readonly type: "ack"; readonly ack: Ack }
  /** The store has, or may have, something new to send. */
  | { readonly type: "stored" }
  /** Answer to `read`: bytes on the wire and the new cursors, or null when there is nothing behind the cursors. */
  | {
      readonly type: "read";
      readonly lane: Lane;
      readonly session: number;
      readonly found: { readonly bytes: number; readonly cursors: Cursors } | null;
    };

export type UplinkEffect =
  | { readonly type: "dial" }
  | { readonly type: "close"; readonly reason: string }
  | { readonly type: "hello" }
  | { readonly type: "beat" }
  | { readonly type: "open-lane" }
  /** Read the next segments behind the cursors and answer with a `read` event. */
  | {
      readonly type: "read";
      readonly lane: Lane;
      readonly session: number;
      readonly cursors: Cursors;
      readonly bytes: number;
    }
  /** Send what the last read found. */
  | { readonly type: "send"; readonly lane: Lane; readonly frameNumber: number }
  /** The parent has committed these: delete them. */
  | { readonly type: "forget"; readonly acked: readonly AckedRanges[] }
  | { readonly type: "stalled"; readonly lane: Lane }
  | { readonly type: "report" };

/** The state of a node that has just started at `nowMs`: it dials at the first tick. */
export function initialUplink(nowMs: number): UplinkState {
  return { at: "down", retryAtMs: nowMs, lostAtMs: nowMs, waitMs: 0, reason: "not connected yet" };
}

type Step = [UplinkState, readonly UplinkEffect[]];

/** `jitter` in [0, 1) spreads the next attempt. */
export function stepUplink(state: UplinkState, event: UplinkEvent, nowMs: number, jitter: number): Step {
  switch (event.type) {
    case "tick":
      return state.at === "running" ? tickRunning(state, nowMs, jitter) : tickWaiting(state, nowMs, jitter);
    case "opened":
      if (state.at !== "connecting") return [state, []];
      return [{ ...state, at: "greeting", sinceMs: nowMs }, [{ type: "hello" }]];
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

type RunningEvent = Exclude<UplinkEvent, { type: "tick" | "opened" | "closed" | "welcome" | "refused" }>;

function stepRunning(state: RunningUplink, event: RunningEvent, nowMs: number): Step {
  switch (event.type) {
    case "beat":
      return heartbeat(state, event.beat, nowMs);
    case "ack":
      return acknowledge(state, event.ack, nowMs);
    case "stored":
      return pump({ ...state, control: withStored(state.control), bulk: withStored(state.bulk) }, nowMs);
    case "read":
      return event.session === state.session ? hasRead(state, event.lane, event.found, nowMs) : [state, []];
    case "lane-opened":
      return pump({ ...state, bulk: { ...state.bulk, open: true } }, nowMs);
    case "lane-closed":
      return [{ ...state, bulk: { ...withRewind(state.bulk, nowMs), open: false, reading: false, stale: false } }, []];
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
      if (nowMs - state.sinceMs < limits.helloTimeoutMs) return [state, []];
      return lose(state, "the parent did not answer the hello in time", nowMs, jitter, []);
  }
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
    if (expiries >= limits.rtoExpiriesMax) return lose(next, "connected, but without progress", nowMs, jitter, effects);
    next = { ...next, [lane]: { ...withRewind(next[lane], nowMs), expiries, lastAckAtMs: nowMs } };
  }
  if (nowMs - next.beatAtMs >= limits.heartbeatMs) {
    effects.push({ type: "beat" });
    next = { ...next, beatAtMs: nowMs };
  }
  // Derived from what is stored, every tick: no event is needed for a backlog to drain. [2.9]
  next = { ...next, control: restartWhenIdle(next.control), bulk: restartWhenIdle(next.bulk) };
  const [pumped, more] = pump(next, nowMs);
  return [pumped, [...effects, ...more]];
}

/** With nothing in flight, whatever is still stored is to be sent, also what lies before the cursors. */
function restartWhenIdle(lane: LaneState): LaneState {
  return lane.frames.length === 0 && !lane.reading ? { ...lane, cursors: {}, dry: false } : lane;
}

function start(state: Outage, welcome: Welcome, nowMs: number): Step {
  const credit = welcome.creditBytes;
  const running: RunningUplink = {
    at: "running",
    parent: welcome.parent,
    session: welcome.session,
    path: welcome.path,
    sinceMs: nowMs,
    heardAtMs: nowMs,
    beatAtMs: nowMs,
    control: freshLane(limits.controlWindowBytes, credit, true),
    bulk: freshLane(limits.bulkWindowBytes, credit, false),
    waitMs: state.waitMs,
  };
  const [pumped, effects] = pump(running, nowMs);
  return [pumped, [{ type: "report" }, { type: "open-lane" }, ...effects]];
}

function refuse(state: Exclude<UplinkState, RunningUplink>, refusal: Refusal, nowMs: number, jitter: number): Step {
  const reason = `refused by the parent: ${refusal.text}`;
  const [down, effects] = lose(state, reason, nowMs, jitter, []);
  if (down.at !== "down") return [down, effects];
  const waitMs = Math.max(refusal.retryAfterMs, refusal.code === "busy" ? 0 : limits.refusedBackoffMs);
  return [{ ...down, retryAtMs: nowMs + Math.round(waitMs * (1 + jitter / 4)) }, effects];
}

function lose(
  state: UplinkState,
  reason: string,
  nowMs: number,
  jitter: number,
  before: readonly UplinkEffect[],
): Step {
  if (state.at === "down") return [state, before];
  const wasRunning = state.at === "running";
  const lostAtMs = wasRunning ? nowMs : state.lostAtMs;
  // A parent that accepts and drops at once must still meet a growing back-off.
  const held = wasRunning && nowMs - state.sinceMs >= limits.linkStableMs;
  const waitMs = nextWaitMs(held ? 0 : state.waitMs, nowMs - lostAtMs, jitter);
  const down: UplinkState = { at: "down", lostAtMs, waitMs, reason, retryAtMs: nowMs + waitMs };
  return [down, [...before, { type: "close", reason }, { type: "report" }]];
}

function heartbeat(state: RunningUplink, beat: Heartbeat, nowMs: number): Step {
  const credit = beat.creditBytes;
  const next: RunningUplink = {
    ...state,
    heardAtMs: nowMs,
    path: beat.path ?? state.path,
    control: credit === undefined ? state.control : { ...state.control, creditBytes: credit },
    bulk: credit === undefined ? state.bulk : { ...state.bulk, creditBytes: credit },
  };
  const [pumped, effects] = pump(next, nowMs);
  return [pumped, beat.path === undefined ? effects : [{ type: "report" }, ...effects]];
}

function acknowledge(state: RunningUplink, ack: Ack, nowMs: number): Step {
  if (ack.session !== state.session) return [state, []];
  let lane = withAcked(state[ack.lane], ack.frameNumber, ack.creditBytes, nowMs);
  // What was refused would be refused again at once: wait, then start over with the oldest.
  if (ack.naks.length > 0) lane = withRewind(lane, nowMs + limits.rtoMsMin);
  const next: RunningUplink = { ...state, heardAtMs: nowMs, [ack.lane]: lane };
  const [pumped, effects] = pump(next, nowMs);
  return [pumped, ack.acked.length === 0 ? effects : [{ type: "forget", acked: ack.acked }, ...effects]];
}

function hasRead(
  state: RunningUplink,
  name: Lane,
  found: { readonly bytes: number; readonly cursors: Cursors } | null,
  nowMs: number,
): Step {
  const lane = state[name];
  if (!lane.reading) return [state, []];
  if (lane.stale) return pump({ ...state, [name]: withStaleRead(lane) }, nowMs);
  if (found === null) return pump({ ...state, [name]: withNothingRead(lane) }, nowMs);
  const send: UplinkEffect = { type: "send", lane: name, frameNumber: lane.nextNumber };
  const [pumped, effects] = pump({ ...state, [name]: withSent(lane, found.bytes, found.cursors, nowMs) }, nowMs);
  return [pumped, [send, ...effects]];
}

/** Starts a read on every lane that may send and is not known to be dry. */
function pump(state: RunningUplink, nowMs: number): [RunningUplink, readonly UplinkEffect[]] {
  const effects: UplinkEffect[] = [];
  let next = state;
  for (const name of ["control", "bulk"] as const) {
    const lane = next[name];
    if (lane.dry) continue;
    const bytes = nextFrameBytes(lane, nowMs);
    if (bytes === 0) continue;
    effects.push({ type: "read", lane: name, session: state.session, cursors: lane.cursors, bytes });
    next = { ...next, [name]: { ...lane, reading: true } };
  }
  return [next, effects];
}
