// Makes room for what comes, in transactions of its own before the one that stores it: so what was given up stays given up when the
// message is refused after all. Which streams give way, and with what, is decided in shared/journal/eviction.ts.
import { FogbankError } from "#shared/errors.ts";
import { givingWay, shareBytes } from "#shared/journal/eviction.ts";
import type { FullPolicy, Priority } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import type { Budget } from "./budget.ts";
import type { QuarantineRepository } from "./quarantine-repository.ts";
import type { SegmentRemoval } from "./segment-removal.ts";
import type { OwnStreamBounds } from "./stream-bounds.ts";
import type { StreamWeights, WeighedStream } from "./stream-weights.ts";

/** What a write brings, for a stream that may be new to this node. */
export interface Demand {
  readonly node: string;
  readonly epoch: number;
  readonly streamId: number;
  readonly priority: Priority;
  readonly policy: FullPolicy;
  /** As it will weigh on the disk. */
  readonly bytes: number;
  /** What is refused if it is, as an infinitive with its object. */
  readonly attempted: string;
}

export interface EvictionDeps {
  readonly budget: Budget;
  readonly weights: StreamWeights;
  readonly removal: SegmentRemoval;
  /** Gives way before any message does. */
  readonly quarantined: Pick<QuarantineRepository, "bytes" | "removeOldest">;
  readonly bounds: OwnStreamBounds;
  /** Time of the tree, milliseconds since 1970. */
  readonly now: () => number;
  /** This node. */
  readonly self: string;
  /** Name of the node whose streams alone give way; those of all when absent. */
  readonly onlyOf?: string;
}

/** Room is made down to this share of the budget, or of a stream's own bound: not for each message anew. */
const lowWater = 0.95;
/** Decimation begins at this share of what the stream may have. */
const crowded = 0.8;

/** Where thinning out a stream goes on. */
interface Pass {
  readonly from: number;
  readonly keepsNext: boolean;
}

const freshPass: Pass = { from: 0, keepsNext: true };

export class Eviction {
  readonly #deps: EvictionDeps;
  /** The last step ended at its bound with more to do. */
  #isTrimming = false;
  readonly #passes = new Map<string, Pass>();

  constructor(deps: EvictionDeps) {
    this.#deps = deps;
  }

  /** Whether so many bytes may come without a look at streams and their bounds. Cheap: asked before every commit. */
  hasRoomFor(bytes: number): boolean {
    const { budget, bounds } = this.#deps;
    return !bounds.hasSizes && budget.usedBytes() + bytes <= budget.roomBytes * crowded;
  }

  /** Whether a step might change something for these. */
  isNeeded(demands: readonly Demand[]): boolean {
    const { budget } = this.#deps;
    const filled = budget.usedBytes() + sumOf(demands);
    const room = Math.min(...demands.map((demand) => this.#roomFor(demand)));
    if (filled > room || (this.#isTrimming && filled > budget.roomBytes * lowWater)) return true;
    this.#isTrimming = false;
    return byStream(demands).some((group) => this.#ownExcess(group, filled) > 0);
  }

  /** Takes out what gives way for these, at most a thousand segments, quarantined ones first. Answers how many: 0 says that no further step helps. */
  step(demands: readonly Demand[]): number {
    const { budget } = this.#deps;
    let removed = 0;
    for (const group of byStream(demands)) {
      const excess = this.#ownExcess(group, budget.usedBytes() + sumOf(demands));
      const stream = excess > 0 ? this.#find(group) : undefined;
      if (stream !== undefined) removed += this.#takeFrom(stream, excess, limits.upkeepSegments - removed);
    }
    let coming = 0;
    for (const demand of byImportance(demands)) {
      coming += demand.bytes;
      const filled = budget.usedBytes() + coming;
      const isOver = filled > this.#roomFor(demand) || (this.#isTrimming && filled > budget.roomBytes * lowWater);
      if (isOver) removed += this.#pushOut(demand, coming, limits.upkeepSegments - removed);
    }
    this.#isTrimming = removed >= limits.upkeepSegments;
    return removed;
  }

  /** Those of the demands that have no room, when no step helps any more, with the reason; the important ones come first. */
  refused(demands: readonly Demand[]): ReadonlyMap<Demand, FogbankError> {
    const { budget } = this.#deps;
    const refusals = new Map<Demand, FogbankError>();
    const taken: Demand[] = [];
    for (const demand of byImportance(demands)) {
      const refusal = this.#refusal(demand, taken, budget.usedBytes() + sumOf(taken) + demand.bytes);
      if (refusal === undefined) taken.push(demand);
      else refusals.set(demand, refusal);
    }
    return refusals;
  }

  /** Those of the demands that no room would be enough for: they are refused before anything gives way. */
  oversized(demands: readonly Demand[]): ReadonlyMap<Demand, FogbankError> {
    const refusals = new Map<Demand, FogbankError>();
    for (const demand of demands) {
      const stream = this.#find(demand);
      const most = stream?.bounds.maxBytes ?? Infinity;
      if (demand.bytes <= most) continue;
      const { attempted, bytes } = demand;
      const message = `could not ${attempted}: it takes ${bytes} bytes, and the stream "${stream?.name}" keeps at most ${most} (max-bytes)`;
      refusals.set(demand, fullError(message));
    }
    return refusals;
  }

  /** Whether there is no room for another segment, nor can any be made for the most important one. */
  isFull(): boolean {
    const { budget } = this.#deps;
    const short = budget.usedBytes() + limits.segmentBytes - budget.roomBytes;
    if (short <= 0) return false;
    return this.#yieldingBytes() < short;
  }

  /** Whether room for another segment can be made by what gives way. */
  mayYield(): boolean {
    return this.#yieldingBytes() >= limits.segmentBytes;
  }

  #yieldingBytes(): number {
    const isAble = (stream: WeighedStream): boolean =>
      this.#mayLose(stream) && stream.policy !== "newest" && stream.policy !== "ttl";
    const streams = this.#streams();
    const aside = this.#deps.quarantined.bytes();
    const bytes = streams.filter(isAble).reduce((sum, stream) => sum + stream.bytes, aside);
    return (
      bytes +
      this.#handedBytes(
        streams.filter((stream) => !isAble(stream)),
        2 * limits.segmentBytes,
      )
    );
  }

  #refusal(demand: Demand, taken: readonly Demand[], filled: number): FogbankError | undefined {
    const { budget } = this.#deps;
    const { attempted } = demand;
    const stream = this.#find(demand);
    const most = stream?.bounds.maxBytes;
    const own = (stream?.bytes ?? 0) + sumOf(taken.filter((other) => isSame(other, demand))) + demand.bytes;
    if (most !== undefined && own > most)
      return fullError(`could not ${attempted}: the stream "${stream?.name}" has reached its max-bytes of ${most}`);
    if (filled <= this.#roomFor(demand)) return undefined;
    const full = budget.isCapped
      ? "the disk is full"
      : `the database has reached its limit of ${budget.maxBytes} bytes`;
    const rest = filled <= budget.roomBytes ? ", but for what is kept for priority P0" : "";
    return fullError(`could not ${attempted}: ${full}${rest}, and nothing may give way for it`);
  }

  /** Telemetry that gives no way could fill all, and alarms would find no room: a part of it is theirs. */
  #roomFor({ priority }: Demand): number {
    const { roomBytes } = this.#deps.budget;
    return priority === 0 ? roomBytes : roomBytes * (1 - limits.urgentRoomShare);
  }

  /** Bytes that the stream has to give up on account of its own bound, or to be thinned out; 0 when it has none to. */
  #ownExcess(demand: Demand, filledBytes: number): number {
    const { budget } = this.#deps;
    const stream = this.#find(demand);
    if (stream === undefined || !this.#mayGive(stream) || !this.#mayLose(stream)) return 0;
    const bytes = stream.bytes + demand.bytes;
    const { maxBytes = Infinity } = stream.bounds;
    if (bytes > maxBytes) return bytes - maxBytes * lowWater;
    if (stream.policy !== "decimate") return 0;
    const share =
      filledBytes > budget.roomBytes * crowded ? shareBytes(stream, this.#streams(), budget.roomBytes) : Infinity;
    return bytes > Math.min(maxBytes, share) * crowded ? Infinity : 0;
  }

  #pushOut(demand: Demand, coming: number, segmentsMax: number): number {
    const { budget, quarantined } = this.#deps;
    const excess = (): number => budget.usedBytes() + coming - budget.roomBytes * lowWater;
    let removed = 0;
    while (excess() > 0 && removed < segmentsMax && quarantined.removeOldest()) removed++;
    const known = this.#find(demand);
    const incoming = { ...(known ?? strange(demand)), bytes: (known?.bytes ?? 0) + demand.bytes };
    const others = this.#streams().filter(({ key }) => known === undefined || !isSameKey(key, known.key));
    const isOwn = known !== undefined && this.#mayGive(known) && this.#mayLose(known);
    const losing = others.filter((stream) => this.#mayLose(stream));
    const order = givingWay([incoming, ...losing], incoming, budget.roomBytes).filter(
      (one) => one !== incoming || isOwn,
    );
    const handed = this.#handedOfOthers([...(known === undefined ? [] : [known]), ...others]);
    const most =
      order.reduce((sum, { bytes }) => sum + bytes, 0) -
      (order.includes(incoming) ? demand.bytes : 0) +
      this.#handedBytes(
        handed.filter(({ key }) => !order.some((one) => isSameKey(one.key, key))),
        budget.usedBytes() + coming - this.#roomFor(demand),
      );
    // What else fills the file, queues of sessions perhaps, gives no way: then the loss would be for nothing.
    if (budget.usedBytes() + coming - most > this.#roomFor(demand)) return removed;
    // What the parent has is no loss, whatever the policy, so it goes first. Else one that is full of messages that wait for the
    // root's mark could not take in the very one that the mark waits for.
    for (const stream of handed) {
      if (excess() > 0) removed += this.#deps.removal.takeHanded(stream, excess(), Math.max(0, segmentsMax - removed));
    }
    for (const stream of order) {
      for (let more = 1; more > 0 && excess() > 0 && removed < segmentsMax; removed += more) {
        more = this.#takeFrom(stream, excess(), segmentsMax - removed);
      }
    }
    return removed;
  }

  #takeFrom(stream: WeighedStream, bytes: number, segmentsMax: number): number {
    if (segmentsMax <= 0) return 0;
    const { removal, now } = this.#deps;
    const name = `${stream.key.origin} ${stream.key.stream}`;
    const pass = this.#passes.get(name) ?? freshPass;
    const nowMs = now();
    const { maxAgeMs } = stream.bounds;
    const rules = {
      policy: stream.policy,
      bytes,
      segmentsMax,
      looksMax: limits.upkeepLooks,
      keepsNext: pass.keepsNext,
      ...(maxAgeMs === undefined ? {} : { age: { nowMs, expiredBeforeMs: nowMs - maxAgeMs } }),
    };
    const taken = removal.take(stream, pass.from, rules, stream.policy === "ttl" ? "expired" : "evicted");
    // From the head each time, but a stream that is thinned out, or searched, has a place where that goes on.
    const goesOn = stream.policy === "decimate" || stream.policy === "ttl";
    if (goesOn && !taken.ended) this.#passes.set(name, { from: taken.next, keepsNext: taken.keepsNext });
    else this.#passes.delete(name);
    return taken.segments;
  }

  /** Those that are kept here for the root alone, and by their origins too, the least important first. */
  #handedOfOthers(streams: readonly WeighedStream[]): readonly WeighedStream[] {
    return streams
      .filter(({ hasHanded, node }) => hasHanded && node !== this.#deps.self)
      .toSorted((a, b) => b.priority - a.priority);
  }

  /** What the parent has of these, counted as far as `most` of each. */
  #handedBytes(streams: readonly WeighedStream[], most: number): number {
    const handed = this.#handedOfOthers(streams);
    return handed.reduce((sum, { key }) => sum + this.#deps.removal.handedBytes(key, most), 0);
  }

  /** Every stream that has something stored and may lose it. */
  #streams(): readonly WeighedStream[] {
    return this.#deps.weights.all().filter((stream) => this.#mayGive(stream));
  }

  #mayGive({ node }: WeighedStream): boolean {
    return this.#deps.onlyOf === undefined || node === this.#deps.onlyOf;
  }

  /** Of class final the origin keeps what the root does not have: named as lost on the way, it would be given up there as well. */
  #mayLose({ node, class: streamClass }: WeighedStream): boolean {
    return streamClass === "custody" || node === this.#deps.self;
  }

  #find({ node, epoch, streamId }: Demand): WeighedStream | undefined {
    return this.#deps.weights.find(node, epoch, streamId);
  }
}

function fullError(message: string): FogbankError {
  return new FogbankError("FOGBANK_STORE_FULL", message);
}

/** A stream that nothing is known of here yet. */
function strange({ node, priority, policy }: Demand): WeighedStream {
  const key = { origin: -1, stream: -1 };
  return {
    key,
    node,
    name: "",
    priority,
    policy,
    class: "custody",
    share: 1,
    bytes: 0,
    bounds: {},
    segments: 0,
    hasHanded: false,
  };
}

function isSameKey(a: WeighedStream["key"], b: WeighedStream["key"]): boolean {
  return a.origin === b.origin && a.stream === b.stream;
}

function sumOf(demands: readonly Demand[]): number {
  return demands.reduce((sum, { bytes }) => sum + bytes, 0);
}

function isSame(a: Demand, b: Demand): boolean {
  return a.streamId === b.streamId && a.epoch === b.epoch && a.node === b.node;
}

/** One demand a stream, with all that comes for it. */
function byStream(demands: readonly Demand[]): readonly Demand[] {
  const groups: Demand[] = [];
  for (const demand of demands) {
    const at = groups.findIndex((group) => isSame(group, demand));
    const group = groups[at];
    if (group === undefined) groups.push(demand);
    else groups[at] = { ...group, bytes: group.bytes + demand.bytes };
  }
  return groups;
}

function byImportance(demands: readonly Demand[]): readonly Demand[] {
  return demands.toSorted((a, b) => a.priority - b.priority);
}
