// One direction of data on one connection: what is in flight, how much may be, how fast it goes. Rebuilt from nothing with
// each session, since the store knows what is still to be sent.
import { frameBytesMin } from "../journal/scheduler.ts";
import type { Priority } from "../journal/stream.ts";
import { limits } from "../limits.ts";

interface SentFrame {
  readonly number: number;
  readonly priority: Priority;
  readonly bytes: number;
  readonly sentAtMs: number;
}

/** A read of the store that is under way. */
interface LaneRead {
  /** The lane's when it began: of another one, what it finds may be in flight already. */
  readonly generation: number;
  /** What it looks for first, and the bytes that it may bring. */
  readonly priority: Priority;
  readonly bytes: number;
}

export interface LaneState {
  /** The connection of this lane is up. */
  readonly open: boolean;
  readonly reading: LaneRead | undefined;
  /** What was handed out within one generation is not read again; a new one looks at everything stored anew. */
  readonly generation: number;
  /** Priorities of which the last read found nothing. */
  readonly dry: readonly Priority[];
  /** Something was stored since the read under way began: its "nothing" is no longer true. */
  readonly outdated: boolean;
  readonly windowBytes: number;
  readonly frames: readonly SentFrame[];
  readonly inFlightBytes: number;
  readonly nextNumber: number;
  /** Round trip of a frame: smoothed, its deviation, and how often in a row it ran out. */
  readonly rttMs: number;
  readonly rttDeviationMs: number;
  readonly expiries: number;
  /** Bytes per second as acknowledged, smoothed; 0 before the first. */
  readonly rate: number;
  /** What was acknowledged since then while others were in flight all the time; undefined when the link had nothing to carry. */
  readonly full: { readonly sinceMs: number; readonly bytes: number } | undefined;
  /** Bytes per second that a full link carried when it was last full for a second; 0 before. */
  readonly fullRate: number;
  readonly lastAckAtMs: number;
  /** Nothing may be read again before this: the parent had no room. */
  readonly pausedUntilMs: number;
}

/** Small, because nothing is known of the link yet: the first acknowledgement tells its rate. */
const firstFrameBytes = 16 * 1024;
const frameBytesMax = 256 * 1024;
/** Bytes per second that a link is thought to carry before it has shown what it does. */
const rateAssumed = 16 * 1024;
const fullRateMs = 1_000;
/** A frame holds about this much time of the link. */
const frameMs = 200;

export function freshLane(windowBytes: number, generation: number, open: boolean): LaneState {
  return {
    open,
    reading: undefined,
    generation,
    dry: [],
    outdated: false,
    windowBytes,
    frames: [],
    inFlightBytes: 0,
    nextNumber: 1,
    rttMs: 0,
    rttDeviationMs: 0,
    expiries: 0,
    rate: 0,
    full: undefined,
    fullRate: 0,
    lastAckAtMs: 0,
    pausedUntilMs: 0,
  };
}

/** The store has something new. */
export function withStored(lane: LaneState): LaneState {
  return { ...lane, dry: [], outdated: lane.reading !== undefined };
}

/** A read begins. */
export function withRead(lane: LaneState, priority: Priority, bytes: number): LaneState {
  return { ...lane, reading: { generation: lane.generation, priority, bytes }, outdated: false };
}

/** The read is over; it found nothing of `dry`. */
export function withReadOver(lane: LaneState, dry: readonly Priority[]): LaneState {
  const isStale = lane.reading?.generation !== lane.generation || lane.outdated;
  return {
    ...lane,
    reading: undefined,
    outdated: false,
    dry: isStale ? lane.dry : [...new Set([...lane.dry, ...dry])],
  };
}

/** Bytes that the next frame should have, or 0 when none may be sent now. The credit is the scheduler's. */
export function nextFrameBytes(lane: LaneState, nowMs: number): number {
  if (!lane.open || lane.reading !== undefined || nowMs < lane.pausedUntilMs) return 0;
  if (lane.frames.length >= limits.framesInFlight) return 0;
  const wanted = lane.rate === 0 ? firstFrameBytes : Math.round((lane.rate * frameMs) / 1000);
  const target = Math.min(frameBytesMax, Math.max(frameBytesMin, wanted));
  if (lane.frames.length === 0) return target;
  const room = lane.windowBytes - lane.inFlightBytes;
  return room >= frameBytesMin ? Math.min(target, room) : 0;
}

/** Bytes of that priority in flight, or on their way out of the store. */
export function bytesOf(lane: LaneState, priority: Priority): number {
  let bytes = lane.reading?.priority === priority ? lane.reading.bytes : 0;
  for (const frame of lane.frames) if (frame.priority === priority) bytes += frame.bytes;
  return bytes;
}

/** A frame left. */
export function withSent(lane: LaneState, priority: Priority, bytes: number, nowMs: number): LaneState {
  return {
    ...lane,
    frames: [...lane.frames, { number: lane.nextNumber, priority, bytes, sentAtMs: nowMs }],
    inFlightBytes: lane.inFlightBytes + bytes,
    nextNumber: lane.nextNumber + 1,
  };
}

/** Whether an answer to frame `number` overtakes that of an older one, which is lost then. */
export function overtakes(lane: LaneState, number: number): boolean {
  return lane.frames.some((frame) => frame.number === number) && lane.frames.some((frame) => frame.number < number);
}

/** The parent answered frame `number`. */
export function withAcked(lane: LaneState, number: number, nowMs: number): LaneState {
  const answered = lane.frames.find((frame) => frame.number === number);
  // Of a frame that was given up: late, but progress.
  if (answered === undefined) return { ...lane, expiries: 0, lastAckAtMs: nowMs };
  const frames = lane.frames.filter((frame) => frame.number > number);
  const sampleMs = Math.max(0, nowMs - answered.sentAtMs);
  const first = lane.rttMs === 0;
  const sinceMs = Math.max(1, nowMs - Math.max(lane.lastAckAtMs, answered.sentAtMs));
  const rate = (answered.bytes * 1000) / sinceMs;
  return {
    ...lane,
    frames,
    inFlightBytes: frames.reduce((sum, frame) => sum + frame.bytes, 0),
    rttMs: first ? sampleMs : lane.rttMs * 0.875 + sampleMs * 0.125,
    rttDeviationMs: first ? sampleMs / 2 : lane.rttDeviationMs * 0.75 + Math.abs(sampleMs - lane.rttMs) * 0.25,
    rate: lane.rate === 0 ? rate : lane.rate * 0.8 + rate * 0.2,
    ...fullRateAfter(lane, answered.bytes, frames.length > 0, nowMs),
    expiries: 0,
    lastAckAtMs: nowMs,
  };
}

/** Over a whole second: a single frame tells how long its commit took rather than what the link carries. */
function fullRateAfter(
  { full, fullRate }: LaneState,
  bytes: number,
  isFull: boolean,
  nowMs: number,
): Pick<LaneState, "full" | "fullRate"> {
  if (!isFull) return { full: undefined, fullRate };
  if (full === undefined) return { full: { sinceMs: nowMs, bytes: 0 }, fullRate };
  const total = full.bytes + bytes;
  const passedMs = nowMs - full.sinceMs;
  if (passedMs < fullRateMs) return { full: { ...full, bytes: total }, fullRate };
  return { full: { sinceMs: nowMs, bytes: 0 }, fullRate: (total * 1000) / passedMs };
}

/** Look at everything stored anew. */
export function withGeneration(lane: LaneState, generation: number): LaneState {
  return { ...lane, generation, dry: [] };
}

/** Forget what is in flight and look at everything anew, not before `pausedUntilMs`. */
export function withRewind(lane: LaneState, generation: number, pausedUntilMs: number): LaneState {
  return { ...withGeneration(lane, generation), frames: [], inFlightBytes: 0, pausedUntilMs };
}

/**
 * Retransmission time-out of the oldest frame in flight, doubled with each expiry. Never less than twice the time that the bytes in
 * flight take: what is sent again on a slow link only makes it slower.
 */
function rtoMs(lane: LaneState): number {
  const transferMs = (lane.inFlightBytes * 1000) / (lane.rate === 0 ? rateAssumed : lane.rate);
  const base = Math.max(limits.rtoMsMin, lane.rttMs + 4 * lane.rttDeviationMs, 2 * transferMs);
  return Math.min(limits.rtoMsMax, base * 2 ** lane.expiries);
}

/** Whether the oldest frame in flight has gone unanswered for too long. */
export function isOverdue(lane: LaneState, nowMs: number): boolean {
  const oldest = lane.frames[0];
  return oldest !== undefined && nowMs - Math.max(oldest.sentAtMs, lane.lastAckAtMs) > rtoMs(lane);
}
