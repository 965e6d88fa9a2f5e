// What the two ends of a link say about themselves: Hello, Welcome and heartbeats. Keys and meaning: PROTOCOL.md.
import { encodeCbor } from "../cbor.ts";
import { levels, type Level, type NodeName } from "../ids.ts";
import type { IntervalSet } from "../journal/interval-set.ts";
import {
  fullPolicies,
  presetOrder,
  streamClassCodes,
  streamOrderCodes,
  type LowMark,
  type Priority,
  type StreamOrder,
  type StreamState,
} from "../journal/stream.ts";
import { limits } from "../limits.ts";
import {
  packFinalMark,
  packShortage,
  readFinalMarks,
  readShortages,
  type FinalHolding,
  type FinalMark,
  type Shortage,
} from "./final-news.ts";
import {
  asArray,
  asMap,
  asNodeName,
  asRanges,
  asText,
  asTimeMs,
  asUint,
  decodeFrame,
  optional,
  packRange,
  streamsOnWire,
  u32Max,
  wireInt,
} from "./fields.ts";
import {
  packDescendant,
  packPlace,
  readDescendant,
  readLevel,
  readParents,
  readPlace,
  type Descendant,
  type NodePlace,
} from "./descendant.ts";
import { packMissing, packNews, readMissing, readNews, type DescendantNews, type Missing } from "./descendant-news.ts";
import { packRuling, readRulings, type NameRuling } from "./name-rulings.ts";

export const protocolVersion = 1;

/** One hop of the path to the root, nearest first: `[name, level, uplink, sinceMs]`. */
export interface PathHop {
  readonly name: NodeName;
  readonly level: Level;
  /** How that node stands to the next one above. `root`: there is none. */
  readonly uplink: "up" | "down" | "root";
  readonly sinceMs: number;
}

export interface Hello {
  readonly version: number;
  readonly name: NodeName;
  readonly epoch: number;
  readonly bootId: string;
  readonly streams: readonly StreamState[];
  readonly nowMs: number;
  /** Drawn by the child for each connection: a will of an older one does not match it. */
  readonly conn: number;
  readonly uuid: string;
  readonly place: NodePlace;
  /** The beginning of the list. */
  readonly descendants: readonly Descendant[];
  /** What of it follows in heartbeats; absent: nothing. */
  readonly missing?: Missing;
  /** Of the child's own streams. */
  readonly lows: readonly LowMark[];
  /** Further nodes that were below once, whose streams are named. */
  readonly relays?: readonly NodeName[];
  /** To whom the child was connected before, the latest first. */
  readonly parents?: readonly NodeName[];
}

/** The highest segment that is known of a stream: its last number, how many messages, and the checksum of its body. */
export interface SegmentMark {
  readonly streamId: number;
  readonly last: number;
  readonly items: number;
  readonly crc: number;
}

/** What a parent holds of a stream of the child's own: `[epoch, streamId, ranges, [last, crc, items]?]`. */
export interface Holding {
  readonly epoch: number;
  readonly streamId: number;
  readonly ranges: IntervalSet;
  readonly mark?: SegmentMark;
}

/** Bits of what a parent can do. */
export const capabilities = { deflate: 1, descendantNews: 2 } as const;

export interface Welcome {
  readonly version: number;
  readonly parent: NodeName;
  /** Random number of the parent's database file. */
  readonly parentInstance: number;
  readonly parentSinceMs?: number; // when it was started, by its clock: only compared; absent: unknown
  readonly session: number;
  /** What the parent holds of the child's own streams. */
  readonly holds: readonly Holding[];
  /** And of streams of class final of other nodes that the Hello named. */
  readonly relayed?: readonly FinalHolding[];
  readonly creditBytes: number;
  /** What P0 may have in flight while the credit is 0; absent: nothing. */
  readonly urgentCreditBytes?: number;
  /** Bits of `capabilities`; absent: none. */
  readonly capabilities?: number;
  readonly nowMs: number;
  readonly path: readonly PathHop[];
  /** `nowMs` stems from a root. */
  readonly synced?: boolean;
}

/** Instead of a Welcome. */
export interface Refusal {
  readonly code: "version" | "loop" | "name-taken" | "busy";
  readonly retryAfterMs: number;
  readonly text: string;
}

/** Up: streams that have grown, and what has changed below. Down: credit, whether `nowMs` stems from a root, and the path when it changed. */
export interface Heartbeat {
  readonly nowMs: number;
  readonly streams: readonly StreamState[];
  readonly creditBytes: number | undefined;
  readonly urgentCreditBytes?: number;
  readonly path: readonly PathHop[] | undefined;
  /** Up: all that are below, to a parent that takes no news of them. */
  readonly descendants: readonly Descendant[] | undefined;
  readonly below?: DescendantNews;
  /** Down: the portion of `below` that has been taken in. */
  readonly belowHeard?: number;
  /** Up: further nodes that were below once, whose messages are about to come. */
  readonly relays?: readonly NodeName[];
  /** Down: what has changed for streams that the child has named. */
  readonly marks?: readonly FinalMark[];
  /** Down: what the child is to hand on once more, of streams that it has named. */
  readonly wanted?: readonly Shortage[];
  /** Down: all that the child is to know of names that two nodes bear; absent: as it was. */
  readonly rulings?: readonly NameRuling[];
  readonly synced?: boolean;
}

const refusalCodes: readonly Refusal["code"][] = ["version", "loop", "name-taken", "busy"];
const uplinkCodes: readonly PathHop["uplink"][] = ["up", "down", "root"];

export function encodeHello(hello: Hello): Uint8Array {
  return encodeCbor(
    new Map<number, unknown>([
      [0, hello.version],
      [1, hello.name],
      [2, hello.epoch],
      [3, hello.bootId],
      [4, hello.streams.map(packStream)],
      [8, BigInt(hello.nowMs)],
      [10, hello.conn],
      [11, hello.uuid],
      [12, packPlace(hello.place)],
      [13, hello.descendants.map(packDescendant)],
      [14, hello.lows.map(packLow)],
      ...(hello.relays === undefined ? [] : [[15, hello.relays] as const]),
      ...(hello.missing === undefined ? [] : [[21, packMissing(hello.missing)] as const]),
      ...(hello.parents === undefined ? [] : [[18, hello.parents] as const]),
    ]),
  );
}

export function encodeHeartbeat(beat: Heartbeat): Uint8Array {
  const map = new Map<number, unknown>([[8, BigInt(beat.nowMs)]]);
  if (beat.streams.length > 0) map.set(4, beat.streams.map(packStream));
  if (beat.creditBytes !== undefined) map.set(5, beat.creditBytes);
  if (beat.urgentCreditBytes !== undefined) map.set(7, beat.urgentCreditBytes);
  if (beat.path !== undefined) map.set(10, beat.path.map(packHop));
  if (beat.descendants !== undefined) map.set(13, beat.descendants.map(packDescendant));
  if (beat.below !== undefined) map.set(21, packNews(beat.below));
  if (beat.belowHeard !== undefined) map.set(22, beat.belowHeard);
  if (beat.relays !== undefined) map.set(15, beat.relays);
  if (beat.marks !== undefined) map.set(3, beat.marks.map(packFinalMark));
  if (beat.wanted !== undefined) map.set(19, beat.wanted.map(packShortage));
  if (beat.rulings !== undefined) map.set(20, beat.rulings.map(packRuling));
  if (beat.synced !== undefined) map.set(17, beat.synced);
  return encodeCbor(map);
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  const map = new Map<number, unknown>([
    [0, welcome.version],
    [1, welcome.parent],
    [2, welcome.parentInstance],
    [3, welcome.session],
    [4, welcome.holds.map(packHolding)],
    [5, welcome.creditBytes],
    [8, BigInt(welcome.nowMs)],
    [10, welcome.path.map(packHop)],
    [17, welcome.synced ?? false],
  ]);
  if (welcome.urgentCreditBytes !== undefined) map.set(7, welcome.urgentCreditBytes);
  if (welcome.capabilities !== undefined) map.set(9, welcome.capabilities);
  if (welcome.relayed !== undefined) map.set(19, welcome.relayed.map(packShortage));
  if (welcome.parentSinceMs !== undefined) map.set(21, BigInt(welcome.parentSinceMs));
  return encodeCbor(map);
}

export function encodeRefusal(refusal: Refusal): Uint8Array {
  const reason = [refusalCodes.indexOf(refusal.code), refusal.retryAfterMs, refusal.text];
  return encodeCbor(
    new Map<number, unknown>([
      [0, protocolVersion],
      [11, reason],
    ]),
  );
}

/** What a child sent on its `h` topic: a Hello has a version (key 0), a heartbeat has none. */
export function decodeFromChild(
  bytes: Uint8Array,
): { readonly frame: { readonly hello: Hello } | { readonly beat: Heartbeat } } | { readonly malformed: string } {
  return decodeFrame(bytes, (value) => {
    const map = asMap(value, "hello");
    return map.has(0) ? { hello: readHello(map) } : { beat: readHeartbeat(map) };
  });
}

/** What a parent sent on the `h` topic. */
export function decodeFromParent(
  bytes: Uint8Array,
):
  | { readonly frame: { readonly welcome: Welcome } | { readonly refusal: Refusal } | { readonly beat: Heartbeat } }
  | { readonly malformed: string } {
  return decodeFrame(bytes, (value) => {
    const map = asMap(value, "welcome");
    if (!map.has(0)) return { beat: readHeartbeat(map) };
    return map.has(11) ? { refusal: readRefusal(map.get(11)) } : { welcome: readWelcome(map) };
  });
}

/** A stream as batches and hellos carry it. */
export function packStream(stream: StreamState): readonly unknown[] {
  const { origin, epoch, streamId, name, priority } = stream;
  const order = streamOrderCodes[stream.order];
  const policy = fullPolicies.indexOf(stream.policy);
  return [origin, epoch, streamId, name, priority, streamClassCodes[stream.class], wireInt(stream.high), order, policy];
}

export function readStream(value: unknown): StreamState {
  const [origin, epoch, streamId, name, priority, classCode, high, order, policy] = asArray(value, "stream", 16);
  const rank = asUint(priority, "priority", 3) as Priority;
  return {
    origin: asNodeName(origin, "origin"),
    epoch: asUint(epoch, "epoch", u32Max),
    streamId: asUint(streamId, "stream number", limits.streamsPerNode),
    name: asText(name, "stream name", 64),
    priority: rank,
    class: asUint(classCode, "class", 1) === streamClassCodes.final ? "final" : "custody",
    order: order === undefined ? presetOrder(rank) : readOrder(order),
    policy: fullPolicies[policy === undefined ? 0 : asUint(policy, "policy", 255)] ?? "oldest",
    high: asUint(high, "highest number"),
  };
}

function readOrder(value: unknown): StreamOrder {
  return asUint(value, "order", 255) === streamOrderCodes.strict ? "strict" : "live-first";
}

export function packLow(mark: LowMark): readonly unknown[] {
  return [mark.epoch, mark.streamId, wireInt(mark.low)];
}

export function readLow(value: unknown): LowMark {
  const [epoch, streamId, low] = asArray(value, "low", 8);
  return {
    epoch: asUint(epoch, "epoch", u32Max),
    streamId: asUint(streamId, "stream number", limits.streamsPerNode),
    low: asUint(low, "low"),
  };
}

function packHolding({ epoch, streamId, ranges, mark }: Holding): readonly unknown[] {
  const held = [epoch, streamId, ranges.map(packRange)];
  return mark === undefined ? held : [...held, [wireInt(mark.last), mark.crc, mark.items]];
}

function packHop(hop: PathHop): readonly unknown[] {
  return [hop.name, levels.indexOf(hop.level), uplinkCodes.indexOf(hop.uplink), BigInt(hop.sinceMs)];
}

function readHello(map: ReadonlyMap<unknown, unknown>): Hello {
  const relays = optional(map.get(15), readRelays);
  const parents = optional(map.get(18), readParents);
  const missing = optional(map.get(21), readMissing);
  return {
    ...(missing === undefined ? {} : { missing }),
    ...(relays === undefined ? {} : { relays }),
    ...(parents === undefined ? {} : { parents }),
    version: asUint(map.get(0), "version", 255),
    name: asNodeName(map.get(1), "name"),
    epoch: asUint(map.get(2), "epoch", u32Max),
    bootId: asText(map.get(3), "boot id", 64),
    streams: asArray(map.get(4), "streams", streamsOnWire).map(readStream),
    nowMs: asTimeMs(map.get(8), "time"),
    conn: asUint(map.get(10), "connection number"),
    uuid: asText(map.get(11), "uuid", 64),
    place: readPlace(map.get(12)),
    descendants: asArray(map.get(13) ?? [], "descendants", limits.descendants).map(readDescendant),
    lows: asArray(map.get(14) ?? [], "lows", streamsOnWire).map(readLow),
  };
}

function readWelcome(map: ReadonlyMap<unknown, unknown>): Welcome {
  return {
    version: asUint(map.get(0), "version", 255),
    parent: asNodeName(map.get(1), "parent"),
    parentInstance: asUint(map.get(2), "instance", u32Max),
    session: asUint(map.get(3), "session", u32Max),
    holds: asArray(map.get(4), "holdings", streamsOnWire).map(readHolding),
    creditBytes: asUint(map.get(5), "credit"),
    ...readUrgentCredit(map),
    ...(map.has(19) && { relayed: readShortages(map.get(19)) }),
    ...(map.has(21) && { parentSinceMs: asTimeMs(map.get(21), "start of the parent") }),
    ...(map.has(9) && { capabilities: asUint(map.get(9), "capabilities", u32Max) }),
    nowMs: asTimeMs(map.get(8), "time"),
    path: readPath(map.get(10)),
    ...(map.get(17) === true ? { synced: true } : {}),
  };
}

function readHolding(value: unknown): Holding {
  const [epoch, number, ranges, markValue] = asArray(value, "holding", 8);
  const streamId = asUint(number, "stream number", limits.streamsPerNode);
  const mark = optional(markValue, (known) => readSegmentMark(known, streamId));
  return {
    epoch: asUint(epoch, "epoch", u32Max),
    streamId,
    ranges: asRanges(ranges, "held ranges"),
    ...(mark === undefined ? {} : { mark }),
  };
}

function readSegmentMark(value: unknown, streamId: number): SegmentMark {
  const [last, crc, items] = asArray(value, "segment mark", 8);
  return {
    streamId,
    last: asUint(last, "last number"),
    crc: asUint(crc, "crc", u32Max),
    items: asUint(items, "items", limits.segmentItems),
  };
}

function readRefusal(value: unknown): Refusal {
  const [code, retryAfterMs, text] = asArray(value, "refusal", 8);
  return {
    code: refusalCodes[asUint(code, "refusal code", 255)] ?? "busy",
    retryAfterMs: asUint(retryAfterMs, "retry-after"),
    text: asText(text, "refusal text", 512),
  };
}

function readHeartbeat(map: ReadonlyMap<unknown, unknown>): Heartbeat {
  const relays = optional(map.get(15), readRelays);
  const marks = optional(map.get(3), readFinalMarks);
  const wanted = optional(map.get(19), readShortages);
  const rulings = optional(map.get(20), readRulings);
  const synced = map.get(17);
  const below = optional(map.get(21), readNews);
  const belowHeard = optional(map.get(22), (portion) => asUint(portion, "portion", u32Max));
  return {
    ...(below === undefined ? {} : { below }),
    ...(belowHeard === undefined ? {} : { belowHeard }),
    ...(relays === undefined ? {} : { relays }),
    ...(marks === undefined ? {} : { marks }),
    ...(wanted === undefined ? {} : { wanted }),
    ...(rulings === undefined ? {} : { rulings }),
    ...(typeof synced === "boolean" ? { synced } : {}),
    nowMs: asTimeMs(map.get(8), "time"),
    streams: asArray(map.get(4) ?? [], "streams", streamsOnWire).map(readStream),
    creditBytes: optional(map.get(5), (value) => asUint(value, "credit")),
    ...readUrgentCredit(map),
    path: optional(map.get(10), readPath),
    descendants: optional(map.get(13), (value) =>
      asArray(value, "descendants", limits.descendants).map(readDescendant),
    ),
  };
}

/** Key 7 of Welcome, heartbeat and acknowledgement. */
export function readUrgentCredit(map: ReadonlyMap<unknown, unknown>): { readonly urgentCreditBytes?: number } {
  return map.has(7) ? { urgentCreditBytes: asUint(map.get(7), "credit of P0") } : {};
}

export function readRelays(value: unknown): readonly NodeName[] {
  return asArray(value, "relays", limits.descendants).map((name) => asNodeName(name, "relay"));
}

function readPath(value: unknown): readonly PathHop[] {
  return asArray(value, "path", limits.treeDepth * 2).map((hop) => {
    const [name, level, uplink, sinceMs] = asArray(hop, "hop", 8);
    return {
      name: asNodeName(name, "hop"),
      level: readLevel(level),
      uplink: uplinkCodes[asUint(uplink, "uplink state", 255)] ?? "down",
      sinceMs: asTimeMs(sinceMs, "since"),
    };
  });
}
