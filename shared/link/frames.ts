// The frames that carry data upward and their acknowledgements. Layout and rules: PROTOCOL.md.
import { encodeCbor } from "../cbor.ts";
import type { NodeName } from "../ids.ts";
import type { IntervalSet } from "../journal/interval-set.ts";
import { segmentFlags } from "../journal/segment.ts";
import type { Lane, LowMark, StreamState } from "../journal/stream.ts";
import { limits } from "../limits.ts";
import {
  Malformed,
  asArray,
  asBytes,
  asMap,
  asNodeName,
  asRanges,
  asTimeMs,
  asUint,
  decodeFrame,
  optional,
  packRange,
  u32Max,
  wireInt,
} from "./fields.ts";
import { packFinalMark, readFinalMarks, type FinalMark } from "./final-news.ts";
import { packLow, packStream, readLow, readRelays, readStream, readUrgentCredit } from "./hello.ts";

/** `[origin, epoch, streamId, first, items, firstMs, flags, crc32, body | null, ext?]` */
export interface WireSegment {
  /** Name of the origin; on the wire 0 stands for the sender. */
  readonly origin: string;
  readonly epoch: number;
  readonly streamId: number;
  /** Number of its first message. */
  readonly first: number;
  /** How many messages. */
  readonly items: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly flags: number;
  readonly crc: number;
  /** Null in a gap. Deflated (RFC 1951) when the flags say so, which they do on the wire alone. Aliases the frame when decoded. */
  readonly body: Uint8Array | null;
  /** Only in a gap. */
  readonly gap: { readonly reasonCode: number; readonly bytes: number } | undefined;
}

/** What a batch says beside its segments. */
export interface BatchHead {
  readonly session: number;
  readonly lane: Lane;
  /** Counts the frames of a lane within the session, from 1. */
  readonly frameNumber: number;
  /** Every stream that this session has not named yet. */
  readonly streams: readonly StreamState[];
  /** Origins of those that are not the sender itself. */
  readonly relays?: readonly NodeName[];
  readonly lows: readonly LowMark[];
}

/** `[1, lows, segments, {0: session, 1: streams, 2: frame number, 3: lane, 4?: relays}]` */
export interface Batch extends BatchHead {
  readonly segments: readonly WireSegment[];
}

/** Ranges of a stream that the parent has committed. */
export interface AckedRanges {
  readonly origin: string;
  readonly epoch: number;
  readonly streamId: number;
  readonly ranges: IntervalSet;
}

/**
 * `no-place`: the ledger has no row for what is new. `elsewhere`: the origin is live below another child, and does not say that it was
 * ever below the sender.
 */
export type NakCode = "corrupt" | "no-room" | "not-below" | "unreadable" | "no-place" | "elsewhere";
const nakCodes: readonly NakCode[] = ["corrupt", "no-room", "not-below", "unreadable", "no-place", "elsewhere"];

/** `{0: 1, 1: ranges, 2: credit, 3?: final marks, 4: naks, 5: session, 6: [lane, frame number], 7: credit of P0}` */
export interface Ack {
  readonly session: number;
  readonly lane: Lane;
  /** The frame that is answered; what was sent on the lane before it has been answered or is lost. */
  readonly frameNumber: number;
  readonly creditBytes: number;
  /** What P0 may have in flight while the credit is 0; absent: nothing. */
  readonly urgentCreditBytes?: number;
  readonly acked: readonly AckedRanges[];
  readonly naks: readonly {
    readonly origin: string;
    readonly epoch: number;
    readonly streamId: number;
    readonly first: number;
    readonly code: NakCode;
  }[];
  /** What has changed for streams that the child has named. */
  readonly marks?: readonly FinalMark[];
}

/** `{0: 1, 1: name, 2: connection number, 3?: true}`: the will, and with key 3 the notice of a clean departure. */
export interface Departure {
  readonly name: string;
  readonly conn: number;
  readonly onPurpose: boolean;
}

const lanes: readonly Lane[] = ["control", "bulk"];
const segmentsOnWire = 16_384;
/** A list of four, and the kind of batch. */
const batchHead = Uint8Array.of(0x84, 1);
/** Bytes for the low marks of a few streams, and for the description of as many. */
const roomBefore = 256;
const roomBehind = 512;
/** Heads of CBOR items; the length of a list or string follows in four bytes. */
const listOfTen = 0x8a;
const listOfMany = 0x9a;
const byteString = 0x5a;
const nothing = 0xf6;

export function encodeBatch(batch: Batch, sender: string): Uint8Array {
  return frameBatch(batch, encodeSegments(batch.segments, sender));
}

/** A list of segments as it goes into a batch, in a buffer of its own with room for the rest of the batch around it. */
export interface EncodedSegments {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where the list begins in `bytes`, and where it ends. */
  readonly start: number;
  readonly end: number;
}

/** A batch around segments that `encodeSegments` has encoded. It takes their buffer over where the rest finds room in it. */
export function frameBatch(head: BatchHead, { bytes, start, end }: EncodedSegments): Uint8Array {
  const ext = new Map<number, unknown>([
    [0, head.session],
    [2, head.frameNumber],
    [3, lanes.indexOf(head.lane)],
  ]);
  if (head.streams.length > 0) ext.set(1, head.streams.map(packStream));
  if (head.relays !== undefined && head.relays.length > 0) ext.set(4, head.relays);
  const lows = encodeCbor(head.lows.map(packLow));
  const extension = encodeCbor(ext);
  const first = start - lows.length - batchHead.length;
  if (first < 0 || end + extension.length > bytes.length) {
    return joined([batchHead, lows, bytes.subarray(start, end), extension]);
  }
  bytes.set(batchHead, first);
  bytes.set(lows, first + batchHead.length);
  bytes.set(extension, end);
  return bytes.subarray(first, end + extension.length);
}

/**
 * The segments as one CBOR list: a store's thread makes it, and its buffer changes hands. Each body is copied once, into its place; by
 * way of the encoder it would be three times.
 */
export function encodeSegments(segments: readonly WireSegment[], sender: string): EncodedSegments {
  const parts: Uint8Array[] = [new Uint8Array(roomBefore), listHead(segments.length)];
  for (const segment of segments) addSegment(parts, segment, sender);
  parts.push(new Uint8Array(roomBehind));
  const bytes = joined(parts);
  return { bytes, start: roomBefore, end: bytes.length - roomBehind };
}

export function decodeBatch(
  bytes: Uint8Array,
  sender: string,
): { readonly frame: Batch } | { readonly malformed: string } {
  return decodeFrame(bytes, (value) => {
    const [kind, lows, segments, extension] = asArray(value, "batch", 8);
    if (kind !== 1) throw new Malformed("unknown kind of batch");
    const ext = asMap(extension, "extension");
    return {
      session: asUint(ext.get(0), "session", u32Max),
      frameNumber: asUint(ext.get(2), "frame number"),
      lane: readLane(ext.get(3)),
      streams: asArray(ext.get(1) ?? [], "streams", segmentsOnWire).map(readStream),
      ...(ext.has(4) && { relays: readRelays(ext.get(4)) }),
      lows: asArray(lows, "lows", segmentsOnWire).map(readLow),
      segments: asArray(segments, "segments", segmentsOnWire).map((segment) => readSegment(segment, sender)),
    };
  });
}

export function encodeAck(ack: Ack, child: string): Uint8Array {
  const map = new Map<number, unknown>([
    [0, 1],
    [
      1,
      ack.acked.map((held) => [
        held.origin === child ? 0 : held.origin,
        held.epoch,
        held.streamId,
        held.ranges.map(packRange),
      ]),
    ],
    [2, ack.creditBytes],
    [5, ack.session],
    [6, [lanes.indexOf(ack.lane), ack.frameNumber]],
  ]);
  if (ack.urgentCreditBytes !== undefined) map.set(7, ack.urgentCreditBytes);
  if (ack.marks !== undefined) map.set(3, ack.marks.map(packFinalMark));
  if (ack.naks.length > 0) {
    map.set(
      4,
      ack.naks.map((nak) => [
        nak.origin === child ? 0 : nak.origin,
        nak.epoch,
        nak.streamId,
        wireInt(nak.first),
        nakCodes.indexOf(nak.code),
      ]),
    );
  }
  return encodeCbor(map);
}

export function decodeAck(bytes: Uint8Array, child: string): { readonly frame: Ack } | { readonly malformed: string } {
  return decodeFrame(bytes, (value) => {
    const map = asMap(value, "ack");
    const [lane, frameNumber] = asArray(map.get(6), "frame", 4);
    const marks = optional(map.get(3), readFinalMarks);
    return {
      ...(marks === undefined ? {} : { marks }),
      session: asUint(map.get(5), "session", u32Max),
      lane: readLane(lane),
      frameNumber: asUint(frameNumber, "frame number"),
      creditBytes: asUint(map.get(2), "credit"),
      ...readUrgentCredit(map),
      acked: asArray(map.get(1), "ranges", segmentsOnWire).map((held) => readAcked(held, child)),
      naks: asArray(map.get(4) ?? [], "naks", segmentsOnWire).map((nak) => readNak(nak, child)),
    };
  });
}

export function encodeDeparture(departure: Departure): Uint8Array {
  const map = new Map<number, unknown>([
    [0, 1],
    [1, departure.name],
    [2, departure.conn],
  ]);
  if (departure.onPurpose) map.set(3, true);
  return encodeCbor(map);
}

export function decodeDeparture(bytes: Uint8Array): { readonly frame: Departure } | { readonly malformed: string } {
  return decodeFrame(bytes, (value) => {
    const map = asMap(value, "departure");
    return {
      name: asNodeName(map.get(1), "name"),
      conn: asUint(map.get(2), "connection number"),
      onPurpose: map.get(3) === true,
    };
  });
}

/** Bytes of a segment on the wire, near enough for windows and frame sizes. */
export function wireBytes(segment: Pick<WireSegment, "body">): number {
  return (segment.body?.length ?? 0) + 64;
}

function addSegment(parts: Uint8Array[], segment: WireSegment, sender: string): void {
  const { origin, epoch, streamId, first, items, firstMs, lastMs, flags, crc, body, gap } = segment;
  const name = origin === sender ? 0 : origin;
  const head = encodeCbor([name, epoch, streamId, wireInt(first), items, BigInt(firstMs), flags, crc]);
  // Of ten items, not of the eight that are encoded here.
  head[0] = listOfTen;
  const ext = new Map<number, unknown>([[2, BigInt(lastMs)]]);
  if (gap !== undefined) {
    ext.set(0, gap.reasonCode);
    ext.set(1, wireInt(gap.bytes));
  }
  parts.push(head);
  if (body === null) parts.push(Uint8Array.of(nothing));
  else parts.push(Uint8Array.of(byteString, ...uint32(body.length)), body);
  parts.push(encodeCbor(ext));
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function listHead(length: number): Uint8Array {
  return Uint8Array.of(listOfMany, ...uint32(length));
}

function uint32(value: number): readonly number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

function readSegment(value: unknown, sender: string): WireSegment {
  const [origin, epoch, streamId, first, items, firstMs, flags, crc, body, extension] = asArray(value, "segment", 16);
  const ext = extension === undefined ? new Map<unknown, unknown>() : asMap(extension, "segment extension");
  const flagBits = asUint(flags, "flags", u32Max);
  const isGap = (flagBits & segmentFlags.gap) !== 0;
  const count = asUint(items, "items", isGap ? Number.MAX_SAFE_INTEGER : limits.segmentItems);
  const start = asUint(first, "first number");
  if (start < 1 || count < 1 || !Number.isSafeInteger(start + count))
    throw new Malformed("segment numbers out of range");
  if (isGap && (flagBits & segmentFlags.deflate) !== 0) throw new Malformed("deflated gap");
  const time = asTimeMs(firstMs, "time");
  return {
    origin: readOrigin(origin, sender),
    epoch: asUint(epoch, "epoch", u32Max),
    streamId: asUint(streamId, "stream number", limits.streamsPerNode),
    first: start,
    items: count,
    firstMs: time,
    lastMs: optional(ext.get(2), (last) => asTimeMs(last, "last time")) ?? time,
    flags: flagBits,
    crc: asUint(crc, "crc", u32Max),
    body: isGap ? null : asBytes(body, "body", limits.frameBytes),
    gap: isGap
      ? { reasonCode: asUint(ext.get(0) ?? 5, "reason", 255), bytes: readLostBytes(ext.get(1), count) }
      : undefined,
  };
}

/** What is told beyond the most that so many messages can have had is cut off: it is for the accounting alone, and no reason to stop. */
function readLostBytes(value: unknown, items: number): number {
  return Math.min(asUint(value ?? 0, "lost bytes"), items * limits.bodyBytes);
}

function readAcked(value: unknown, child: string): AckedRanges {
  const [origin, epoch, streamId, ranges] = asArray(value, "acked stream", 8);
  return {
    origin: readOrigin(origin, child),
    epoch: asUint(epoch, "epoch", u32Max),
    streamId: asUint(streamId, "stream number", limits.streamsPerNode),
    ranges: asRanges(ranges, "acked ranges"),
  };
}

function readNak(value: unknown, child: string): Ack["naks"][number] {
  const [origin, epoch, streamId, first, code] = asArray(value, "nak", 8);
  return {
    origin: readOrigin(origin, child),
    epoch: asUint(epoch, "epoch", u32Max),
    streamId: asUint(streamId, "stream number", limits.streamsPerNode),
    first: asUint(first, "first number"),
    code: nakCodes[asUint(code, "nak code", 255)] ?? "unreadable",
  };
}

function readOrigin(value: unknown, self: string): string {
  return value === 0 ? self : asNodeName(value, "origin");
}

function readLane(value: unknown): Lane {
  const lane = lanes[asUint(value, "lane", 255)];
  if (lane === undefined) throw new Malformed("unknown lane");
  return lane;
}
