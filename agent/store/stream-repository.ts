// Rows of the ledger: one per (origin, epoch, stream), with the ranges that make delivery exactly once.
import type { DatabaseSync } from "node:sqlite";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import {
  addInterval,
  countIntervals,
  emptyIntervals,
  highestOf,
  missingFrom,
  type IntervalSet,
} from "#shared/journal/interval-set.ts";
import type { GapRow, LedgerRow } from "#shared/journal/ledger.ts";
import { lossReasonOf } from "#shared/journal/segment.ts";
import {
  fullPolicies,
  placeholderName,
  streamClassCodes,
  type FullPolicy,
  type Priority,
  type StreamClass,
  type StreamOrder,
  type StreamState,
} from "#shared/journal/stream.ts";
import type { SegmentMark } from "#shared/link/hello.ts";
import type { KnownStream } from "#shared/link/told-streams.ts";
import type { DataHolding } from "#shared/system/document-store.ts";
import { AdoptedStreams } from "./adopted-streams.ts";
import { ChangedStreams } from "./changed-streams.ts";
import { packRanges, unpackRanges } from "./packed-ranges.ts";
import type { StreamKey } from "./stream-key.ts";

/** What changes in a row; every count is a difference. */
export interface StreamChange {
  readonly ranges?: IntervalSet;
  readonly high?: number;
  readonly low?: number;
  readonly delivered?: number;
  readonly lost?: number;
  readonly held?: number;
  readonly heldBytes?: number;
  /** Rows of segments, gaps included. */
  readonly segments?: number;
  /** Taken over when it is higher than the one that is known. */
  readonly mark?: Omit<SegmentMark, "streamId">;
  /** Replaces the numbers that the parent has and that are kept until the root has them. */
  readonly handed?: IntervalSet;
  readonly finalMark?: number;
}

export interface StreamRow {
  readonly priority: Priority;
  readonly class: StreamClass;
  readonly order: StreamOrder;
  readonly policy: FullPolicy;
  readonly high: number;
  readonly ranges: IntervalSet;
  readonly low: number;
  readonly handed: IntervalSet;
  /** All of 1…this is stored at the root or lost, as far as this node has heard. */
  readonly finalMark: number;
}

export interface StreamsAsked {
  readonly streams: readonly KnownStream[];
  /** Number of this answer. */
  readonly asked: number;
}

/** What sending must know of a stream. */
export interface OutgoingStream {
  readonly priority: Priority;
  readonly order: StreamOrder;
  /** Numbers that the parent has and that are kept here all the same. */
  readonly handed: IntervalSet;
  /** Rows of segments, gaps included. */
  readonly segments: number;
}

const selectLedger = `
  SELECT o.node AS node, o.epoch AS epoch, s.stream AS stream, s.name AS name, s.priority AS priority, s.class AS class,
    s.strict_order AS strictOrder, s.policy AS policy, s.high AS high, s.ranges AS ranges, s.low AS low, s.delivered AS delivered, s.lost AS lost, s.held AS held,
    s.held_bytes AS heldBytes, s.heard_ms AS heardMs, s.handed AS handed, s.final_mark AS finalMark,
    s.digest_at AS digestAt, s.digest_items AS digestItems, s.digest AS digest
  FROM stream s JOIN origin o ON o.id = s.origin`;

export class StreamRepository {
  readonly #findOrigin;
  readonly #addOrigin;
  readonly #find;
  readonly #add;
  readonly #describe;
  readonly #hear;
  readonly #change;
  readonly #setWaiting;
  readonly #mark;
  readonly #unhand;
  readonly #finals;
  readonly #custodyHanded;
  readonly #handedOf;
  readonly #ledger;
  readonly #ledgerOf;
  readonly #ledgerRow;
  readonly #byKey;
  readonly #gaps;
  readonly #outgoing;
  readonly #waiting;
  readonly #named;
  readonly #namesake;
  readonly #adopted: AdoptedStreams;
  readonly #changed = new ChangedStreams();
  /** Hears of streams whose segments change. */
  #onSegments: (key: StreamKey) => void = () => undefined;
  /** Never rolled back: an id that a failed transaction drew is looked up again because `forgetOrigins` clears this. */
  readonly #originIds = new Map<string, number>();

  constructor(database: DatabaseSync) {
    this.#findOrigin = database.prepare("SELECT id FROM origin WHERE node = ? AND epoch = ?");
    this.#addOrigin = database.prepare("INSERT INTO origin(node, epoch) VALUES(?, ?)");
    this.#find = database.prepare(
      "SELECT priority, class, strict_order AS strictOrder, policy, high, ranges, low, handed, final_mark AS finalMark FROM stream WHERE origin = ? AND stream = ?",
    );
    this.#add = database.prepare(
      `INSERT INTO stream(origin, stream, name, priority, class, strict_order, policy, high, ranges, low, delivered, lost, held, held_bytes, final_mark, digest, heard_ms)
       VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, 0, 0, 0, 0, 0, ?)`,
    );
    this.#describe = database.prepare(
      `UPDATE stream SET name = IIF(name = CAST(stream AS TEXT), ?, name), priority = ?, class = ?, strict_order = ?, policy = ?,
         high = MAX(high, ?), heard_ms = MAX(heard_ms, ?) WHERE origin = ? AND stream = ?`,
    );
    this.#hear = database.prepare(
      `UPDATE stream SET high = MAX(high, ?), heard_ms = MAX(heard_ms, ?)
       WHERE origin = ? AND stream = ? AND name <> CAST(stream AS TEXT)`,
    );
    this.#change = database.prepare(
      `UPDATE stream SET ranges = COALESCE(?, ranges), high = MAX(high, ?), low = MAX(low, ?), delivered = delivered + ?,
         lost = lost + ?, held = held + ?, held_bytes = held_bytes + ?, segments = segments + ?, handed = COALESCE(?, handed),
         final_mark = MAX(final_mark, ?) WHERE origin = ? AND stream = ?`,
    );
    this.#mark = database.prepare(
      "UPDATE stream SET digest_at = ?1, digest_items = ?, digest = ? WHERE origin = ? AND stream = ? AND digest_at < ?1",
    );
    this.#unhand = database.prepare("UPDATE stream SET handed = NULL WHERE handed IS NOT NULL");
    this.#handedOf = database.prepare("SELECT stream, handed FROM stream WHERE origin = ? ORDER BY stream");
    this.#custodyHanded = database.prepare(
      `SELECT origin, stream, handed FROM stream WHERE handed IS NOT NULL AND class <> ${streamClassCodes.final}`,
    );
    this.#finals = database.prepare(`${selectLedger} WHERE s.class = ${streamClassCodes.final} AND s.high > 0`);
    this.#setWaiting = database.prepare(
      "UPDATE stream SET waiting = segments > 0 WHERE origin = ? AND stream = ? AND waiting <> (segments > 0)",
    );
    this.#ledger = database.prepare(`${selectLedger} ORDER BY o.node, o.epoch, s.stream`);
    this.#ledgerOf = database.prepare(`${selectLedger} WHERE o.node = ? ORDER BY o.epoch, s.stream`);
    this.#ledgerRow = database.prepare(`${selectLedger} WHERE o.node = ? AND o.epoch = ? AND s.stream = ?`);
    this.#byKey = database.prepare(`${selectLedger} WHERE s.origin = ? AND s.stream = ?`);
    this.#outgoing = database.prepare(
      "SELECT priority, class, strict_order AS strictOrder, policy, handed, segments FROM stream WHERE origin = ? AND stream = ?",
    );
    this.#waiting = database.prepare(
      `SELECT origin, stream FROM stream INDEXED BY stream_waiting
       WHERE priority = ? AND waiting = 1 AND (origin, stream) > (?, ?) ORDER BY origin, stream LIMIT ?`,
    );
    this.#named = database.prepare(
      "SELECT s.origin AS origin, s.stream AS stream FROM stream s JOIN origin o ON o.id = s.origin WHERE o.node = ? AND o.epoch = ? AND s.name = ?",
    );
    this.#namesake = database.prepare("SELECT 1 FROM stream WHERE origin = ? AND name = ? AND stream <> ?");
    this.#adopted = new AdoptedStreams(database);
    this.#gaps = database.prepare(
      `SELECT g.first AS first, g.last AS last, g.reason AS reason FROM gap g JOIN origin o ON o.id = g.origin
       WHERE o.node = ? AND o.epoch = ? AND g.stream = ? ORDER BY g.first LIMIT 1000`,
    );
  }

  /** `listener` hears of every stream whose segments change, inside the transaction. */
  onSegments(listener: (key: StreamKey) => void): void {
    this.#onSegments = listener;
  }

  outgoing(key: StreamKey): OutgoingStream | undefined {
    const row = this.#outgoing.get(key.origin, key.stream);
    if (row === undefined) return undefined;
    const { priority, order } = traitsOf(row);
    const handed = row["handed"] === null ? emptyIntervals : unpackRanges(row["handed"]);
    return { priority, order, handed, segments: Number(row["segments"]) };
  }

  /** Streams of that priority that have something stored, behind `after`: at most `count`. */
  waiting(priority: Priority, after: StreamKey, count: number): readonly StreamKey[] {
    return this.#waiting
      .all(priority, after.origin, after.stream, count)
      .map((row) => ({ origin: Number(row["origin"]), stream: Number(row["stream"]) }));
  }

  /** Must be called when a transaction was rolled back. */
  forgetOrigins(): void {
    this.#originIds.clear();
    this.#adopted.rolledBack();
  }

  originId(node: string, epoch: number): number {
    const name = `${epoch} ${node}`;
    const known = this.#originIds.get(name);
    if (known !== undefined) return known;
    const row = this.#findOrigin.get(node, epoch);
    const id = row === undefined ? Number(this.#addOrigin.run(node, epoch).lastInsertRowid) : Number(row["id"]);
    this.#originIds.set(name, id);
    return id;
  }

  /** The stream as the ledger knows it. Undefined when it does not: unlike `originId` this adds nothing. */
  keyOf(node: string, epoch: number, stream: number): StreamKey | undefined {
    const origin = this.#originIds.get(`${epoch} ${node}`) ?? this.#findOrigin.get(node, epoch)?.["id"];
    if (origin === undefined) return undefined;
    const key = { origin: Number(origin), stream };
    return this.#outgoing.get(key.origin, stream) === undefined ? undefined : key;
  }

  /** The number of the stream with that name, or the next free one. */
  numberOf(node: string, epoch: number, name: string): number {
    const rows = this.#ledgerOf.all(node).filter((row) => row["epoch"] === epoch);
    const known = rows.find((row) => row["name"] === name);
    if (known !== undefined) return Number(known["stream"]);
    const next = Math.max(0, ...rows.map((row) => Number(row["stream"]))) + 1;
    if (next <= limits.streamsPerNode) return next;
    throw new FogbankError(
      "FOGBANK_CONFIG_INVALID",
      `could not number the stream "${name}": this data directory has numbered ${limits.streamsPerNode} already, and a number is never used again. Use one of their names`,
    );
  }

  /**
   * Adds the stream or takes over what is newer in its description; a name is given once and stays, and a placeholder says nothing of
   * the stream. A name that another stream of that epoch bears gets the number added: documents know a stream by its name, and would
   * take the messages of one for those of the other. `nowMs`: when that was heard.
   */
  describe(state: StreamState, nowMs: number): void {
    const origin = this.originId(state.origin, state.epoch);
    const { priority, streamId, high } = state;
    const isTaken = this.#namesake.get(origin, state.name, streamId) !== undefined;
    const name = isTaken ? distinctName(state.name, streamId) : state.name;
    this.#changed.note({ origin, stream: streamId });
    const traits = [
      streamClassCodes[state.class],
      state.order === "strict" ? 1 : 0,
      fullPolicies.indexOf(state.policy),
    ] as const;
    if (state.name === placeholderName(streamId) && this.#hear.run(high, nowMs, origin, streamId).changes > 0) return;
    const changed = this.#describe.run(name, priority, ...traits, high, nowMs, origin, streamId);
    if (changed.changes === 0) this.#add.run(origin, streamId, name, priority, ...traits, high, packRanges([]), nowMs);
    const stored = this.#adopted.take(state.origin, state.epoch, name);
    if (stored !== undefined) this.#takeOver({ origin, stream: streamId }, stored);
  }

  /** Counts as delivered what a document store has; for a stream that is not known here, once it is described. */
  adopt({ origin, epoch, stream, ranges }: DataHolding): void {
    const row = this.#named.get(origin, epoch, stream);
    if (row === undefined) this.#adopted.put({ origin, epoch, stream, ranges });
    else this.#takeOver({ origin: Number(row["origin"]), stream: Number(row["stream"]) }, ranges);
  }

  find(key: StreamKey): StreamRow | undefined {
    const row = this.#find.get(key.origin, key.stream);
    if (row === undefined) return undefined;
    return {
      ...traitsOf(row),
      high: Number(row["high"]),
      ranges: unpackRanges(row["ranges"]),
      low: Number(row["low"]),
      handed: row["handed"] === null ? [] : unpackRanges(row["handed"]),
      finalMark: Number(row["finalMark"]),
    };
  }

  change(key: StreamKey, change: StreamChange): void {
    const ranges = change.ranges === undefined ? null : packRanges(change.ranges);
    const { high = 0, low = 0, delivered = 0, lost = 0, held = 0, heldBytes = 0, segments = 0 } = change;
    const counts = [delivered, lost, held, heldBytes, segments] as const;
    const handed = change.handed === undefined ? null : packRanges(change.handed);
    this.#change.run(ranges, high, low, ...counts, handed, change.finalMark ?? 0, key.origin, key.stream);
    if (high > 0) this.#changed.note(key);
    const { mark } = change;
    if (mark !== undefined) this.#mark.run(mark.last, mark.items, mark.crc, key.origin, key.stream);
    if (change.segments === undefined) return;
    this.#setWaiting.run(key.origin, key.stream);
    this.#onSegments(key);
  }

  /** The streams of that origin, with the numbers that the parent has and that are kept here all the same. */
  handedOf(origin: number): readonly { readonly stream: number; readonly handed: IntervalSet }[] {
    return this.#handedOf.all(origin).map((row) => ({
      stream: Number(row["stream"]),
      handed: row["handed"] === null ? emptyIntervals : unpackRanges(row["handed"]),
    }));
  }

  /** What the parent had of streams of class final is to be handed on again. */
  forgetHanded(): void {
    this.#unhand.run();
  }

  /** Streams that are not of class final any more, with numbers that were kept for the root. */
  handedInCustody(): readonly { readonly key: StreamKey; readonly handed: IntervalSet }[] {
    return this.#custodyHanded.all().map((row) => ({
      key: { origin: Number(row["origin"]), stream: Number(row["stream"]) },
      handed: unpackRanges(row["handed"]),
    }));
  }

  /** The ledger of streams of class final. */
  finals(): readonly LedgerRow[] {
    return this.#finals.all().map(ledgerRow);
  }

  /** The highest segment known of each of a node's streams. */
  marks(node: string): readonly (SegmentMark & { readonly epoch: number })[] {
    return this.#ledgerOf.all(node).flatMap((row) =>
      row["digestAt"] === 0
        ? []
        : [
            {
              epoch: Number(row["epoch"]),
              streamId: Number(row["stream"]),
              last: Number(row["digestAt"]),
              items: Number(row["digestItems"]),
              crc: Number(row["digest"]),
            },
          ],
    );
  }

  /** The ledger of one node's streams, or of all. */
  ledger(node?: string): readonly LedgerRow[] {
    return this.#rows(node).map(ledgerRow);
  }

  /** The same with the streams that only the document store knows so far: these have the number 0, and have never been heard of. */
  accounts(node?: string): readonly LedgerRow[] {
    const adopted = this.#adopted.all(node);
    return adopted.length === 0 ? this.ledger(node) : [...this.ledger(node), ...adopted].toSorted(byOrigin);
  }

  /** The same as what hellos and heartbeats say, with the number by which `statesSince` goes on from here. */
  states(): StreamsAsked {
    const asked = this.#changed.ask();
    return { streams: this.#rows(undefined).map(knownStream), asked };
  }

  /** Those of them whose highest number may have grown since an answer that had the number `asked`. */
  statesSince(asked: number): StreamsAsked {
    const keys = this.#changed.since(asked);
    const streams = keys.flatMap(({ origin, stream }) => this.#byKey.all(origin, stream).map(knownStream));
    return { streams, asked: this.#changed.ask() };
  }

  /** The own streams of one epoch. */
  statesOf(node: string, epoch: number): readonly StreamState[] {
    return this.#rows(node)
      .filter((row) => row["epoch"] === epoch)
      .map(streamState);
  }

  /** One of them. */
  state(origin: string, epoch: number, streamId: number): StreamState | undefined {
    const row = this.#ledgerRow.get(origin, epoch, streamId);
    return row === undefined ? undefined : streamState(row);
  }

  gaps(node: string, epoch: number, stream: number): readonly GapRow[] {
    return this.#gaps.all(node, epoch, stream).map((row) => ({
      first: Number(row["first"]),
      last: Number(row["last"]),
      reason: lossReasonOf(Number(row["reason"])),
    }));
  }

  #takeOver(key: StreamKey, stored: IntervalSet): void {
    const row = this.find(key);
    const fresh = stored.flatMap(([first, last]) => missingFrom(row?.ranges ?? [], first, last));
    if (row === undefined || fresh.length === 0) return;
    const ranges = fresh.reduce((set, [first, last]) => addInterval(set, first, last), row.ranges);
    this.change(key, { ranges, high: highestOf(ranges), delivered: countIntervals(fresh) });
  }

  #rows(node: string | undefined): readonly Record<string, unknown>[] {
    return node === undefined ? this.#ledger.all() : this.#ledgerOf.all(node);
  }
}

function byOrigin(a: LedgerRow, b: LedgerRow): number {
  if (a.origin !== b.origin) return a.origin < b.origin ? -1 : 1;
  return a.epoch - b.epoch;
}

/** Of class final there may be nothing here and something below, which waits for the mark that only comes for what is named. */
function isComplete(row: Record<string, unknown>): boolean {
  const high = Number(row["high"]);
  if (Number(row["class"]) === streamClassCodes.final && Number(row["finalMark"]) < high) return false;
  return Number(row["delivered"]) + Number(row["lost"]) >= high;
}

/** No configured stream is called so, and it still fits into a frame. */
function distinctName(name: string, streamId: number): string {
  return `${name.slice(0, 60)}~${streamId}`;
}

function knownStream(row: Record<string, unknown>): KnownStream {
  return { ...streamState(row), isComplete: isComplete(row) };
}

function streamState(row: Record<string, unknown>): StreamState {
  return {
    origin: String(row["node"]),
    epoch: Number(row["epoch"]),
    streamId: Number(row["stream"]),
    name: String(row["name"]),
    ...traitsOf(row),
    high: Number(row["high"]),
  };
}

function traitsOf(row: Record<string, unknown>): Pick<StreamState, "priority" | "class" | "order" | "policy"> {
  return {
    priority: Number(row["priority"]) as Priority,
    class: row["class"] === streamClassCodes.final ? "final" : "custody",
    order: row["strictOrder"] === 1 ? "strict" : "live-first",
    policy: fullPolicies[Number(row["policy"])] ?? "oldest",
  };
}

function ledgerRow(row: Record<string, unknown>): LedgerRow {
  return {
    origin: String(row["node"]),
    epoch: Number(row["epoch"]),
    streamId: Number(row["stream"]),
    stream: String(row["name"]),
    high: Number(row["high"]),
    ranges: unpackRanges(row["ranges"]),
    low: Number(row["low"]),
    delivered: Number(row["delivered"]),
    lost: Number(row["lost"]),
    held: Number(row["held"]),
    heldBytes: Number(row["heldBytes"]),
    heardAtMs: Number(row["heardMs"]),
    handed: row["handed"] === null ? 0 : countIntervals(unpackRanges(row["handed"])),
    finalMark: Number(row["finalMark"]),
  };
}
