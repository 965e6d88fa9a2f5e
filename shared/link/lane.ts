// One direction of data on one connection: what is in flight, how much may be, how fast it goes. Rebuilt from nothing with
// each session, since the store knows what is still to be sent.
import { limits } from "../limits.ts";
import type { Priority } from "../journal/stream.ts";

/** Where reading of the backlog stands, per priority of the lane: id of the last segment handed out. */
export type Cursors = Readonly<Partial<Record<Priority, number>>>;

interface SentFrame {
  readonly number: number;
  readonly bytes: number;
  readonly sentAtMs: number;
}

export interface LaneState {
  /** The connection of this lane is up. */
  readonly open: boolean;
  /** A read of the store is under way. */
  readonly reading: boolean;
  /** The lane was rewound while a read was under way: what it finds lies behind the wrong cursors. */
  readonly stale: boolean;
  /** The last read found nothing behind the cursors. */
  readonly dry: boolean;
  /** Something was stored since the read under way began: its "nothing" is no longer true. */
  readonly outdated: boolean;
  readonly cursors: Cursors;
  readonly creditBytes: number;
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
  readonly lastAckAtMs: number;
  /** Nothing may be read again before this: what the parent refused would come straight back. */
  readonly pausedUntilMs: number;
}

/** Small, because nothing is known of the link yet: the first acknowledgement tells its rate. */
const firstFrameBytes = 16 * 1024;
const frameBytesMin = 1024;
const frameBytesMax = 256 * 1024;
/** Bytes per second that a link is thought to carry before it has shown what it does. */
const rateAssumed = 16 * 1024;
/** A frame holds about this much time of the link. */
const frameMs = 200;

export function freshLane(windowBytes: number, creditBytes: number, open: boolean): LaneState {
  return {
    open,
    reading: false,
    stale: false,
    dry: false,
    outdated: false,
    cursors: {},
    creditBytes,
    windowBytes,
    frames: [],
    inFlightBytes: 0,
    nextNumber: 1,
    rttMs: 0,
    rttDeviationMs: 0,
    expiries: 0,
    rate: 0,
    lastAckAtMs: 0,
    pausedUntilMs: 0,
  };
}

/** The store has something new. */
export function withStored(lane: LaneState): LaneState {
  return { ...lane, dry: false, outdated: lane.reading };
}

/** The read began before a rewind: read again. */
export function withStaleRead(lane: LaneState): LaneState {
  return { ...lane, reading: false, stale: false, outdated: false };
}

/** The read found nothing. */
export function withNothingRead(lane: LaneState): LaneState {
  return { ...lane, reading: false, dry: !lane.outdated, outdated: false };
}

/** Bytes that the next frame should have, or 0 when none may be sent now. */
export function nextFrameBytes(lane: LaneState, nowMs: number): number {
  if (!lane.open || lane.reading || nowMs < lane.pausedUntilMs) return 0;
  if (lane.creditBytes === 0 || lane.frames.length >= limits.framesInFlight) return 0;
  const wanted = lane.rate === 0 ? firstFrameBytes : Math.round((lane.rate * frameMs) / 1000);
  const target = Math.min(frameBytesMax, Math.max(frameBytesMin, wanted));
  if (lane.frames.length === 0) return target;
  const room = Math.min(lane.creditBytes, lane.windowBytes) - lane.inFlightBytes;
  return room >= frameBytesMin ? Math.min(target, room) : 0;
}

/** A frame left; `cursors` stand behind its last segment. */
export function withSent(lane: LaneState, bytes: number, cursors: Cursors, nowMs: number): LaneState {
  return {
    ...lane,
    reading: false,
    dry: false,
    outdated: false,
    cursors,
    frames: [...lane.frames, { number: lane.nextNumber, bytes, sentAtMs: nowMs }],
    inFlightBytes: lane.inFlightBytes + bytes,
    nextNumber: lane.nextNumber + 1,
  };
}

/** The parent answered frame `number`. Frames before it without an answer are lost: reading starts over at the oldest segment. */
export function withAcked(lane: LaneState, number: number, creditBytes: number, nowMs: number): LaneState {
  const answered = lane.frames.find((frame) => frame.number === number);
  // Of a frame that was given up: late, but progress.
  if (answered === undefined) return { ...lane, creditBytes, expiries: 0, lastAckAtMs: nowMs };
  const overtaken = lane.frames.some((frame) => frame.number < number);
  const frames = lane.frames.filter((frame) => frame.number > number);
  const sampleMs = Math.max(0, nowMs - answered.sentAtMs);
  const first = lane.rttMs === 0;
  const sinceMs = Math.max(1, nowMs - Math.max(lane.lastAckAtMs, answered.sentAtMs));
  const rate = (answered.bytes * 1000) / sinceMs;
  return {
    ...lane,
    creditBytes,
    frames,
    inFlightBytes: frames.reduce((sum, frame) => sum + frame.bytes, 0),
    rttMs: first ? sampleMs : lane.rttMs * 0.875 + sampleMs * 0.125,
    rttDeviationMs: first ? sampleMs / 2 : lane.rttDeviationMs * 0.75 + Math.abs(sampleMs - lane.rttMs) * 0.25,
    rate: lane.rate === 0 ? rate : lane.rate * 0.8 + rate * 0.2,
    expiries: 0,
    lastAckAtMs: nowMs,
    ...(overtaken ? { cursors: {}, dry: false, stale: lane.reading } : {}),
  };
}

/** Forget what is in flight and read from the oldest segment again, not before `pausedUntilMs`. */
export function withRewind(lane: LaneState, pausedUntilMs: number): LaneState {
  return { ...lane, frames: [], inFlightBytes: 0, cursors: {}, dry: false, stale: lane.reading, pausedUntilMs };
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
